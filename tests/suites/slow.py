"""slowhttptest in its four modes by one agent, while another goes on calling."""

import asyncio
import re
import statistics
import time

import gate

CONNECTIONS = 400
SECS = 30
MODES = {
    "slow heads": ["-H", "-i", "3"],
    "slow bodies": ["-B", "-i", "3", "-s", "8192"],
    "ranges": ["-R"],
    "slow reading": ["-X", "-w", "1", "-y", "8", "-n", "5", "-z", "1"],
}


async def run(_):
    async with gate.Gate() as world:
        alone = await calls(world, 5)
        print(f"\n== slowhttptest: another agent alone: {told(alone)}")
        way = await world.agent.lend()
        for mode, options in MODES.items():
            attack = asyncio.create_task(slowhttptest(way, options))
            beside = await calls(world, SECS)
            print(f"== slowhttptest, {mode}: {await attack}; another agent meanwhile: {told(beside)}")
        print(f"== slowhttptest: another agent afterwards: {told(await calls(world, 5))}")


async def calls(world, secs):
    """How long each call of another agent took, on one connection; None for one that was not answered with 200."""
    took, until = [], time.monotonic() + secs
    reader, writer = await world.other.open()
    while time.monotonic() < until:
        begun = time.monotonic()
        writer.write(b"GET http://other.suite.test/ HTTP/1.1\r\nHost: other.suite.test\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        took.append(time.monotonic() - begun if head.startswith(b"HTTP/1.1 200") else None)
        await asyncio.sleep(0.02)
    writer.close()
    return took


def told(took):
    done = [secs for secs in took if secs is not None]
    median, most = statistics.median(done) * 1000, max(done) * 1000
    return f"{len(done)} of {len(took)} calls, median {median:.1f} ms, most {most:.0f} ms"


async def slowhttptest(way, options):
    command = ["slowhttptest", *options, "-c", str(CONNECTIONS), "-r", "100", "-l", str(SECS), "-p", "5"]
    where = ["-u", "http://slow.suite.test/", "-d", f"127.0.0.1:{way}"]
    process = await asyncio.create_subprocess_exec(*command, *where, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.decode(errors="replace"))
    last = text.rpartition("slow HTTP test status")[2]
    return ", ".join(f"{key} {value}" for key, value in re.findall(r"^(\w[\w ]*):\s+(\S+)", last, re.M))
