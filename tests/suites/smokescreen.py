"""smokescreen's tables: addresses that must be denied, ways to write host and port, access lists, and certificates."""

import asyncio
import json
import os
import re
import ssl
import tempfile

import gate

# What smokescreen's test configures itself, which no setting of the gate repeats.
CONFIGURED = ("ipAllowUserConfigured", "ipDenyUserConfigured")


async def run(copies):
    copy = f"{copies}/smokescreen"
    await addresses(copy)
    await authorities(copy)
    access_lists(copy)
    await revocation(copy)


def source(path):
    with open(path) as file:
        return file.read()


async def addresses(copy):
    """TestClassifyAddr and TestUnsafeAllowPrivateRanges: each address as that of a name, by a pin, and as a host."""
    tally = gate.Tally("smokescreen, addresses")
    found = re.findall(r'testCase\{"([^"]+)", (\d+), (\w+)\}', source(f"{copy}/pkg/smokescreen/smokescreen_test.go"))
    found = sorted({(ip, verdict) for ip, _, verdict in found})
    names = {f"n{number}.{gate.DOMAIN}": ip for number, (ip, _) in enumerate(found)}
    async with gate.Gate(pins={name: [ip] for name, ip in names.items()}) as world:
        for (ip, verdict), name in zip(found, names):
            request = b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n" % (name.encode(), name.encode())
            back = await world.send([request])
            arrived = [seen for host in list(world.upstream.seen) for seen in world.upstream.take(host)[0]]
            reached = bool(arrived) or b"address_forbidden" not in back
            tally.count("allowed" if reached else "forbidden")
            case = f"{ip}: {verdict}, {gate.reason(back)}"
            if "Deny" in verdict and verdict not in CONFIGURED and reached:
                tally.finding(case, "it is allowed")
            elif verdict in CONFIGURED:
                tally.differs("the suite's own settings decide, the gate's guard does here", case)
            elif "Allow" in verdict and not reached:
                tally.differs("the suite allows, the gate forbids", case)
    tally.show()


async def authorities(copy):
    """hostport_test.go: as targets of CONNECT. The name that was read is seen by where a request inside goes."""
    tally = gate.Tally("smokescreen, hosts and ports")
    text = source(f"{copy}/pkg/smokescreen/hostport/hostport_test.go")
    rows = re.findall(r'\{"([^"]*)", "([^"]*)", "[^"]*", (\w+), "([^"]*)"\}', text)
    rows += [
        (place, host, port, error)
        for _, place, host, port, error in re.findall(r'\{"(\w+)", "([^"]*)", "([^"]*)", (\w+), \w+, "([^"]*)"\}', text)
    ]
    places = [f"{host.removesuffix('.')}:{port}" for _, host, port, error in rows if not error and host[0].isalpha()]
    hosts = sorted({place for place in places if "_" not in place and place[0].isalpha() and place[1] != "0"})
    async with gate.Gate(hosts=hosts) as world:
        for place, host, port, error in rows:
            sent = place.encode()
            request = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % sent
            back = await world.send([request], clear=sent)
            arrived = [(host, port) for host in list(world.upstream.seen) for port, _ in world.upstream.take(host)[0]]
            tally.count("sent on" if arrived else "refused")
            meant = (host.removesuffix("."), int(port)) if port.isdigit() else None
            if arrived and (error or arrived != [meant]):
                tally.finding(place, f"{arrived}, smokescreen reads {meant} {error}")
            elif not arrived and not error:
                tally.differs(f"the suite accepts, the gate refuses: {gate.reason(back)}", f"{place} as {host} {port}")
    tally.show()


def access_lists(copy):
    """acl_test.go: its services become roles, `enforce` and the default as what they are to the gate: lists of hosts."""
    tally = gate.Tally("smokescreen, access lists and globs")
    text = source(f"{copy}/pkg/smokescreen/acl/v1/acl_test.go")
    for name, file, service, host, decision in re.findall(
        r'"([^"]+)": \{\s*"(\w+\.yaml)",\s*"([^"]+)",\s*"([^"]+)",\s*(\w+),', text
    ):
        listed, action = allowed_domains(source(f"{copy}/pkg/smokescreen/acl/v1/testdata/{file}"), service)
        judge(tally, f"{file} {service} {host} ({name}, {action})", decides(listed, host), decision == "Allow")
    for name, host, glob, match in re.findall(
        r'"([^"]+)": \{\s*"([^"]*)",\s*"([^"]*)",\s*(true|false),\s*\}', text
    ):
        judge(tally, f"{host!r} by {glob!r} ({name})", decides([glob], host), match == "true")
    for match, host, glob in re.findall(r'assert\.(True|False)\(t, HostMatchesGlob\("([^"]+)", "([^"]+)"\)\)', text):
        judge(tally, f"{host!r} by {glob!r}", decides([glob], host), match == "True")
    tally.show()


def judge(tally, case, says, expected):
    allows = says == "allow"
    tally.count("allowed" if allows else "refused")
    if allows and not expected:
        tally.finding(case, "it is allowed")
    elif expected and not allows:
        tally.differs(f"the suite allows, the gate says {says}", case)


def allowed_domains(text, service):
    """What the YAML lists for a service or by default, and its action; global lists are no part of a role."""
    found = re.search(rf"- name: {re.escape(service)}\n(.*?)(?=\n  - name|\ndefault|\nglobal|\Z)", text, re.S)
    found = found or re.search(r"\ndefault:\n(.*?)(?=\nglobal|\Z)", text, re.S)
    return re.findall(r"^ +- \"?([^\s\"#]+)", found[1], re.M), re.search(r"action: (\w+)", found[1])[1]


def decides(listed, host):
    """What `explain` says of a call to `host`, of a role with a rule for the hosts that are listed."""
    rule = "{name: r, verb: read, hosts: %s, methods: [GET], paths: ['/'], credential: none}" % json.dumps(listed)
    rules = f"[{rule}]" if listed else "[]"
    with tempfile.TemporaryDirectory() as made:
        os.makedirs(f"{made}/roles")
        files = {
            "tollgate.yaml": gate.SETTINGS.format(trust_domains="{example.org: {bundle: a}}", pins="{}", upstream=1, admin=1),
            "roles/suites.yaml": gate.MANIFEST.partition("rules:")[0].format() + f"rules: {rules}\n",
            "credentials.yaml": "{}\n",
            "revoked": "",
        }
        for name, text in files.items():
            with open(f"{made}/{name}", "w") as file:
                file.write(text)
        asked = ["--as", "spiffe://example.org/agent", "--json", "GET", f"https://{host}/"]
        said = gate.tollgate("explain", "--config", f"{made}/tollgate.yaml", *asked, check=False)
    if not said.stdout.startswith("{"):
        mistake = (said.stdout + said.stderr).partition("yaml:")[2].partition(": ")[2]
        return "a mistake: " + mistake.partition("\n")[0]
    answer = json.loads(said.stdout)
    return "allow" if answer["decision"] == "allow" else answer["reason"]


async def revocation(copy):
    """TestCRLEnforcement's certificates, with its authority and its list: the gate loads these and lets nobody in."""
    tally = gate.Tally("smokescreen, revocation")
    pki = f"{os.path.abspath(copy)}/cmd/testdata/pki"
    trusted = {"smokescreen.test": {"bundle": f"{pki}/ca.pem", "crls": [f"{pki}/crl.pem"]}}
    async with gate.Gate(trust_domains=trusted) as world:
        for name in ("revoked", "open", "enforce", "report"):
            world.agent.to_gate = ssl.create_default_context(cafile=f"{world.dir}/pki/gate-ca.crt")
            world.agent.to_gate.load_cert_chain(f"{pki}/{name}-client.pem", f"{pki}/{name}-client-key.pem")
            before = len(world.events())
            try:
                await world.send([b"GET http://c1.suite.test/ HTTP/1.1\r\nHost: c1.suite.test\r\n\r\n"])
            except (OSError, ssl.SSLError):
                pass
            while len(world.events()) == before:
                await asyncio.sleep(0.1)
            decision = world.events()[before]["decision"]
            tally.count(decision["reason"])
            if world.upstream.seen:
                tally.finding(name, decision)
            tally.differs("no SPIFFE ID is in the suite's certificates, which is looked at before revocation", name)
    tally.show()
