"""Requests with odd framing, from llhttp, smuggler and Http11Probe: each is refused with nothing upstream, or what
arrives is, request for request, what `wire` reads in what was sent, framed anew.
"""

import importlib.util
import re
import sys
from urllib.parse import unquote

import gate
import http11probe
import llhttp
import wire


async def run_llhttp(copies):
    requests = llhttp.vectors(f"{copies}/llhttp/test/request")
    async with gate.Gate() as world:
        await together("llhttp, requests as they stand", world, [(v.name, [v.bytes], v.accepted) for v in requests])
        adapted = [(v.name, [named(v.bytes)], v.accepted) for v in requests]
        await together("llhttp, requests with the tunnel's Host", world, adapted)
        await answers(world, llhttp.vectors(f"{copies}/llhttp/test/response"))


async def run_smuggler(copies):
    async with gate.Gate() as world:
        for config in ("default", "doubles", "exhaustive"):
            await together(f"smuggler, {config}.py", world, smuggler(f"{copies}/smuggler", config))


async def run_http11probe(copies):
    cases, left = http11probe.cases(f"{copies}/Http11Probe/src/Http11Probe/TestCases/Suites")
    async with gate.Gate() as world:
        await together("Http11Probe", world, [(c.name, c.pieces, c.meets) for c in cases], left)


def smuggler(copy, config):
    """What smuggler would send: each mutation with its four bodies and lengths."""
    sys.path.insert(0, copy)
    from lib import Payload

    scope = {"mutations": {}, **vars(Payload)}
    with open(f"{copy}/configs/{config}.py") as file:
        exec(compile(file.read(), file.name, "exec"), scope)
    for name, payload in scope["mutations"].items():
        for kind, length, body in [
            ("te.cl", 6, "0\r\n\r\nX"),
            ("te.cl, edge", 5, "0\r\n\r\nX"),
            ("cl.te", 4, "1\r\nZ\r\n0\r\n\r\n"),
            ("cl.te, edge", 11, "1\r\nZ\r\n0\r\n\r\n"),
        ]:
            payload.host, payload.method, payload.cl, payload.body = "HOST", "POST", length, body
            yield f"{name} {kind}", [str(payload).encode("latin-1")], None


def named(data):
    """The same with the tunnel's host in every `Host`, and one where there is none."""
    line = re.compile(rb"(?:^|(?<=\n))([A-Z-]+ [^\r\n]* HTTP/1\.1\r\n)")
    if re.search(rb"\nhost:", data, re.I):
        return re.sub(rb"(\nhost:[ \t]*)[^\r\n]*", rb"\1HOST", data, flags=re.I)
    return line.sub(rb"\1Host: HOST\r\n", data)


async def together(suite, world, cases, left=()):
    """Sends all cases, (name, pieces with HOST in them, what the suite says of an answer), each in its own tunnel."""
    tally = gate.Tally(suite)
    cases = [(number, *case) for number, case in enumerate(cases)]
    await gate.each(cases, lambda case: one(world, tally, *case))
    for name in left:
        tally.differs("not run: made from an earlier answer, or by code that is not translated", name)
    tally.show()


async def one(world, tally, number, name, pieces, accepted):
    host = f"c{number}.{gate.DOMAIN}"
    pieces = [piece.replace(b"HOST", host.encode()) for piece in pieces]
    back = await world.send(pieces, inside=host)
    arrived, faults = world.taken(host)
    for fault in faults:
        tally.finding(name, fault)
    sent = b"".join(pieces)
    meant, _ = wire.read_requests(sent, lax=True)
    if len(arrived) > len(meant):
        tally.finding(name, f"{len(arrived)} requests arrived, {len(meant)} were sent: {arrived}")
    for (_, request), expected in zip(arrived, meant):
        if not same(request, expected):
            tally.finding(name, f"{expected} arrived as {request}")
    tally.count(outcome([request for _, request in arrived]))
    strict, fault = wire.read_requests(sent)
    if len(arrived) > len(strict):
        how = "sent on" if arrived[-1][1].whole else "begun and cut off"
        tally.differs(f"{how} in the lax reading, though strictly: {kind(fault)}", f"{name}: {arrived[-1][1][:2]}")
    if accepted is True and not arrived:
        tally.differs(f"the suite accepts, the gate refuses: {gate.reason(back)}", name)
    elif accepted is False and arrived and arrived[-1][1].whole and len(arrived) <= len(strict):
        tally.differs("the suite refuses, and it is sent on", name)
    elif callable(accepted) and not accepted(back):
        tally.differs(f"the suite expects {accepted.said}, the gate says {gate.reason(back)}", name)


def outcome(arrived):
    match len(arrived):
        case 0:
            return "refused"
        case 1:
            return "sent on as one" if arrived[0].whole else "begun, and cut off"
        case _:
            return "sent on as several, in turn"


def same(arrived, meant):
    """Whether what arrived is what was meant, in the spelling that the gate gives it."""
    # hyper leaves out a fragment, which no request has (RFC 9112 section 3.2): it is judged and sent without
    target = re.sub(r"^https?://[^/?]*|#.*", "", meant.target) or "/"
    body = arrived.body == meant.body if arrived.whole else meant.body.startswith(arrived.body)
    return arrived.method == meant.method and unquote(arrived.target) == unquote(target) and body


def kind(fault):
    return re.sub(r"b?['\"].*", "", fault, flags=re.S).strip()


async def answers(world, vectors):
    """Lets the upstream answer with each vector, and asks a second time on the same connection."""
    tally = gate.Tally("llhttp, answers")

    async def ask(numbered):
        number, vector = numbered
        host = f"a{number}.{gate.DOMAIN}"
        world.upstream.answers[host] = (vector.bytes, vector.ends)
        request = b"GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n"
        sent = [request % (b"first", host.encode()), request % (b"second", host.encode())]
        back = await world.send(sent, inside=host)
        for fault in world.taken(host)[1]:
            tally.finding(vector.name, fault)
        return vector, host, back

    got = await gate.each(list(enumerate(vectors)), ask)
    told = [event for event in world.events() if "request" in event]
    causes = {event["request"]["host"]: event["decision"].get("cause") for event in told}
    for vector, host, back in got:
        judge_answers(tally, vector, back, causes.get(host))
    tally.show()


def judge_answers(tally, vector, back, cause):
    """The agent gets what llhttp reads, or a part and the end, or 502; and never the rest of one answer as another."""
    try:
        answers = wire.read_answers(back)
    except wire.Malformed as fault:
        return tally.finding(vector.name, f"{fault}: {back!r}")
    status, own, body, whole = answers[0] if answers else (None, True, b"", False)
    tally.count("refused" if own else "passed on" if whole else "passed on in part, and cut off")
    if len(answers) > 2 or any(not own and body != b"GET /second" for _, own, body, _ in answers[1:]):
        tally.finding(vector.name, f"the second answer is not the second request's: {back!r}")
    if not own and vector.read and not any(status == read[0] and read[1].startswith(body) for read in vector.read):
        tally.differs("passed on in another reading", f"{vector.name}: {status} {body!r} for {vector.read}")
    if own and vector.accepted:
        tally.differs(f"the suite accepts, the gate says {gate.reason(back)}: {cause}", vector.name)
    elif whole and not own and not vector.accepted:
        tally.differs("the suite refuses, and the first answer is passed on", f"{vector.name}: {answers}")
