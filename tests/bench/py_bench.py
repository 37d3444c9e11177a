"""The benchmarks of the Python package, beside zenoh and iroh from PyPI in the same run. `py_bench.py [PART...]`, run by scripts/bench.

Each figure comes from two processes on loopback (this program starts itself again), Python at both ends, as the median of several rounds.
Figures go to stdout as JSON lines.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psfs

MESSAGES = 200_000
MESSAGE = bytes(128)
ASKS = 3_000
MIB = 1 << 20
ROUNDS = 5
#: How many contents of 1 MiB a round has: about half a second each.
CONTENTS = {"psfs": 300, "iroh": 4}


def figure(name: str, value: float, unit: str) -> None:
    print(json.dumps({"name": name, "value": round(value, 0 if value >= 1000 else 2), "unit": unit}), flush=True)
    print(f"{name:<36} {value:>12.2f} {unit}", file=sys.stderr)


def beside(name: str, value: float, others: dict[str, float], unit: str) -> None:
    figure(name, value, unit)
    for other, found in others.items():
        figure(f"{name}_{other}", found, unit)
        figure(f"{name}_ratio_to_{other}", value / found, "")


def tell(line: str) -> None:
    print(line, flush=True)


def satellite(*bootstrap: str) -> psfs.Satellite:
    return psfs.Satellite("bench", listen=["127.0.0.1:0"], mdns=False, bootstrap=list(bootstrap))


class Rounds:
    """Counts what comes in; says how long each round took, from its first to its last."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.began = 0.0

    def one(self) -> None:
        if self.count == 0:
            self.began = time.perf_counter()
        self.count += 1
        if self.count == self.size:
            self.count = 0
            tell(f"took {time.perf_counter() - self.began}")


# The other process: it says where it is, and what it counted. It ends with its stdin.


async def serve_psfs() -> None:
    messages, contents = Rounds(MESSAGES), Rounds(CONTENTS["psfs"])
    async with satellite() as sat:

        @sat.on(psfs.MESSAGE, "small")
        def small(message: psfs.Message) -> None:
            if message.content:
                messages.one()

        @sat.on(psfs.MESSAGE, "large")
        def large(message: psfs.Message) -> None:
            if message.content:
                contents.one()

        @sat.on(psfs.REQUEST, "echo")
        def echo(message: psfs.Message) -> bytes:
            return message.content

        tell(f"at {sat.addresses()[0]}")
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def serve_busy() -> None:
    def compute() -> None:
        while True:
            sum(range(1000))

    threading.Thread(target=compute, daemon=True).start()
    asyncio.run(serve_psfs())


def zenoh_session(listen: str = "tcp/127.0.0.1:0", connect: str = "") -> Any:
    import zenoh

    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("listen/endpoints", json.dumps([listen]))
    config.insert_json5("connect/endpoints", json.dumps([connect] if connect else []))
    return zenoh.open(config)


def serve_zenoh() -> None:
    messages = Rounds(MESSAGES)

    def small(sample: Any) -> None:
        if sample.payload.to_bytes():
            messages.one()

    def echo(query: Any) -> None:
        with query:
            query.reply("echo", query.payload)

    # It does not say which port it took.
    with socket.create_server(("127.0.0.1", 0)) as free:
        locator = f"tcp/127.0.0.1:{free.getsockname()[1]}"
    with zenoh_session(listen=locator) as session:
        subscriber = session.declare_subscriber("small", small)
        queryable = session.declare_queryable("echo", echo)
        tell(f"at {locator}")
        sys.stdin.read()
        subscriber.undeclare()
        queryable.undeclare()


async def iroh_endpoint() -> Any:
    import iroh

    # Also where its generated code looks for the loop.
    options = iroh.EndpointOptions(preset=iroh.preset_minimal(), bind_addr="127.0.0.1:0", alpns=[b"bench"])
    return await iroh.Endpoint.bind(options)


async def serve_iroh() -> None:
    endpoint = await iroh_endpoint()
    contents = Rounds(CONTENTS["iroh"])
    tell(f"at {endpoint.addr().id()} {endpoint.bound_sockets()[0]}")
    incoming = await endpoint.accept_next()
    connection = await (await incoming.accept()).connect()
    stream = await connection.accept_bi()
    sending, receiving = stream.send(), stream.recv()
    for _ in range(ASKS):
        await sending.write_all(await receiving.read_exact(128))
    tell("asked")
    while True:
        for _ in range(CONTENTS["iroh"]):
            if await receiving.read_exact(MIB):
                contents.one()


class Child:
    """The other process."""

    def __init__(self, role: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def hear(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
        raise RuntimeError(f"the other process ended before {word!r}")

    async def took(self) -> float:
        return float(await asyncio.get_running_loop().run_in_executor(None, self.hear, "took"))


# This process.


async def rounds(child: Child, one: Callable[[], Awaitable[None]]) -> float:
    """The median time of a round, as the other side saw it."""
    took = []
    for _ in range(ROUNDS):
        sending = asyncio.ensure_future(one())
        took.append(await child.took())
        await sending
    return statistics.median(took)


async def psfs_messages(role: str) -> float:
    with Child(role) as child:
        async with satellite(child.hear("at")) as sat:
            await sat.wait_connected()
            (peer,) = (peer.peer_id for peer in sat.peers())

            async def one() -> None:
                for _ in range(MESSAGES):
                    await sat.send(peer, "small", MESSAGE)

            return MESSAGES / await rounds(child, one)


def zenoh_talk() -> tuple[float, float]:
    """Messages a second, and the median time of a query in µs."""
    import zenoh

    with Child("zenoh") as child, zenoh_session(connect=child.hear("at")) as session:
        publisher = session.declare_publisher("small", congestion_control=zenoh.CongestionControl.BLOCK)
        while not publisher.matching_status.matching:
            time.sleep(0.01)

        async def one() -> None:
            await asyncio.get_running_loop().run_in_executor(None, put)

        def put() -> None:
            for _ in range(MESSAGES):
                publisher.put(MESSAGE)

        rate = MESSAGES / asyncio.run(rounds(child, one))
        times = []
        for _ in range(ASKS):
            began = time.perf_counter()
            (reply,) = session.get("echo", payload=MESSAGE)
            assert reply.ok.payload.to_bytes() == MESSAGE
            times.append(time.perf_counter() - began)
        return rate, statistics.median(times) * 1e6


async def psfs_asks_and_bytes() -> tuple[float, float]:
    """The median time of a request in µs, and MiB a second of large contents."""
    with Child("psfs") as child:
        async with satellite(child.hear("at")) as sat:
            await sat.wait_connected()
            (peer,) = (peer.peer_id for peer in sat.peers())
            times = []
            for _ in range(ASKS):
                began = time.perf_counter()
                assert (await sat.request(peer, "echo", MESSAGE)).content == MESSAGE
                times.append(time.perf_counter() - began)
            content = os.urandom(MIB)

            async def one() -> None:
                for _ in range(CONTENTS["psfs"]):
                    await sat.send(peer, "large", content)

            rate = CONTENTS["psfs"] / await rounds(child, one)
            return statistics.median(times) * 1e6, rate


async def iroh_asks_and_bytes() -> tuple[float, float]:
    import iroh

    with Child("iroh") as child:
        endpoint = await iroh_endpoint()
        id, at = child.hear("at").split(" ")
        connection = await endpoint.connect(iroh.EndpointAddr(iroh.EndpointId.from_string(id), None, [at]), b"bench")
        stream = await connection.open_bi()
        sending, receiving = stream.send(), stream.recv()
        times = []
        for _ in range(ASKS):
            began = time.perf_counter()
            await sending.write_all(MESSAGE)
            assert await receiving.read_exact(128) == MESSAGE
            times.append(time.perf_counter() - began)
        content = os.urandom(MIB)

        async def one() -> None:
            for _ in range(CONTENTS["iroh"]):
                await sending.write_all(content)

        rate = CONTENTS["iroh"] / await rounds(child, one)
        return statistics.median(times) * 1e6, rate


def import_ms(module: str) -> float:
    script = f"import time; began = time.perf_counter(); import {module}; print((time.perf_counter() - began) * 1e3)"
    runs = [float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(9)]
    return statistics.median(runs)


def main() -> None:
    zenoh_rate, zenoh_us = zenoh_talk()
    beside("py_messages_per_s", asyncio.run(psfs_messages("psfs")), {"zenoh": zenoh_rate}, "1/s")
    figure("py_messages_per_s_busy", asyncio.run(psfs_messages("busy")), "1/s")
    iroh_us, iroh_mib = asyncio.run(iroh_asks_and_bytes())
    psfs_us, psfs_mib = asyncio.run(psfs_asks_and_bytes())
    beside("py_request_rtt_p50_us", psfs_us, {"zenoh": zenoh_us, "iroh": iroh_us}, "us")
    beside("py_bytes_mib_per_s", psfs_mib, {"iroh": iroh_mib}, "MiB/s")
    beside("py_import_ms", import_ms("psfs"), {"zenoh": import_ms("zenoh"), "iroh": import_ms("iroh")}, "ms")


ROLES: dict[str, Callable[[], object]] = {
    "psfs": lambda: asyncio.run(serve_psfs()),
    "busy": serve_busy,
    "zenoh": serve_zenoh,
    "iroh": lambda: asyncio.run(serve_iroh()),
}

if sys.argv[1:2] == ["--serve"]:
    ROLES[sys.argv[2]]()
else:
    main()
