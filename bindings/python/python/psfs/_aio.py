"""Satellites for asyncio."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from ._aio_dht import Dht
from ._aio_files import Files
from ._common import Content, Key, Options, Returned, callable_handler, lists
from ._errors import bad_input, closed
from ._log import Lines
from ._loop import Log, Loop, Messages, PeerEvents, Replies, Subscription
from ._psfs import Hub, Message, Operation, Peer, PeerEvent
from ._psfs import Satellite as Native

Handler = Callable[[Message], Returned | Awaitable[Returned]]
PeerHandler = Callable[[PeerEvent], Awaitable[None] | None]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class Satellite:
    """A program's place in a network: it finds the others under a rendezvous, keeps sessions with them and exchanges packets.

    ::

        async with psfs.Satellite("pineapple") as sat:
            @sat.on(psfs.MESSAGE, "greeting")
            def greeting(message):
                print(message.peer, "says", message.content)

            await sat.wait_connected()
            async for reply in sat.seek("whois", b""):
                print(reply.peer, reply.content)

    `rendezvous` names the network (1 to 255 bytes). `key` is a key as PEM bytes, or a file, which is made when it does not exist. All
    other options: `secret`, `bootstrap`, `listen`, `allow`, `deny`, `data_dir`, `passphrase`, `signing` ("every", "rsa", "lazy"), `mdns`,
    `content_limit`, `message_window`, `reply_window`, `open_requests`, `queue_limit`, `memory_limit`, `worker_threads`, `peers` (low, high),
    `connections` (in all, per IP address), `ping` (interval, timeout in seconds), `dht_role` ("node", "mirror", "client"), `max_item_size` (of one
    value of the DHT) and `max_storage_size` (of all that are kept for others), both in bytes.

    Made anywhere, it belongs to the event loop that it is started in. Times are in seconds; None is for ever.
    """

    def __init__(self, rendezvous: str, *, key: Key | None = None, **options: Unpack[Options]) -> None:
        self._loop: Loop | None = None
        self._ending = asyncio.Lock()
        self._subscriptions: list[Subscription] = []
        self._hub = Hub()
        self._native = Native(self._hub, rendezvous, key, lists(options))
        self._lines = Lines(self._native, self._hub)
        self._log: Log | None = None

    # Who and where.

    @property
    def peer_id(self) -> str:
        """The id others know this satellite by."""
        return self._native.peer_id

    @property
    def fingerprint(self) -> str:
        """The id with a suffix of words that people can compare."""
        return self._native.fingerprint

    @property
    def rendezvous(self) -> str:
        """The name of the network."""
        return self._native.rendezvous

    @property
    def running(self) -> bool:
        """Whether it was started and not shut down."""
        return self._native.running

    @property
    def paused(self) -> bool:
        """Whether it was paused and not resumed."""
        return self._native.paused

    def addresses(self) -> list[str]:
        """Where it listens: what another satellite takes as bootstrap. Empty before the start."""
        return self._native.addresses()

    def peers(self) -> list[Peer]:
        """Everybody met, connected ones among them."""
        return self._native.peers()

    def connected_count(self) -> int:
        """How many sessions are open."""
        return self._native.connected_count()

    def stats(self) -> dict[str, int]:
        """What was counted: every drop and refusal has a number."""
        return self._native.stats()

    def key(self, passphrase: str | None = None) -> bytes:
        """The private key as PEM, protected if a passphrase is given."""
        return self._native.key(passphrase)

    # Beginning and end.

    async def start(self) -> Self:
        """Listens, and looks for others from now on."""
        if self._loop is not None:
            raise closed("the satellite was started before: make a new one")
        loop = Loop(self._hub)
        try:
            await loop.run(self._native.start())
        except BaseException:
            loop.close()
            raise
        self._loop = loop
        self._log = Log(loop, self._lines)
        for subscription in self._subscriptions:
            subscription._attach(loop)
        return self

    async def shutdown(self, timeout: float | None = 10.0) -> None:
        """Ends it: peers are told, handlers stopped, threads, sockets and files closed. May be called again."""
        if (loop := self._loop) is None:
            # Never started: there is nothing to wait for.
            self._native.begin_shutdown()
            return
        loop.check()
        # Who comes second finds nothing left to do, once the first is through.
        async with self._ending:
            if not loop.open:
                return
            await loop.run(self._native.shutdown(timeout))
            subscriptions, self._subscriptions = self._subscriptions, []
            for subscription in subscriptions:
                await subscription._stop()
            if self._log is not None:
                self._log.finish()
            loop.close()

    def begin_shutdown(self) -> None:
        """The same without waiting; for handlers that are plain functions."""
        self._native.begin_shutdown()

    async def ended(self) -> None:
        """Waits until it was shut down, by whomever. Not inside a handler, which is itself waited for."""
        await self._running().run(self._native.ended())

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def __del__(self) -> None:
        native: Native | None = getattr(self, "_native", None)
        if native is not None and native.running:
            warnings.warn(f"{self!r} was not shut down", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        native: Native | None = getattr(self, "_native", None)
        return f"<psfs.Satellite {native.peer_id if native else '?'}>"

    def _running(self) -> Loop:
        if self._loop is None:
            raise closed("the satellite is not started: use `async with`, or await start()")
        self._loop.check()
        if not self._loop.open:
            raise closed("the satellite was shut down")
        return self._loop

    @property
    def dht(self) -> Dht:
        """The values that all satellites of the network keep for each other."""
        return Dht(self)

    @property
    def files(self) -> Files:
        """Files that are shared, got, and kept for others."""
        return Files(self)

    # Peers.

    async def connect(self, address: str, timeout: float | None = 30.0) -> str:
        """Connects to an address, keeps the session, and gives the peer's id."""
        result: str = await self._running().run(self._native.connect(address, timeout))
        return result

    async def disconnect(self, peer: str) -> None:
        """Ends the session with a peer. It is not dialled again until either side asks for it."""
        await self._running().run(self._native.disconnect(peer))

    async def pause(self) -> None:
        """Ends all sessions and closes all sockets until `resume`: the application goes to the background.

        Handlers and all that is known of peers stay. Meanwhile calls that need a session wait for the resume within their time,
        and broadcasts and seeks raise NO_PEERS. Takes 4 s at most.
        """
        await self._running().run(self._native.pause())

    async def resume(self) -> None:
        """Listens again and dials whom it knows at once; sessions follow (`wait_connected`).

        Raises ADDRESS_IN_USE or IO when an address cannot be listened on: it is resumed all the same, and this may be called again.
        """
        await self._running().run(self._native.resume())

    async def network_changed(self) -> None:
        """Tells that the network is another one: sessions that do not answer within 3 s end and are dialled anew."""
        await self._running().run(self._native.network_changed())

    async def wait_connected(self, count: int = 1, timeout: float | None = 30.0) -> None:
        """Waits until sessions with `count` peers are open."""
        await self._running().run(self._native.wait_connected(count, timeout))

    # Talking.

    async def send(
        self, peer: str, namespace: str, data: Content, *, confirmed: bool = False, timeout: float | None = 30.0
    ) -> None:
        """Sends a message to one peer. Returns when it is accepted within the peer's credit, or with `confirmed` when the peer's
        satellite has taken it in."""
        loop = self._running()
        if (sending := self._native.send(peer, namespace, data, confirmed, timeout)) is not None:
            await loop.run(sending)

    async def broadcast(self, namespace: str, data: Content, *, lifetime: float = 30.0) -> None:
        """Sends to everybody under the rendezvous (at most 60 KiB)."""
        loop = self._running()
        if (sending := self._native.broadcast(namespace, data, lifetime)) is not None:
            await loop.run(sending)

    def request(
        self,
        peer: str,
        namespace: str,
        data: Content = b"",
        *,
        timeout: float | None = 30.0,
        max_replies: int | None = None,
        window: int | None = None,
    ) -> Replies:
        """Asks one peer: `async for reply in sat.request(...)`, or `await` it for the first reply."""
        loop = self._running()
        return Replies(loop, self._native.request(loop.run, peer, namespace, data, timeout, max_replies, window))

    def seek(
        self, namespace: str, data: Content = b"", *, timeout: float | None = 30.0, max_replies: int | None = None
    ) -> Replies:
        """Asks every connected peer, and gives what any of them answers until all have ended or the time is over."""
        loop = self._running()
        return Replies(loop, self._native.seek(loop.run, namespace, data, timeout, max_replies))

    def broadcast_request(
        self,
        namespace: str,
        data: Content,
        *,
        lifetime: float = 30.0,
        timeout: float | None = 30.0,
        max_replies: int | None = None,
    ) -> Replies:
        """A broadcast that its handlers may answer, each directly to this satellite."""
        loop = self._running()
        native = self._native.broadcast_request(loop.run, namespace, data, lifetime, timeout, max_replies)
        return Replies(loop, native)

    # Listening.

    @overload
    def on(self, packet_type: int, namespace: str, *, concurrency: int = 1) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on(self, packet_type: int, namespace: str, handler: Handler, *, concurrency: int = 1) -> Subscription: ...
    def on(
        self, packet_type: int, namespace: str, handler: Handler | None = None, *, concurrency: int = 1
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Calls `handler` with every packet of this type and namespace, in order of arrival; without one, decorates it.

        A plain function runs in the loop's turn and must not block; an `async def` runs in a task of its own, one call after another,
        or up to `concurrency` at once. What the handler of a REQUEST, SEEK or BROADCAST returns is its last reply: bytes or str as they
        are, anything else but None as JSON. What it raises is logged and ends the request with an error at the asker: psfs.Fail with a
        code of your own."""
        if concurrency < 1:
            raise bad_input(f"concurrency is {concurrency}: give 1 or more")
        if handler is None:

            def decorate(function: AnyHandler) -> AnyHandler:
                self.on(packet_type, namespace, function, concurrency=concurrency)
                return function

            return decorate
        callable_handler(handler)
        source = self._native.subscribe(self._run, packet_type, namespace)
        return self._register(Subscription(namespace, source, handler, concurrency))

    @overload
    def on_peer(self) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on_peer(self, handler: PeerHandler) -> Subscription: ...
    def on_peer(self, handler: PeerHandler | None = None) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Calls `handler` with everything that happens to peers; without one, decorates it."""
        if handler is None:

            def decorate(function: AnyHandler) -> AnyHandler:
                self.on_peer(function)
                return function

            return decorate
        callable_handler(handler)
        return self._register(Subscription("peers", self._native.peer_events(self._run), handler, 1))

    def messages(self, packet_type: int, namespace: str) -> Messages:
        """The same packets to be read: `async for message in sat.messages(psfs.MESSAGE, "news")`."""
        loop = self._running()
        return Messages(loop, self._native.subscribe(loop.run, packet_type, namespace))

    def peer_events(self) -> PeerEvents:
        """What happens to peers, to be read."""
        loop = self._running()
        return PeerEvents(loop, self._native.peer_events(loop.run))

    def _run(self, operation: Operation) -> Awaitable[Any]:
        return self._running().run(operation)

    def _register(self, subscription: Subscription) -> Subscription:
        self._subscriptions.append(subscription)
        if self._loop is not None:
            subscription._attach(self._loop)
        return subscription
