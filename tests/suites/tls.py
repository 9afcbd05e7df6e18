"""tlsfuzzer's TLS 1.3 scripts on the inside of a tunnel, and sslyze on it and on the listener of agents."""

import asyncio
import glob
import json
import os
import re
import tempfile

import gate

# Scripts at a time; some of them make hundreds of handshakes.
SCRIPTS_AT_ONCE = 5
SCRIPT_SECS = 150
# Most scripts expect a server with an RSA key and offer nothing else; the gate's certificates are ECDSA.
WITH_ECDSA = """
import runpy, sys
from tlslite.constants import SignatureScheme
from tlslite.extensions import SignatureAlgorithmsExtension
create = SignatureAlgorithmsExtension.create
ecdsa = SignatureScheme.ecdsa_secp256r1_sha256
SignatureAlgorithmsExtension.create = lambda self, offered: create(
    self, offered and [*offered, *([] if ecdsa in offered else [ecdsa])])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Scripts that count the bytes of what is offered, which therefore stays as it is.
AS_THEY_ARE = ("signature_algorithms",)
# Why scripts fail, by the beginnings of their names.
WHY = {
    "the gate has no RSA or Ed25519 certificates": "rsa_ rsapss_ pkcs_signature eddsa. ecdsa_support signature_algorithms",
    "it asks for no certificate inside of a tunnel, and compresses none": "certificate_",
    "it has no tickets, no resumption and no keys shared before": "psk_ session_resumption count_tickets connection_abort",
    "it has no FFDHE, Brainpool, X448, secp521r1 and CCM": "ffdhe_ ecdhe_ obsolete_curves crfg_curves dhe_ serverhello_ "
    "unrecognised_groups symetric_ciphers",
    "TLS 1.2 is offered with RSA suites only, or TLS 1.3 has to be absent": "version_negotiation non_support",
    "rustls ends it with another alert, or with none": "finished empty_alert zero_ 0rtt_ keyshare_omitted keyupdate "
    "large_number multiple_ccs record_layer shuffled",
    "rustls does not read what supported_versions replaces (RFC 8446 section 4.2.1)": "legacy_version",
    "one of the unknown groups is X25519MLKEM768, which is known": "no_unknown_groups",
}


async def run(copies):
    python = f"{copies}/venv/bin/python"
    async with gate.Gate() as world:
        inside = await world.agent.lend(b"tls.suite.test:443")
        await tlsfuzzer(f"{copies}/tlsfuzzer", python, inside)
        # sslyze gives names, and the host of a tunnel is the only one that its certificate is for
        await sslyze(python, "the inside of a tunnel", f"tls.suite.test:{inside}{{127.0.0.1}}", [])
        pki = f"{world.dir}/pki"
        own = ["--cert", f"{pki}/agent.crt", "--key", f"{pki}/agent.key"]
        await sslyze(python, "the listener of agents", f"localhost:{world.port}", own)


async def tlsfuzzer(copy, python, port):
    tally = gate.Tally("tlsfuzzer, TLS 1.3, conversations")
    places = asyncio.Semaphore(SCRIPTS_AT_ONCE)

    async def one(script):
        async with places:
            offering = [] if any(name in script for name in AS_THEY_ARE) else ["-c", WITH_ECDSA]
            return script, await said([python, *offering, script, "-h", "127.0.0.1", "-p", str(port)], copy)

    scripts = sorted(glob.glob(f"{os.path.abspath(copy)}/tlsfuzzer/_apps/test_tls13_*.py"))
    for script, text in await asyncio.gather(*(one(script) for script in scripts)):
        name = os.path.basename(script).removeprefix("test_tls13_")
        counts = {key: int(number) for key, number in re.findall(r"^(PASS|FAIL|XFAIL|XPASS|SKIP): (\d+)", text, re.M)}
        if not counts:
            tally.differs("not run", f"{name}: {text.strip().splitlines()[-1:]}")
        for key, number in counts.items():
            tally.counts[key] += number
        if counts.get("FAIL"):
            tally.differs(f"fails{why(name)}", f"{name}: {counts['FAIL']} of {sum(counts.values())}: {failures(text)}")
    tally.show()


def why(name):
    found = [reason for reason, names in WHY.items() if any(name.startswith(one) for one in names.split())]
    return f": {found[0]}" if found else ""


def failures(text):
    """The conversations that failed, and what each expected, shortened."""
    names = re.findall(r"^\t'?(.*?)'?$", text.partition("FAILED:")[2], re.M)
    why = re.findall(r"^(?:AssertionError|\w*Error): (.*)$", text, re.M)
    return f"{names[:6]} {sorted(set(why))[:3]}"


async def said(command, directory):
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": directory},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        text, _ = await asyncio.wait_for(process.communicate(), SCRIPT_SECS)
        return text.decode(errors="replace")
    except TimeoutError:
        process.kill()
        return f"stopped after {SCRIPT_SECS} s"


async def sslyze(python, name, place, own):
    tally = gate.Tally(f"sslyze, {name}")
    with tempfile.TemporaryDirectory() as made:
        out = f"{made}/out.json"
        text = await said([python, "-m", "sslyze", place, f"--json_out={out}", *own], made)
        try:
            with open(out) as file:
                result = json.load(file)["server_scan_results"][0]["scan_result"]
        except (OSError, IndexError, KeyError, TypeError):
            tally.finding("no result", text[-1000:])
            result = {}
    for command, attempt in sorted((result or {}).items()):
        tally.count(attempt["status"].lower())
        print(f"   {name}: {command}: {summary(attempt)}")
    tally.show()


def summary(attempt):
    result = attempt.get("result")
    if not result:
        return f"{attempt['status']} {attempt.get('error_reason')}"
    if "accepted_cipher_suites" in result:
        return [suite["cipher_suite"]["name"] for suite in result["accepted_cipher_suites"]] or "none accepted"
    flat = {key: value for key, value in result.items() if isinstance(value, (bool, str, int)) or value is None}
    curves = [curve["name"] for curve in result.get("supported_curves") or []]
    return curves or flat or "see sslyze"
