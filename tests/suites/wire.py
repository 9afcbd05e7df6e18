"""HTTP/1.1 in bytes: one strict reading of requests (RFC 9112), an upstream that records what reaches it by that
reading, and an agent that sends any bytes through the gate.
"""

import asyncio
import collections
import re
import ssl

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])" % TOKEN)
FIELD = re.compile(rb"(%s):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*" % TOKEN)
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t !-~\x80-\xff])*"'
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?)*" % (TOKEN, TOKEN, QUOTED))
CHUNK_LAX = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
# How long nothing must happen for a case to be over whose connection stays open.
QUIET_SECS = 1.5
CONNECT_TRIES = 3
STEP_SECS = 30

Request = collections.namedtuple("Request", "method target fields body whole")


class Malformed(Exception):
    """What has no reading, or two."""


def read_requests(data, lax=False):
    """All requests in `data`, the last one perhaps not whole, and what is wrong with what follows, or None.

    Strictly, or as RFC 9112 lets a recipient be lax (sections 2.2, 6.3 and 7.1.1): empty lines before a request, lines of
    a head that end in a bare line feed, chunked before a length, after which nothing more is read, and any extension.
    """
    requests = []
    try:
        while data := data.lstrip(b"\r\n") if lax else data:
            request, data = read_request(data, lax)
            requests.append(request)
            names = [name for name, _ in request.fields]
            if not request.whole or (b"transfer-encoding" in names and b"content-length" in names):
                break
    except Malformed as fault:
        return requests, str(fault)
    return requests, None


def read_request(data, lax):
    end = re.search(rb"\r?\n\r?\n" if lax else rb"\r\n\r\n", data)
    if not end:
        raise Malformed("a head without an end")
    line, *lines = re.split(rb"\r?\n" if lax else rb"\r\n", data[: end.start()])
    parts = REQUEST_LINE.fullmatch(line)
    if not parts:
        raise Malformed(f"the request line {line[:60]!r}")
    fields = [read_field(line) for line in lines]
    if len([name for name, _ in fields if name == b"host"]) != 1 and parts[3] == b"1":
        raise Malformed("no Host, or two")
    body, rest, whole = read_body(fields, parts[3], data[end.end() :], lax)
    return Request(parts[1].decode(), parts[2].decode(), fields, body, whole), rest


def read_field(line):
    parts = FIELD.fullmatch(line)
    if not parts:
        raise Malformed(f"the field {line[:60]!r}")
    return parts[1].lower(), parts[2]


def read_body(fields, minor, rest, lax=False):
    coding = [value for name, value in fields if name == b"transfer-encoding"]
    length = [value for name, value in fields if name == b"content-length"]
    length = [] if coding and lax else length
    if coding and (length or minor == b"0" or [value.lower() for value in coding] != [b"chunked"]):
        raise Malformed("Transfer-Encoding beside a length, in HTTP/1.0, or other than chunked")
    if coding:
        return read_chunks(rest, lax)
    if not length:
        return b"", rest, True
    if len(length) > 1 or not re.fullmatch(rb"[0-9]{1,18}", length[0]):
        raise Malformed(f"the length {length!r}")
    size = int(length[0])
    return rest[:size], rest[size:], len(rest) >= size


def read_chunks(rest, lax):
    body = b""
    while True:
        line, found, after = rest.partition(b"\r\n")
        if not found:
            return body, b"", False
        size = (CHUNK_LAX if lax else CHUNK).fullmatch(line)
        if not size and lax:  # what came before may have been sent on, as a part of a body that has no end
            return body, b"", False
        if not size:
            raise Malformed(f"the chunk {line[:60]!r}")
        size = int(size[1], 16)
        if size == 0:
            break
        body += after[:size]
        if len(after) < size + 2:
            return body, b"", False
        if after[size : size + 2] != b"\r\n":
            if lax:
                return body, b"", False
            raise Malformed("a chunk that is longer than it says")
        rest = after[size + 2 :]
    while True:  # trailers
        line, found, after = after.partition(b"\r\n")
        if not found:
            return body, b"", False
        if not line:
            return body, after, True
        read_field(line)


def read_answers(data):
    """All answers in `data` to requests other than HEAD, as (status, whether it is the gate's own, body, whole)."""
    answers = []
    while data:
        head, found, rest = data.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        if not found or not STATUS.match(line):
            raise Malformed(f"the answer {line[:60]!r}")
        fields = dict(read_field(line) for line in lines)
        status, own = int(line[9:12]), b"tollgate-reason" in fields
        if status in (204, 304):
            body, data, whole = b"", rest, True
        elif b"content-length" in fields or b"transfer-encoding" in fields:
            body, data, whole = read_body(list(fields.items()), b"1", rest)
        else:
            body, data, whole = rest, b"", True
        answers.append((status, own, body, whole))
    return answers


class Connection:
    """What came on one connection to the upstream; the gate may keep it for later calls."""

    def __init__(self, port):
        self.port = port
        self.whole = []
        self.rest = b""
        self.taken = 0

    def feed(self, piece):
        """The requests that `piece` completes."""
        self.rest += piece
        before = len(self.whole)
        try:
            while self.rest:
                request, rest = read_request(self.rest, lax=False)
                if not request.whole:
                    break
                self.whole.append(request)
                self.rest = rest
        except Malformed:
            pass  # told by `take`, unless more of a head comes
        return self.whole[before:]

    def requests(self):
        return [(self.port, request) for request in self.whole + read_requests(self.rest)[0]]

    def take(self):
        """The requests that were not taken yet, and what no request may look like."""
        requests, fault = self.requests(), read_requests(self.rest)[1]
        new, self.taken = requests[self.taken :], len(requests)
        return new, [fault] if fault else []


class Upstream:
    """The world behind the gate, which reaches it by CONNECT: whatever the host, it is this one that answers."""

    def __init__(self, certificate, key):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.seen = collections.defaultdict(list)  # connections, by host
        self.answers = {}  # by host: what is answered to the first request, and whether the connection ends with it

    async def listen(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self.tls)
            connection = Connection(int(port))
            self.seen[host].append(connection)
            await self.converse(host, connection, reader, writer)
        except (OSError, EOFError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def converse(self, host, connection, reader, writer):
        while piece := await reader.read(65536):
            for request in connection.feed(piece):
                own, ends = self.answers.pop(host, (None, False))
                writer.write(own if own is not None else answer(request))
                await writer.drain()
                if ends:
                    return

    def take(self, host):
        """What reached `host` since it was last asked: requests with their ports, and faults by the strict reading."""
        requests, faults = [], []
        for connection in self.seen[host]:
            new, fault = connection.take()
            requests += new
            faults += fault
        return requests, faults


def answer(request):
    body = f"{request.method} {request.target}".encode() if request.method != "HEAD" else b""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-From: upstream\r\n\r\n" % len(body) + body


class Agent:
    """One who holds a certificate, and sends what no client sends."""

    def __init__(self, pki, name, port):
        self.port = port
        self.to_gate = ssl.create_default_context(cafile=f"{pki}/gate-ca.crt")
        self.to_gate.load_cert_chain(f"{pki}/{name}.crt", f"{pki}/{name}.key")
        self.carried = set()  # asyncio itself keeps no hold of them
        self.inside = ssl.create_default_context(cafile=f"{pki}/interception-ca.crt")

    async def open(self):
        for left in reversed(range(CONNECT_TRIES)):
            try:
                gate = asyncio.open_connection("127.0.0.1", self.port, ssl=self.to_gate, server_hostname="localhost")
                return await asyncio.wait_for(gate, STEP_SECS)
            except (OSError, TimeoutError):
                if not left:
                    raise

    async def tunnel(self, authority, host=None):
        """The inside of a tunnel, in TLS if a host is named for it, or the refusal of CONNECT."""
        reader, writer = await self.open()
        writer.write(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        head = await asyncio.wait_for(read_head(reader), STEP_SECS)
        if not head.startswith(b"HTTP/1.1 200"):
            writer.close()
            return head, None, None
        if host:
            await asyncio.wait_for(writer.start_tls(self.inside, server_hostname=host), STEP_SECS)
        return None, reader, writer

    async def send(self, pieces, inside=None, clear=None):
        """All that came back for `pieces`, sent one after the other: in a tunnel to a host, or to an authority in clear,
        or without a tunnel."""
        if inside or clear:
            refused, reader, writer = await self.tunnel(clear or b"%s:443" % inside.encode(), inside)
            if refused is not None:
                return refused
        else:
            reader, writer = await self.open()
        back = b""
        for piece in pieces:
            try:
                writer.write(piece)
                back += await read_all(reader)
            except OSError:
                break
        writer.transport.abort()
        return back


    async def lend(self, authority=None):
        """The port of a way in for tools that hold no certificate: to the gate, or to the inside of a tunnel."""

        async def carry(near, near_writer):
            self.carried.add(asyncio.current_task())
            try:
                _, far, far_writer = await self.tunnel(authority) if authority else (None, *await self.open())
                await asyncio.gather(copy(near, far_writer), copy(far, near_writer))
            except (OSError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
                near_writer.close()

        server = await asyncio.start_server(carry, "127.0.0.1", 0, backlog=1024)
        return server.sockets[0].getsockname()[1]


async def copy(reader, writer):
    """Carries bytes one way; an end either way is the end of both."""
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def read_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        return end.partial


async def read_all(reader):
    """Everything until the end, or until nothing comes any more."""
    back = b""
    try:
        while piece := await asyncio.wait_for(reader.read(65536), QUIET_SECS):
            back += piece
    except (TimeoutError, OSError, ssl.SSLError):
        pass
    return back
