"""Satellites without an event loop, for scripts: the same methods, each waits until it is done.

Ctrl-C ends any wait within a tenth of a second. Handlers run on threads of their own, one for each subscription: calls of one come one
after another, and one that blocks holds up its own senders and nothing else. Every method may be called from any thread.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from ._common import Content, Key, Options, Returned, callable_handler, lists
from ._errors import closed, make
from ._psfs import Hub, Peer, PeerEvent
from ._psfs import Satellite as Native
from ._sync_dht import DebugLines, Dht, Watch
from ._sync_files import Files, Transfer
from ._threads import Log, Message, Messages, PeerEvents, Replies, Responder, Subscription, run

__all__ = [
    "DebugLines",
    "Dht",
    "Files",
    "Message",
    "Messages",
    "PeerEvents",
    "Replies",
    "Responder",
    "Satellite",
    "Subscription",
    "Transfer",
    "Watch",
]

Handler = Callable[[Message], Returned]
PeerHandler = Callable[[PeerEvent], None]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class Satellite:
    """As psfs.Satellite, without asyncio::

        with psfs.sync.Satellite("pineapple") as sat:
            sat.wait_connected()
            for reply in sat.seek("whois"):
                print(reply.peer, reply.content)
    """

    def __init__(self, rendezvous: str, *, key: Key | None = None, **options: Unpack[Options]) -> None:
        self._subscriptions: list[Subscription] = []
        self._native = Native(Hub(), rendezvous, key, lists(options))
        self._log = Log(self._native)

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

    def start(self) -> Self:
        """Listens, and looks for others from now on."""
        run(self._native.start())
        self._log.start()
        return self

    def shutdown(self, timeout: float | None = 10.0) -> None:
        """Ends it: peers are told, handlers stopped, threads, sockets and files closed. May be called again, and inside a handler,
        which is then not waited for. Timeout if another handler still runs."""
        until = None if timeout is None else time.monotonic() + timeout
        run(self._native.shutdown(timeout))
        for subscription in self._subscriptions:
            subscription._begin_cancel()

        def left() -> float | None:
            return None if until is None else max(0.0, until - time.monotonic())

        for subscription in self._subscriptions:
            if not subscription._join(left()):
                raise make(-7, f"the handler of {subscription._name} still runs after {timeout} s")
        self._subscriptions.clear()
        if not self._log.join(left()):
            raise make(-7, f"a handler of logging still runs after {timeout} s")

    def begin_shutdown(self) -> None:
        """The same without waiting."""
        self._native.begin_shutdown()

    def wait(self) -> None:
        """Waits until it was shut down, by whomever, or Ctrl-C. Not inside a handler."""
        run(self._native.ended())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def __del__(self) -> None:
        native: Native | None = getattr(self, "_native", None)
        if native is not None and native.running:
            warnings.warn(f"{self!r} was not shut down", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        native: Native | None = getattr(self, "_native", None)
        return f"<psfs.sync.Satellite {native.peer_id if native else '?'}>"

    @property
    def dht(self) -> Dht:
        """The values that all satellites of the network keep for each other."""
        return Dht(self)

    @property
    def files(self) -> Files:
        """Files that are shared, got, and kept for others."""
        return Files(self)

    # Peers.

    def connect(self, address: str, timeout: float | None = 30.0) -> str:
        """Connects to an address, keeps the session, and gives the peer's id."""
        result: str = run(self._native.connect(address, timeout))
        return result

    def disconnect(self, peer: str) -> None:
        """Ends the session with a peer. It is not dialled again until either side asks for it."""
        run(self._native.disconnect(peer))

    def pause(self) -> None:
        """Ends all sessions and closes all sockets until `resume`: the application goes to the background.

        Handlers and all that is known of peers stay. Meanwhile calls that need a session wait for the resume within their time,
        and broadcasts and seeks raise NO_PEERS. Takes 4 s at most.
        """
        run(self._native.pause())

    def resume(self) -> None:
        """Listens again and dials whom it knows at once; sessions follow (`wait_connected`).

        Raises ADDRESS_IN_USE or IO when an address cannot be listened on: it is resumed all the same, and this may be called again.
        """
        run(self._native.resume())

    def network_changed(self) -> None:
        """Tells that the network is another one: sessions that do not answer within 3 s end and are dialled anew."""
        run(self._native.network_changed())

    def wait_connected(self, count: int = 1, timeout: float | None = 30.0) -> None:
        """Waits until sessions with `count` peers are open."""
        run(self._native.wait_connected(count, timeout))

    # Talking.

    def send(
        self, peer: str, namespace: str, data: Content, *, confirmed: bool = False, timeout: float | None = 30.0
    ) -> None:
        """Sends a message to one peer. Returns when it is accepted within the peer's credit, or with `confirmed` when the peer's
        satellite has taken it in."""
        run(self._native.send(peer, namespace, data, confirmed, timeout))

    def broadcast(self, namespace: str, data: Content, *, lifetime: float = 30.0) -> None:
        """Sends to everybody under the rendezvous (at most 60 KiB)."""
        run(self._native.broadcast(namespace, data, lifetime))

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
        """Asks one peer: `for reply in sat.request(...)`, or `.first()`."""
        return Replies(self._native.request(run, peer, namespace, data, timeout, max_replies, window))

    def seek(
        self, namespace: str, data: Content = b"", *, timeout: float | None = 30.0, max_replies: int | None = None
    ) -> Replies:
        """Asks every connected peer, and gives what any of them answers until all have ended or the time is over."""
        return Replies(self._native.seek(run, namespace, data, timeout, max_replies))

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
        return Replies(self._native.broadcast_request(run, namespace, data, lifetime, timeout, max_replies))

    # Listening.

    @overload
    def on(self, packet_type: int, namespace: str) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on(self, packet_type: int, namespace: str, handler: Handler) -> Subscription: ...
    def on(
        self, packet_type: int, namespace: str, handler: Handler | None = None
    ) -> Subscription | Callable[[AnyHandler], AnyHandler]:
        """Calls `handler`, on a thread of its own, with every packet of this type and namespace, in order of arrival; without one,
        decorates it. What it returns or raises is as for psfs.Satellite.on."""
        if handler is None:

            def decorate(function: AnyHandler) -> AnyHandler:
                self.on(packet_type, namespace, function)
                return function

            return decorate
        callable_handler(handler)
        return self._register(Subscription(namespace, self._native.subscribe(run, packet_type, namespace), handler))

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
        return self._register(Subscription("peers", self._native.peer_events(run), handler))

    def messages(self, packet_type: int, namespace: str) -> Messages:
        """The same packets to be read: `for message in sat.messages(psfs.MESSAGE, "news")`."""
        self._check_running()
        return Messages(self._native.subscribe(run, packet_type, namespace))

    def peer_events(self) -> PeerEvents:
        """What happens to peers, to be read."""
        self._check_running()
        return PeerEvents(self._native.peer_events(run))

    def _check_running(self) -> None:
        if not self.running:
            raise closed("the satellite is not started: use `with`, or start()")

    def _register(self, subscription: Subscription) -> Subscription:
        self._subscriptions.append(subscription)
        return subscription
