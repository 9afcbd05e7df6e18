"""llhttp's vectors: Markdown with what is sent and what its parser says of it (test/md-test.ts reads them)."""

import collections
import glob
import re

# `read`: status and body of each answer, if a body is to be read; `ends`: whether only the connection ends the first.
Vector = collections.namedtuple("Vector", "name bytes accepted read ends")

BREAKS = {"cr": "\r", "lf": "\n"}
BLOCK = re.compile(r"<!-- meta=([^\n]*?) -->\s*```http\n((?:(?!```).)*)```[^`]*```log\n(.*?)```", re.S)


def vectors(directory):
    found = []
    for path in sorted(glob.glob(f"{directory}/*.md")):
        with open(path) as file:
            text = file.read()
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            lenient = ", lenient" if "lenient" in block[1] else ""
            name = f"{'/'.join(path.split('/')[-2:])}:{line}{lenient}"
            found.append(vector(name, block[1], block[2], block[3]))
    return found


def vector(name, meta, text, log):
    # what a pause or an error of the caller's own makes llhttp stop at is none of the input's
    error = re.search(r"error code=(\d+)", log)
    accepted = not (error and "pause" not in meta and error[1] not in ("21", "22", "31"))
    read = [reading(message) for message in log.split("message begin")[1:]]
    ends = "message complete" not in log
    return Vector(name, unescape(text), accepted, read if "skipBody" not in meta else None, ends)


def reading(message):
    status = re.search(r"status=(\d{3})", message)
    body = [BREAKS.get(span, span[1:-1]) for span in re.findall(r"span\[body\]=(.*)", message)]
    return int(status[1]) if status else None, "".join(body).encode()


def unescape(text):
    text = text.removesuffix("\n")
    text = re.sub(r"\\(\r\n|\r|\n)", "", text)
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    for letter, byte in (("r", "\r"), ("n", "\n"), ("t", "\t"), ("f", "\f")):
        text = text.replace(f"\\{letter}", byte)
    text = re.sub(r"\\x([0-9a-fA-F]+)", lambda hex: chr(int(hex[1], 16)), text)
    text = re.sub(r"\\([0-7]{1,3})", lambda octal: chr(int(octal[1], 8)), text)
    text = re.sub(r"\$\{'(.+?)'\.repeat\((\d+)\)\}", lambda many: many[1] * int(many[2]), text)
    return text.encode("utf-8")
