"""The URLs of web-platform-tests, as targets: the gate takes for host, port and path what WHATWG says, or refuses.

Each input goes as absolute-form, as the path of a request in a tunnel, and its authority as that of CONNECT.
"""

import json
import re
from urllib.parse import unquote

import gate

PORTS = {"http:": 443, "https:": 443}  # in clear on no port or 80 is https on 443
# Names and addresses that a manifest may name.
SAFE = re.compile(r"(?:[a-z0-9-]+\.)*(?!0x)[a-z][a-z0-9-]*\.?|1\.2\.3\.4|59\.154\.201\.255|\[1:[0-9a-f:]+\]")


async def run(copies):
    with open(f"{copies}/rust-url/url/tests/urltestdata.json") as file:
        cases = [case for case in json.load(file) if isinstance(case, dict)]
    for number, case in enumerate(cases):
        case["number"] = number
    async with gate.Gate(hosts=sorted({place for case in cases for place in allowed(case)})) as world:
        for suite, one in [("absolute-form", absolute), ("CONNECT", connect), ("a path in a tunnel", path)]:
            tally = gate.Tally(f"urltestdata, {suite}")
            await gate.each(cases, lambda case: one(world, tally, case))
            for stranger in strangers(world):
                tally.finding("of no case", stranger)
            tally.show()


def allowed(case):
    """What the manifest allows, so that nothing but the reading of a target keeps it from its host."""
    host, port = case.get("hostname", ""), whatwg_port(case)
    if case.get("protocol") in PORTS and SAFE.fullmatch(host) and port:
        yield from {host.removesuffix("."), f"{host.removesuffix('.')}:{port}"}


def whatwg_port(case):
    port = case.get("port") or "443"
    return 443 if port == "80" else int(port)


async def absolute(world, tally, case):
    """`GET <input>`; the field tells whose it is, since hosts are shared."""
    mark = b"%d" % case["number"]
    authority = raw_authority(case["input"])
    host = b"Host: %s\r\n" % authority.encode() if authority else b""
    request = b"GET %s HTTP/1.1\r\n%sX-Case: %s\r\n\r\n" % (case["input"].encode("utf-8", "surrogatepass"), host, mark)
    back = await world.send([request])
    judge(tally, case, back, marked(world, mark), place(case), target(case))


async def connect(world, tally, case):
    authority = re.match(r"https?://([^/\\?#]*)", case["input"])
    if not authority:
        return
    sent = with_port(authority[1]).encode("utf-8", "surrogatepass")
    mark = b"c%d" % case["number"]
    request = b"GET / HTTP/1.1\r\nHost: %s\r\nX-Case: %s\r\n\r\n" % (sent, mark)
    back = await world.send([request], clear=sent)
    judge(tally, case, back, marked(world, mark), place(case), "/")


def with_port(authority):
    return authority if re.search(r":[^\]]*$", authority) else f"{authority}:443"


async def path(world, tally, case):
    """In a tunnel to a host of its own: an input that WHATWG takes elsewhere must not be sent on."""
    host = f"p{case['number']}.{gate.DOMAIN}"
    request = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (case["input"].encode("utf-8", "surrogatepass"), host.encode())
    back = await world.send([request], inside=host)
    arrived, faults = world.taken(host)
    for fault in faults:
        tally.finding(repr(case["input"]), fault)
    # `//` and `/\` may begin another host, and what is not rooted has no reading as a path
    here = (host, 443) if re.match(r"/(?![/\\])", case["input"]) else None
    if here is None or case.get("protocol") in PORTS:
        judge(tally, case, back, [(host, port, request) for port, request in arrived], here, target(case))


def raw_authority(text):
    found = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:[/\\]*([^/\\?#]*)", text) or re.match(r"//([^/\\?#]*)", text)
    return found[1] if found else None


def place(case):
    """Where WHATWG says that it goes, if that is to a server of HTTP."""
    if case.get("protocol") not in PORTS:
        return None
    return case["hostname"].removesuffix("."), whatwg_port(case)


def target(case):
    """What a request for it asks for: its `href` without authority and fragment."""
    return re.sub(r"^\w+://[^/]*|#.*", "", case["href"], flags=re.S) if "href" in case else None


def marked(world, mark):
    """What reached any host with the mark of a case."""
    found = []
    for host, connections in world.upstream.seen.items():
        for port, request in (one for connection in connections for one in connection.requests()):
            if (b"x-case", mark) in request.fields:
                found.append((host, port, request))
    return found


def strangers(world):
    """What reached the upstream and belongs to no case, or must not be."""
    for host in list(world.upstream.seen):
        requests, faults = world.taken(host)
        yield from (f"{host}: {fault}" for fault in faults)
        yield from (f"{host}: {request}" for _, request in requests if b"x-case" not in dict(request.fields))


def judge(tally, case, back, arrived, here, path):
    """`here` is where it has to arrive, if anywhere, and `path` what it has to ask for."""
    text = repr(case["input"])
    tally.count("sent on" if arrived else "refused")
    if not arrived:
        if here and not case.get("username"):
            tally.differs(f"WHATWG accepts, the gate refuses: {gate.reason(back)}", f"{text} is {case['href']}")
    elif not here:
        tally.finding(text, f"WHATWG refuses it or goes elsewhere, and it arrived: {arrived}")
    elif len(arrived) > 1 or arrived[0][:2] != here or unquote(arrived[0][2].target) != unquote(path):
        tally.finding(text, f"{here} {path!r} arrived as {arrived}")
