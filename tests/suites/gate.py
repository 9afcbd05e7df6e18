"""A gate with the settings that the suites need, its upstream, and what holds for whatever a suite sends."""

import asyncio
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile

import wire

TOLLGATE = os.path.abspath(os.environ.get("TOLLGATE", f"{os.path.dirname(__file__)}/../../target/debug/tollgate"))
CREDENTIAL = "canary-2f6c1e-of-the-suites"
AT_ONCE = 24
# Each case has a host of its own below this one, by which what reaches the upstream is told apart.
DOMAIN = "suite.test"

SETTINGS = """
listen: 127.0.0.1:0
certificate: {{chain: pki/gate.crt, key: pki/gate.key}}
trust_domains: {trust_domains}
interception: {{ca: pki/interception-ca.crt, key: pki/interception-ca.key}}
upstream:
  roots: [upstream/ca.crt]
  proxy: {{address: "http://127.0.0.1:{upstream}", resolve: proxy}}
  pins: {pins}
events: {{stdout: false, file: events.jsonl}}
attempts: 1000000/min
admin: 127.0.0.1:{admin}
drain_delay: 0s
drain: 1s
"""
MANIFEST = """
purpose: To be attacked by public suites
owner: suites@example.org
sponsor: suites@example.org
review_by: 2099-12-31
identities: [spiffe://example.org/agent, spiffe://example.org/other]
limit: {{rate: 1000000/min}}
rules:
  - {{name: reads, verb: read, hosts: {hosts}, methods: [GET, HEAD, OPTIONS], paths: ["/", "/**"], credential: canary}}
  - {{name: writes, verb: write, hosts: {hosts}, methods: [POST, PUT, PATCH, DELETE], paths: ["/", "/**"], credential: canary}}
"""
CATALOGUE = """
canary:
  roles: [suites]
  hosts: {hosts}
  file: canary
  place: {{header: Authorization, value: "Bearer {{token}}"}}
  max_ttl: 1h
  allow_static: {{owner: suites@example.org, rotate_by: 2099-12-31}}
"""

# Why the gate differs from a suite, by what it says: all of it is meant.
WHY = {
    "400, bare": "no HTTP/1.1 to hyper: a space, control or non-ASCII character, a bare CR, another version, a broken length",
    "path_ambiguous": "dot segments, `//`, `;`, `\\`, double and broken escapes are refused, not resolved",
    "target_malformed": "userinfo, an empty or padded port, numbers as hosts, `_`, brackets around names: refused, not repaired",
    "request_malformed": "not a form for a proxy, no Host, a body that breaks off, Expect other than 100-continue, or framing twice",
    "authority_mismatch": "inside a tunnel nothing but the tunnel's own https authority is named",
    "method_refused": "CONNECT inside a tunnel and TRACE go nowhere",
    "no_rule": "a method, in its own case, that no rule can name, or a host that none names",
    "port_forbidden": "no rule of the role names the port",
    "address_forbidden": "internal, special-purpose, embedding or unassigned addresses; only an exception opens one",
    "upstream_malformed": "an upstream's framing with two readings, 101, or a head that is not RFC 9112's",
    "sent on in the lax reading": "RFC 9112 lets a recipient read it, in one way; it leaves framed anew, and chunked beside a length is the last",
    "begun and cut off in the lax": "its body turns out broken while it streams: neither side's connection is used again",
    "closed without an answer": "the request is not complete: its rest is waited for",
    "the gate says 200": "one request, framed anew, arrived; what 204, 304, 405 are asked of an origin is the recorder's",
    "the gate says 100": "an expectation that is met before the body is read",
    "the first answer is passed on": "it is whole; what came after it is dropped with the connection",
}


def why(said):
    return next((reason for what, reason in WHY.items() if what in said), None)


class Gate:
    """`async with Gate(...)`: settings in a directory of their own, a gate and an upstream that run."""

    def __init__(self, hosts=(), pins=None, trust_domains=None, admin=0):
        self.hosts = [f"*.{DOMAIN}", *hosts]
        self.pins = pins or {}
        self.trust_domains = {"example.org": {"bundle": "pki/agents-ca.crt"}, **(trust_domains or {})}
        self.admin = admin

    async def __aenter__(self):
        self.dir = tempfile.mkdtemp(prefix="tollgate-suites-")
        tollgate("pki", "init", "--dir", f"{self.dir}/pki")
        for name in ("agent", "other"):
            tollgate("pki", "issue", "--dir", f"{self.dir}/pki", "--id", f"spiffe://example.org/{name}")
        os.makedirs(f"{self.dir}/roles")
        self.certify_upstream()
        self.upstream = wire.Upstream(f"{self.dir}/upstream/leaf.crt", f"{self.dir}/upstream/leaf.key")
        self.write_settings(await self.upstream.listen())
        self.speech = open(f"{self.dir}/speech", "w+")
        config = f"{self.dir}/tollgate.yaml"
        self.process = subprocess.Popen([TOLLGATE, "serve", "--config", config], stderr=self.speech)
        self.port = await self.started()
        self.agent, self.other = (wire.Agent(f"{self.dir}/pki", name, self.port) for name in ("agent", "other"))
        return self

    async def __aexit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)

    def certify_upstream(self):
        made = f"{self.dir}/upstream"
        os.makedirs(made)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        openssl("req", "-x509", *key, "-subj", "/CN=suites", "-keyout", f"{made}/ca.key", "-out", f"{made}/ca.crt")
        names = ",".join(subject_name(host) for host in self.hosts)
        more = ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"]
        signed = ["-CA", f"{made}/ca.crt", "-CAkey", f"{made}/ca.key"]
        files = ["-keyout", f"{made}/leaf.key", "-out", f"{made}/leaf.crt"]
        openssl("req", "-x509", *key, *signed, "-subj", "/CN=upstream", *more, *files)

    def write_settings(self, upstream):
        hosts = json.dumps(self.hosts)
        settings = {
            "trust_domains": json.dumps(self.trust_domains),
            "pins": json.dumps(self.pins),
            "upstream": upstream,
            "admin": self.admin,
        }
        for name, text in [
            ("tollgate.yaml", SETTINGS.format(**settings)),
            ("roles/suites.yaml", MANIFEST.format(hosts=hosts)),
            ("credentials.yaml", CATALOGUE.format(hosts=hosts)),
            ("canary", CREDENTIAL),
            ("revoked", ""),
        ]:
            with open(f"{self.dir}/{name}", "w") as file:
                file.write(text)
        os.chmod(f"{self.dir}/canary", 0o600)

    async def started(self):
        while self.process.poll() is None:
            for event in self.events():
                if event["kind"] == "started":
                    return int(event["listen"].rpartition(":")[2])
            await asyncio.sleep(0.1)
        self.speech.seek(0)
        raise SystemExit(f"the gate did not start: {self.speech.read()}")

    def events(self):
        try:
            with open(f"{self.dir}/events.jsonl") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    async def send(self, pieces, **way):
        """What the agent got; never with the credential in it."""
        back = await self.agent.send(pieces, **way)
        assert CREDENTIAL.encode() not in back, f"THE CREDENTIAL CAME BACK: {back!r}"
        return back

    def taken(self, host):
        """The requests that reached `host`, and all that must never be, whatever was sent."""
        requests, faults = self.upstream.take(host)
        for port, request in requests:
            faults += unsafe(request, host, port)
        return requests, faults


def unsafe(request, host, port):
    """What must not be in any request that the gate makes."""
    named = [value.decode() for name, value in request.fields if name == b"host"]
    credentials = [value for name, value in request.fields if name == b"authorization"]
    if named != [host if port == 443 else f"{host}:{port}"]:
        yield f"Host is {named}"
    if credentials != [f"Bearer {CREDENTIAL}".encode()]:
        yield "the credential is not there once"
    for name, _ in request.fields:
        letters = re.sub(rb"[^a-z]", b"", name)
        if letters in (b"transferencoding", b"contentlength") and b"-" not in name:
            yield f"a name that some read as framing: {name!r}"


def reason(back):
    """What the gate said of a request that it refused: its code, or the bare status."""
    code = re.search(rb"tollgate-reason: (\w+)", back)
    status = wire.STATUS.match(back)
    if code:
        return f"{status[1].decode()} {code[1].decode()}"
    if not status:
        return "closed without an answer"
    return status[1].decode() if status[1] < b"300" else f"{status[1].decode()}, bare"


def subject_name(host):
    bare = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    if bare.startswith("["):
        return f"IP:{bare[1:-1]}"
    return f"IP:{bare}" if re.fullmatch(r"[0-9.]+", bare) else f"DNS:{bare}"


def tollgate(*arguments, check=True):
    return subprocess.run([TOLLGATE, *arguments], check=check, capture_output=True, text=True)


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True)


async def each(cases, run):
    """The results of `run` for all cases, in their order; some of them at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(case):
        async with places:
            return await run(case)

    return await asyncio.gather(*(one(case) for case in cases))


FINDINGS = []


class Tally:
    """What came of a suite: how many cases, what differed from the suite's own expectation and why, and findings."""

    def __init__(self, suite):
        self.suite = suite
        self.counts = collections.Counter()
        self.differences = collections.defaultdict(list)
        self.findings = []

    def count(self, outcome):
        self.counts[outcome] += 1

    def differs(self, said, case):
        self.differences[said].append(case)

    def finding(self, case, what):
        self.findings.append(f"{case}: {what}")
        FINDINGS.append(case)

    def show(self):
        total = sum(self.counts.values())
        counts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(self.counts.items()))
        print(f"\n== {self.suite}: {total} cases: {counts}; {len(self.findings)} findings")
        for said, cases in sorted(self.differences.items(), key=lambda one: -len(one[1])):
            print(f"   differs {len(cases):4}  {said}" + (f"\n                 why: {why(said)}" if why(said) else ""))
            for case in cases[: 1000 if os.environ.get("VERBOSE") else 3]:
                print(f"                 {case}")
        for finding in self.findings:
            print(f"   FINDING       {finding}")
