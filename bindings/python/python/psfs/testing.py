"""A real little network for tests: satellites on loopback, and everything that can go wrong between them.

As a pytest plugin it is found by itself once psfs is installed::

    def test_they_talk(psfs_network):
        net = psfs_network(3)                       # psfs.sync satellites, all connected
        net[1].on(psfs.REQUEST, "whois", lambda message: "one")
        assert net[0].request(net[1].peer_id, "whois").first().content == b"one"
        net.partition(0, 1)                         # cut; slow(a, b, latency=, loss=, rate=), kill(i), lie(i), heal()

    async def test_with_asyncio(psfs_network):      # under whatever runs your async tests
        async with psfs_network.asyncio(3) as net:
            await net.kill(2)

`satellite` is one alone; `psfs_session_network` makes networks that live as long as the run. Each network has a rendezvous of its own, no mDNS and
free ports, so tests may run side by side (pytest-xdist). Faults are seeded: a failing test says with which `--psfs-seed` it fails again, and
shows what last happened to each satellite's peers.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

import pytest

from . import _aio, sync
from ._common import Options
from ._errors import Error, bad_input, make
from ._psfs import Faults, PeerEvent, generate_key

__all__ = ["AsyncNetwork", "Network", "Networks"]

S = TypeVar("S", sync.Satellite, _aio.Satellite)

#: Events kept of each satellite, for the report of a failing test.
_KEPT = 40
#: How long a network may take to connect; only a failing test takes so long.
_PATIENCE = 60.0

_keys: list[bytes] = []


def _key(number: int) -> bytes:
    """Made once in a process: that takes longer than most tests."""
    while len(_keys) <= number:
        _keys.append(generate_key())
    return _keys[number]


class _Network(Generic[S], Sequence[S]):
    """What networks with and without asyncio share."""

    def __init__(self, make: Callable[..., S], count: int, seed: int, options: Options) -> None:
        if count < 1:
            raise bad_input(f"a network of {count}: give 1 or more")
        self.seed = seed
        self.rendezvous = options.pop("rendezvous", f"test-{uuid.uuid4()}")  # type: ignore[typeddict-item]
        self._faults = Faults(seed)
        self._cut: set[frozenset[int]] = set()
        self._dead: set[int] = set()
        self._events: list[deque[tuple[float, PeerEvent]]] = [deque(maxlen=_KEPT) for _ in range(count)]
        self._began = time.monotonic()
        defaults: Options = {
            "listen": ["127.0.0.1:0"],
            "mdns": False,
            "faults": self._faults,
            # Everybody connects to everybody: what is cut is then missing, and nothing else.
            "peers": (count, max(32, 2 * count)),
            "ping": (1.0, 2.0),
        }
        self.satellites: list[S] = [
            make(self.rendezvous, key=_key(number), **{**defaults, **options}) for number in range(count)
        ]

    def __getitem__(self, index: Any) -> Any:
        return self.satellites[index]

    def __len__(self) -> int:
        return len(self.satellites)

    def partition(self, a: int | S, b: int | S) -> None:
        """Cuts the connection between two, and lets them make no new one."""
        first, second = self._ids(a, b)
        self._cut.add(frozenset((self._index(a), self._index(b))))
        self._faults.partition(first, second)

    def slow(self, a: int | S, b: int | S, *, latency: float = 0.0, loss: float = 0.0, rate: int = 0) -> None:
        """Makes the line between two slow: latency in seconds one way, loss as a share of the packets, rate in bytes a second."""
        first, second = self._ids(a, b)
        self._faults.slow(first, second, latency, loss, rate)

    def lie(self, i: int | S) -> None:
        """Makes one lie in the DHT, until `heal()`: it answers who looks for a value with another one, and promises to keep what it throws
        away. Others see through it, and leave it alone from then on."""
        self._faults.lie(self.satellites[self._index(i)].peer_id)

    def heal(self, a: int | S | None = None, b: int | S | None = None) -> None:
        """Takes the faults between two away; without arguments all of them. Liars who were found out are left alone for a while after."""
        if a is None or b is None:
            self._cut.clear()
            self._faults.heal_all()
            return
        first, second = self._ids(a, b)
        self._cut.discard(frozenset((self._index(a), self._index(b))))
        self._faults.heal(first, second)

    def events(self, i: int | S) -> list[PeerEvent]:
        """What last happened to the peers of one."""
        return [event for _, event in self._events[self._index(i)]]

    def report(self) -> str:
        """The same of all, for people."""
        lines = [f"network {self.rendezvous} of {len(self)}, seed {self.seed}"]
        names = {satellite.peer_id: f"#{number}" for number, satellite in enumerate(self.satellites)}
        for number, events in enumerate(self._events):
            state = "killed" if number in self._dead else f"{self.satellites[number].connected_count()} connected"
            lines.append(f"#{number} {self.satellites[number].peer_id}: {state}")
            for at, event in events:
                about = " ".join(filter(None, (event.address, event.reason, event.namespace)))
                lines.append(f"  {at - self._began:8.3f} s {event.kind} {names.get(event.peer, event.peer)} {about}")
        return "\n".join(lines)

    def _index(self, which: int | S) -> int:
        return range(len(self))[which] if isinstance(which, int) else self.satellites.index(which)

    def _ids(self, a: int | S, b: int | S) -> tuple[str, str]:
        first, second = self._index(a), self._index(b)
        if first == second:
            raise bad_input(f"satellite {first} has no line to itself")
        return self.satellites[first].peer_id, self.satellites[second].peer_id

    def _watch(self, number: int) -> Callable[[PeerEvent], None]:
        events = self._events[number]
        return lambda event: events.append((time.monotonic(), event))

    def _missing(self) -> list[str]:
        """Who should be connected and is not."""
        alive = [number for number in range(len(self)) if number not in self._dead]
        missing = []
        for number in alive:
            connected = {peer.peer_id for peer in self.satellites[number].peers() if peer.state == "connected"}
            missing += [
                f"{number}-{other}"
                for other in alive
                if other != number
                and frozenset((number, other)) not in self._cut
                and self.satellites[other].peer_id not in connected
            ]
        return missing

    def _late(self, timeout: float, missing: list[str]) -> Error:
        return make(-7, f"not connected within {timeout} s: {', '.join(missing)}\n{self.report()}")

    def _isolate(self, i: int | S) -> int:
        """Nobody hears of its end."""
        victim = self._index(i)
        for other in range(len(self)):
            if other != victim:
                self.partition(victim, other)
        self._dead.add(victim)
        return victim


class Network(_Network[sync.Satellite]):
    """Satellites without asyncio, all connected."""

    def __init__(self, count: int, seed: int = 0, **options: Unpack[Options]) -> None:
        super().__init__(sync.Satellite, count, seed, options)
        try:
            self._start()
        except BaseException:
            self.shutdown()
            raise

    def _start(self) -> None:
        for number, satellite in enumerate(self.satellites):
            satellite.on_peer(self._watch(number))
            satellite.start()
        bootstrap = self.satellites[0].addresses()[0]
        for satellite in self.satellites[1:]:
            satellite.connect(bootstrap, _PATIENCE)
        self.wait_connected()

    def wait_connected(self, timeout: float = _PATIENCE) -> None:
        """Waits until all that are alive and not partitioned have sessions with each other."""
        until = time.monotonic() + timeout
        while missing := self._missing():
            if time.monotonic() > until:
                raise self._late(timeout, missing)
            time.sleep(0.005)

    def kill(self, i: int | sync.Satellite) -> None:
        """Ends one without a goodbye: the others see their connections break."""
        self.satellites[self._isolate(i)].shutdown()

    def shutdown(self) -> None:
        """Ends all."""
        with ExitStack() as stack:
            for satellite in self.satellites:
                stack.callback(satellite.shutdown)
            for satellite in self.satellites:
                satellite.begin_shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()


class AsyncNetwork(_Network[_aio.Satellite]):
    """Satellites for asyncio; `async with` starts, connects and ends them."""

    def __init__(self, count: int, seed: int = 0, **options: Unpack[Options]) -> None:
        super().__init__(_aio.Satellite, count, seed, options)

    async def __aenter__(self) -> Self:
        try:
            for number, satellite in enumerate(self.satellites):
                satellite.on_peer(self._watch(number))
                await satellite.start()
            bootstrap = self.satellites[0].addresses()[0]
            await asyncio.gather(*(satellite.connect(bootstrap, _PATIENCE) for satellite in self.satellites[1:]))
            await self.wait_connected()
        except BaseException:
            await self.shutdown()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def wait_connected(self, timeout: float = _PATIENCE) -> None:
        """Waits until all that are alive and not partitioned have sessions with each other."""
        until = time.monotonic() + timeout
        while missing := self._missing():
            if time.monotonic() > until:
                raise self._late(timeout, missing)
            await asyncio.sleep(0.005)

    async def kill(self, i: int | _aio.Satellite) -> None:
        """Ends one without a goodbye: the others see their connections break."""
        await self.satellites[self._isolate(i)].shutdown()

    async def shutdown(self) -> None:
        """Ends all."""
        await asyncio.gather(*(satellite.shutdown() for satellite in self.satellites))


class Networks:
    """Makes networks, ends those without asyncio with the test, and tells of all when it fails."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.made: list[Network | AsyncNetwork] = []

    def __call__(self, count: int = 2, **options: Unpack[Options]) -> Network:
        """`count` satellites of psfs.sync, all connected; options are those of psfs.Satellite."""
        network = Network(count, self.seed, **options)
        self.made.append(network)
        return network

    def asyncio(self, count: int = 2, **options: Unpack[Options]) -> AsyncNetwork:
        """`count` satellites for asyncio: `async with psfs_network.asyncio(3) as net`."""
        network = AsyncNetwork(count, self.seed, **options)
        self.made.append(network)
        return network

    def shutdown(self) -> None:
        """Ends those without asyncio."""
        for network in self.made:
            if isinstance(network, Network):
                network.shutdown()


# The plugin.

_networks = pytest.StashKey[list[Networks]]()
_seed = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("psfs").addoption(
        "--psfs-seed", type=int, default=None, metavar="NUMBER", help="seed of the faults in psfs networks; default: a new one for each run"
    )


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--psfs-seed")
    config.stash[_seed] = random.randrange(2**32) if seed is None else seed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for networks in item.stash.get(_networks, []):
            for network in networks.made:
                report.sections.append(("psfs network", network.report()))
    return report


@pytest.fixture
def psfs_network(request: pytest.FixtureRequest) -> Iterator[Networks]:
    """Makes networks for one test: `net = psfs_network(3)`, or `async with psfs_network.asyncio(3) as net`."""
    networks = Networks(request.config.stash[_seed])
    request.node.stash.setdefault(_networks, []).append(networks)
    yield networks
    networks.shutdown()


@pytest.fixture(scope="session")
def psfs_session_network(request: pytest.FixtureRequest) -> Iterator[Networks]:
    """The same for as long as the run: make the network in a session fixture of your own."""
    networks = Networks(request.config.stash[_seed])
    yield networks
    networks.shutdown()


@pytest.fixture
def satellite(psfs_network: Networks) -> sync.Satellite:
    """A started psfs.sync.Satellite in a network of its own."""
    network: Network = psfs_network(1)
    return network.satellites[0]
