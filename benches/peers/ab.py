#!/usr/bin/env python3
"""The gate beside its peers: short slices in turn, medians as a table, and the bars that the gate has to keep.

ab.py [--rounds N] [--secs S] [--peers a,b] [--only keep-alive,tunnels,idle,sse,down,up,syscalls]

All peers stay up side by side and take turns, in another order each round, so that a slow minute of the machine is a
slow minute for all. A ratio is the median of the rounds' own ratios to the floor. CPU is the proxy's, in user and
system time, over the measured time. `run` builds what this needs.
"""

import argparse
import collections
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.environ.get("BENCH", os.path.expanduser("~/.cache/tollgate-bench"))
CERTS, LOGS, WORK = (f"{BENCH}/{name}" for name in ("certs", "logs", "work"))
BUILT = f"{BENCH}/target/dist"
TOLLGATE = os.environ.get("TOLLGATE", f"{HERE}/../../target/dist/tollgate")
ENVOY = os.environ.get("ENVOY", f"{BENCH}/envoy/bin/envoy")
# squid drops its rights, and what it writes has to be where it then may
SQUID = f"{tempfile.gettempdir()}/tollgate-bench-squid"
UPSTREAM = "127.0.0.1:9443"

GIB = 1 << 30
# The calls that move bytes on sockets, of which a call through a proxy needs four.
SOCKET_CALLS = {"read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg"}

Peer = collections.namedtuple("Peer", "port proxy ca command")


def settings(name):
    """A file of settings/ with its places filled in."""
    text = open(f"{HERE}/settings/{name}.in").read()
    for place, path in (("@CERTS@", CERTS), ("@WORK@", WORK), ("@LOGS@", LOGS), ("@SQUID@", SQUID)):
        text = text.replace(place, path)
    path = f"{WORK}/{'roles/' if name == 'bench.yaml' else ''}{name}"
    open(path, "w").write(text)
    return path


def tollgate():
    """The gate, with a role, a credential from a file, and every call in its log."""
    os.makedirs(f"{WORK}/roles", exist_ok=True)
    with open(f"{WORK}/token", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as token:
        token.write("s3cret-upstream-token")
    settings("credentials.yaml")
    settings("bench.yaml")
    return [TOLLGATE, "serve", "--config", settings("tollgate.yaml")]


def floor():
    return [f"{BUILT}/floor", "10061", CERTS, UPSTREAM]


def hudsucker():
    return [f"{BUILT}/hudsucker-peer", "10030", CERTS, UPSTREAM]


def envoy():
    settings("envoy-secret.json")
    return [ENVOY, "-c", settings("envoy.json"), "--concurrency", "2", "--use-dynamic-base-id", "-l", "warn",
            "--service-node", "bench", "--service-cluster", "bench"]


def nginx():
    return ["nginx", "-c", settings("nginx.conf")]


def squid():
    shutil.rmtree(SQUID, ignore_errors=True)
    os.makedirs(SQUID)
    shutil.copy(settings("hosts"), SQUID)
    made = ["/usr/lib/squid/security_file_certgen", "-c", "-s", f"{SQUID}/certificates", "-M", "4MB"]
    subprocess.check_call(made, stdout=subprocess.DEVNULL)
    if os.getuid() == 0:
        subprocess.check_call(["chown", "-R", "proxy", SQUID])
    return ["squid", "-N", "-f", settings("squid.conf")]


PEERS = {
    "floor": Peer(10061, "mtls", "mitm-ca.crt", floor),
    "tollgate": Peer(10070, "mtls", "mitm-ca.crt", tollgate),
    "envoy": Peer(10005, "mtls", "mitm-ca.crt", envoy),
    "hudsucker": Peer(10030, "tcp", "mitm-ca.crt", hudsucker),
    "squid": Peer(10010, "tcp", "mitm-ca.crt", squid),
    "nginx": Peer(10040, "", "up-ca.crt", nginx),
}
DIRECT = Peer(9443, "", "up-ca.crt", None)


class Running:
    """A peer's process, up until `stop`."""

    def __init__(self, name, peer, command=None):
        self.name, self.peer = name, peer
        log = open(f"{LOGS}/{name}.log", "ab")
        self.process = subprocess.Popen(command or peer.command(), stdout=log, stderr=log, start_new_session=True)
        self.pid = self.process.pid
        wait_for(peer.port, name)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_for(port, name):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} does not listen on port {port}; see {LOGS}/{name}.log")


def load(peer, pid, **what):
    """One run of the load generator: what it measured, or nothing if anything in it went wrong."""
    what = {"to": f"127.0.0.1:{peer.port}", "proxy": peer.proxy, "ca": peer.ca, "certs": CERTS, "pid": pid, **what}
    command = [f"{BUILT}/loadgen"] + [f"{key}={value}" for key, value in what.items()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    measured = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()}
    fault = measured.get("error") or measured.get("wrong") or measured.get("uninjected")
    if fault:
        print(f"{peer.port} {what['op']}: {measured}", file=sys.stderr)
        return None
    return measured


def check(running):
    """Each peer does its job, the floor but for the refusal."""
    allowed = load(running.peer, running.pid, op="check")
    assert allowed == {"status": 200, "injected": True}, f"{running.name}: {allowed}"
    if running.name != "floor":
        denied = load(running.peer, running.pid, op="check", path="/denied")
        assert denied and denied["status"] == 403, f"{running.name} lets /denied through: {denied}"


def empty_logs():
    """Some peers write a line for every call: a run would fill the disk with them."""
    for log in [f"{LOGS}/{name}" for name in os.listdir(LOGS)] + [f"{SQUID}/access.log"]:
        if os.path.exists(log):
            os.truncate(log, 0)


def note(figures, name, column, measured, key):
    figures[column][name].append(measured[key] if measured else None)


def in_turns(rounds, peers):
    """The order of each round: everyone is first once."""
    for number in range(rounds):
        start = number % len(peers)
        yield number, peers[start:] + peers[:start]


def side_by_side(arguments, figures):
    """What is measured with all of them up."""
    up = [Running(name, PEERS[name]) for name in arguments.peers]
    try:
        for running in up:
            check(running)
        for number, order in in_turns(arguments.rounds, up):
            for running in order:
                slice_of(running, number, arguments, figures)
                empty_logs()
            if "sse" in arguments.only:
                note(figures, "direct", "sse", load(DIRECT, 0, op="sse"), "first_ms")
            print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr)
    finally:
        for running in up:
            running.stop()


def slice_of(running, number, arguments, figures):
    name, peer, pid, secs = running.name, running.peer, running.pid, arguments.secs
    if "keep-alive" in arguments.only:
        measured = load(peer, pid, op="closed", conns=32, secs=secs)
        note(figures, name, "keep-alive", measured, "cpu_us")
        note(figures, name, "rate", measured, "per_second")
    if "tunnels" in arguments.only:
        note(figures, name, "tunnels", load(peer, pid, op="tunnels", conns=8, secs=secs), "cpu_us")
    if "sse" in arguments.only:
        note(figures, name, "sse", load(peer, pid, op="sse"), "first_ms")
    for way in ("down", "up"):
        # Squid takes half a minute for 1 GiB.
        if way in arguments.only and (name != "squid" or number == 0):
            note(figures, name, way, load(peer, pid, op=way, size=arguments.size), "cpu_s_per_gb")


def memory(arguments, figures):
    """Memory is measured in fresh processes, one up at a time."""
    for _, order in in_turns(min(arguments.rounds, 3), arguments.peers):
        for name in order:
            running = Running(name, PEERS[name])
            time.sleep(1)
            measured = load(running.peer, running.pid, op="idle", count=1000)
            note(figures, name, "rest", measured, "rest_kib")
            note(figures, name, "idle", measured, "tunnel_kib")
            running.stop()


def syscalls(arguments, figures):
    """Reads and writes of sockets for a call at saturation, as strace counts them."""
    for name in [name for name in ("floor", "tollgate") if name in arguments.peers]:
        running = Running(name, PEERS[name])
        counted = f"{WORK}/{name}.strace"
        tracing = subprocess.Popen(["strace", "-f", "-c", "-o", counted, "-p", str(running.pid)], stderr=subprocess.DEVNULL)
        time.sleep(1)
        measured = load(running.peer, running.pid, op="closed", conns=32, secs=4, warmup=0)
        tracing.send_signal(signal.SIGINT)
        tracing.wait()
        running.stop()
        lines = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", open(counted).read(), re.M)
        calls = sum(int(count) for count, call in lines if call in SOCKET_CALLS)
        figures["syscalls"][name] = [calls / measured["all"]]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(figures, column, name):
    """The median of the rounds' ratios to the floor."""
    pairs = zip(figures[column][name], figures[column]["floor"])
    return median([own / floor for own, floor in pairs if own is not None and floor])


COLUMNS = [  # column, heading, format, scale, whether a ratio to the floor says something
    ("rate", "calls/s", "{:.0f}", 1, False),
    ("keep-alive", "CPU µs/call", "{:.1f}", 1, True),
    ("tunnels", "CPU µs/new tunnel", "{:.0f}", 1, True),
    ("rest", "MiB at rest", "{:.1f}", 1 / 1024, False),
    ("idle", "KiB/idle tunnel", "{:.1f}", 1, True),
    ("sse", "first event ms", "{:.2f}", 1, False),
    ("down", "CPU s/GB down", "{:.2f}", 1, True),
    ("up", "CPU s/GB up", "{:.2f}", 1, True),
    ("syscalls", "socket calls/call", "{:.2f}", 1, False),
]


def table(figures, names):
    columns = [column for column in COLUMNS if any(figures[column[0]].values())]
    print("| peer | " + " | ".join(heading for _, heading, *_ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in names:
        cells = []
        for column, _, form, scale, compared in columns:
            value = median(figures[column][name])
            cell = "–" if value is None else form.format(value * scale)
            if value is not None and compared and name != "floor" and figures[column]["floor"]:
                cell += f" ({ratio(figures, column, name):.2f}x)"
            cells.append(cell)
        print(f"| {name} | " + " | ".join(cells) + " |")


def bars(figures):
    """What the gate has to keep, and whether it does."""

    def own(column):
        return median(figures[column]["tollgate"])

    def above(column, other, scale=1.0):
        mine, theirs = own(column), median(figures[column][other])
        return None if mine is None or theirs is None else (mine - theirs) * scale

    def at_rest():
        return own("rest") and own("rest") / 1024

    listed = [
        ("CPU a call", "floor x", ratio(figures, "keep-alive", "tollgate"), 1.2),
        ("CPU a new tunnel", "floor x", ratio(figures, "tunnels", "tollgate"), 1.2),
        ("an idle tunnel", "KiB above the floor", above("idle", "floor"), 4),
        ("at rest", "MiB", at_rest(), 15),
        ("socket reads and writes a call", "", own("syscalls"), 4.3),
        ("first event of a stream", "ms above direct", above("sse", "direct"), 2),
        ("CPU, 1 GiB down", "floor x", ratio(figures, "down", "tollgate"), 1.1),
        ("CPU, 1 GiB up", "floor x", ratio(figures, "up", "tollgate"), 1.1),
    ]
    print("\n| bar | measured | at most | kept |\n|---|---|---|---|")
    for name, unit, value, most in listed:
        if value is not None:
            print(f"| {name} | {value:.2f} {unit} | {most} | {'yes' if value <= most else 'NO'} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ["keep-alive", "tunnels", "idle", "sse", "down", "up", "syscalls"]
    listed = lambda text: text.split(",")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--secs", type=float, default=2)
    parser.add_argument("--size", type=int, default=GIB, help="bytes of down and up")
    parser.add_argument("--peers", type=listed, default=list(PEERS))
    parser.add_argument("--only", type=listed, default=every)
    arguments = parser.parse_args()
    for directory in (LOGS, WORK):
        os.makedirs(directory, exist_ok=True)
    figures = collections.defaultdict(lambda: collections.defaultdict(list))
    upstream = Running("upstream", DIRECT, [f"{BUILT}/upstream", "9443", CERTS])
    try:
        if "syscalls" in arguments.only:
            syscalls(arguments, figures)
        if "idle" in arguments.only:
            memory(arguments, figures)
        if set(arguments.only) - {"syscalls", "idle"}:
            side_by_side(arguments, figures)
    finally:
        upstream.stop()
    table(figures, arguments.peers + (["direct"] if figures["sse"]["direct"] else []))
    bars(figures)


if __name__ == "__main__":
    main()
