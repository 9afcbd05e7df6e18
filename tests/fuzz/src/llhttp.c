/* Messages as llhttp reads them, one after another until one cannot be read: for each a line of numbers and its bytes in
 * the caller's buffer. What does not fit is not told. */
#include <stdint.h>
#include <string.h>
#include "llhttp.h"

typedef struct {
  uint8_t *out;
  size_t size, used, mark;
  uint32_t complete;
  int overflow;
  int bodiless;
} told_t;

/* Kinds of pieces: 1 method, 2 URL, 3 body, 4 end of a message, 5 status. */
static int piece(llhttp_t *parser, uint8_t kind, const char *at, size_t length) {
  told_t *told = parser->data;
  if (told->used + 5 + length > told->size) {
    told->overflow = 1;
    return -1;
  }
  uint32_t bytes = (uint32_t)length;
  told->out[told->used] = kind;
  memcpy(told->out + told->used + 1, &bytes, 4);
  if (length > 0) memcpy(told->out + told->used + 5, at, length);
  told->used += 5 + length;
  return 0;
}

static int on_method(llhttp_t *p, const char *at, size_t n) { return piece(p, 1, at, n); }
static int on_url(llhttp_t *p, const char *at, size_t n) { return piece(p, 2, at, n); }
static int on_body(llhttp_t *p, const char *at, size_t n) { return piece(p, 3, at, n); }

static int on_headers_complete(llhttp_t *p) {
  uint16_t status = p->status_code;
  if (p->type == HTTP_RESPONSE && piece(p, 5, (const char *)&status, sizeof status) != 0) return -1;
  return ((told_t *)p->data)->bodiless;
}

static int on_message_complete(llhttp_t *p) {
  told_t *told = p->data;
  if (piece(p, 4, NULL, 0) != 0) return -1;
  told->mark = told->used;
  told->complete += 1;
  return 0;
}

/* Reads `bytes` and what their end ends; returns how much of `out` the whole messages take, or SIZE_MAX if it is too
 * small. */
size_t tollgate_llhttp(int responses, int bodiless, const char *bytes, size_t length, uint8_t *out, size_t size) {
  told_t told = {out, size, 0, 0, 0, 0, bodiless};
  llhttp_settings_t settings;
  llhttp_t parser;
  llhttp_settings_init(&settings);
  settings.on_method = on_method;
  settings.on_url = on_url;
  settings.on_body = on_body;
  settings.on_headers_complete = on_headers_complete;
  settings.on_message_complete = on_message_complete;
  llhttp_init(&parser, responses ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
  parser.data = &told;
  if (llhttp_execute(&parser, bytes, length) == HPE_OK) llhttp_finish(&parser);
  return told.overflow ? SIZE_MAX : told.mark;
}
