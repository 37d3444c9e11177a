"""Satellites without an event loop, for scripts: the same methods, each waits until it is done.

Ctrl-C ends any wait within a tenth of a second. Handlers run on threads of their own, one for each subscription: calls of one come one
after another, and one that blocks holds up its own senders and nothing else. Every method may be called from any thread.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, Unpack, overload

from . import _psfs
from ._common import MESSAGE, Content, Key, Options, Returned, callable_handler, encode, failure_of, lists, log, tell
from ._errors import Error, closed, make
from ._log import LOOK_EVERY, Lines
from ._psfs import PENDING, Hub, Operation, Peer, PeerEvent, Reply, Source
from ._psfs import Satellite as Native

__all__ = ["Message", "Messages", "PeerEvents", "Replies", "Responder", "Satellite", "Subscription"]

T = TypeVar("T")
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class Responder(Protocol):
    """As psfs.Responder; `reply` waits."""

    @property
    def cancelled(self) -> bool: ...
    def reply(self, data: Content) -> None: ...
    def end(self) -> None: ...
    def fail(self, code: int, text: str) -> None: ...


class Message(Protocol):
    """As psfs.Message; `reply` waits."""

    @property
    def content(self) -> bytes: ...
    @property
    def view(self) -> memoryview: ...
    @property
    def peer(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def packet_type(self) -> int: ...
    @property
    def timestamp(self) -> float: ...
    def __len__(self) -> int: ...
    def reply(self, data: Content) -> None: ...
    def end(self) -> None: ...
    def fail(self, code: int, text: str) -> None: ...
    def take_responder(self) -> Responder: ...


Handler = Callable[[Message], Returned]
PeerHandler = Callable[[PeerEvent], None]


def _run(operation: Operation | None) -> Any:
    if operation is None:
        return None
    result = operation.poll()
    if result is not PENDING:
        return result
    try:
        return operation.wait()
    finally:
        operation.close()


class _Batches(Generic[T]):
    """Items of a source, one after another."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._batch: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._batch:
            items = self._source.wait()
            if items is None:
                raise StopIteration
            self._batch.extend(items)
        return self._batch.popleft()

    def close(self) -> None:
        """Ends it; what has come and was not read is dropped."""
        self._batch.clear()
        self._source.close()


class Replies(_Batches[Reply]):
    """The replies to one question, as they come. Dropped or closed, it cancels the rest."""

    def first(self) -> Reply:
        """The first reply; the rest is cancelled. NotFound if it ends without one."""
        try:
            for reply in self:
                return reply
            raise make(-22, "the request ended well, but without a reply", "Ask for all() if none is an answer, too.")
        finally:
            self.close()

    def all(self) -> list[Reply]:
        """All replies."""
        return list(self)


class Messages(_Batches[Message]):
    """Packets of one type and namespace, as they come. Closed or dropped, it unsubscribes."""


class PeerEvents(_Batches[PeerEvent]):
    """What happens to peers, as it comes. Closed or dropped, it unsubscribes."""


class Subscription:
    """A registered handler with its thread. It stays until it is cancelled or the satellite shut down."""

    def __init__(self, name: str, source: Source, handler: Callable[[Any], Any]) -> None:
        self._name = name
        self._source = source
        self._handler = handler
        self._open = True
        # A daemon: a satellite that nobody shut down does not hold up the end of the program.
        self._thread = threading.Thread(target=self._serve, name=f"psfs-{name}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """No call begins after this, and none is running when it returns; inside the handler itself it does not wait."""
        self._begin_cancel()
        self._join(None)

    def _begin_cancel(self) -> None:
        self._open = False
        self._source.close()

    def _join(self, timeout: float | None) -> bool:
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _serve(self) -> None:
        while self._open and (items := self._source.wait()) is not None:
            for item in items:
                if not self._open:
                    return
                self._one(item)

    def _one(self, item: Any) -> None:
        try:
            result = self._handler(item)
            if not isinstance(item, _psfs.Message) or item.packet_type == MESSAGE:
                return
            if result is not None:
                try:
                    item.reply(encode(result))
                except Error as error:
                    log.debug("the answer was not wanted: %s", error)
            # Ended already, or its responder taken to answer later.
            with contextlib.suppress(Error):
                item.end()
        except BaseException as error:
            # Also what would end the thread: whoever asked is told, and the next call comes.
            tell(self._name, error)
            if isinstance(item, _psfs.Message) and item.packet_type != MESSAGE:
                with contextlib.suppress(Error):
                    item.fail(*failure_of(error))


class _Log:
    """Hands the core's log lines to logging, on a thread."""

    def __init__(self, native: Native) -> None:
        self._hub = Hub()
        self._lines = Lines(native, self._hub)
        self._process = os.getpid()
        self._stopped = False
        self._thread = threading.Thread(target=self._serve, name="psfs-log", daemon=True)

    def start(self) -> None:
        self._thread.start()
        _logs.add(self)

    def _serve(self) -> None:
        while self._lines.open and not self._stopped:
            self._lines.look()
            while self._lines.tell() and not self._stopped:
                pass
            if self._lines.open:
                self._hub.wait(LOOK_EVERY)

    def join(self, timeout: float | None) -> bool:
        """Whether it has come to its end, which is the satellite's."""
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def stop(self) -> None:
        """For satellites that nobody shut down: a thread must not come back to an interpreter that has ended."""
        # In a forked child there is no thread, and what it held is held for ever.
        if self._process == os.getpid():
            self._stopped = True
            self._hub.nudge()


_logs: weakref.WeakSet[_Log] = weakref.WeakSet()


@atexit.register
def _stop_logs() -> None:
    logs = list(_logs)
    for log in logs:
        log.stop()
    until = time.monotonic() + 1.0
    for log in logs:
        # A handler of logging that blocks does not hold up the exit.
        log.join(max(0.0, until - time.monotonic()))


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
        self._log = _Log(self._native)

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
        _run(self._native.start())
        self._log.start()
        return self

    def shutdown(self, timeout: float | None = 10.0) -> None:
        """Ends it: peers are told, handlers stopped, threads, sockets and files closed. May be called again, and inside a handler,
        which is then not waited for. Timeout if another handler still runs."""
        until = None if timeout is None else time.monotonic() + timeout
        _run(self._native.shutdown(timeout))
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
        _run(self._native.ended())

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

    # Peers.

    def connect(self, address: str, timeout: float | None = 30.0) -> str:
        """Connects to an address, keeps the session, and gives the peer's id."""
        result: str = _run(self._native.connect(address, timeout))
        return result

    def disconnect(self, peer: str) -> None:
        """Ends the session with a peer. It is not dialled again until either side asks for it."""
        _run(self._native.disconnect(peer))

    def pause(self) -> None:
        """Ends all sessions and closes all sockets until `resume`: the application goes to the background.

        Handlers and all that is known of peers stay. Meanwhile calls that need a session wait for the resume within their time,
        and broadcasts and seeks raise NO_PEERS. Takes 4 s at most.
        """
        _run(self._native.pause())

    def resume(self) -> None:
        """Listens again and dials whom it knows at once; sessions follow (`wait_connected`).

        Raises ADDRESS_IN_USE or IO when an address cannot be listened on: it is resumed all the same, and this may be called again.
        """
        _run(self._native.resume())

    def network_changed(self) -> None:
        """Tells that the network is another one: sessions that do not answer within 3 s end and are dialled anew."""
        _run(self._native.network_changed())

    def wait_connected(self, count: int = 1, timeout: float | None = 30.0) -> None:
        """Waits until sessions with `count` peers are open."""
        _run(self._native.wait_connected(count, timeout))

    # Talking.

    def send(
        self, peer: str, namespace: str, data: Content, *, confirmed: bool = False, timeout: float | None = 30.0
    ) -> None:
        """Sends a message to one peer. Returns when it is accepted within the peer's credit, or with `confirmed` when the peer's
        satellite has taken it in."""
        _run(self._native.send(peer, namespace, data, confirmed, timeout))

    def broadcast(self, namespace: str, data: Content, *, lifetime: float = 30.0) -> None:
        """Sends to everybody under the rendezvous (at most 60 KiB)."""
        _run(self._native.broadcast(namespace, data, lifetime))

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
        return Replies(self._native.request(_run, peer, namespace, data, timeout, max_replies, window))

    def seek(
        self, namespace: str, data: Content = b"", *, timeout: float | None = 30.0, max_replies: int | None = None
    ) -> Replies:
        """Asks every connected peer, and gives what any of them answers until all have ended or the time is over."""
        return Replies(self._native.seek(_run, namespace, data, timeout, max_replies))

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
        return Replies(self._native.broadcast_request(_run, namespace, data, lifetime, timeout, max_replies))

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
        return self._register(Subscription(namespace, self._native.subscribe(_run, packet_type, namespace), handler))

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
        return self._register(Subscription("peers", self._native.peer_events(_run), handler))

    def messages(self, packet_type: int, namespace: str) -> Messages:
        """The same packets to be read: `for message in sat.messages(psfs.MESSAGE, "news")`."""
        self._check_running()
        return Messages(self._native.subscribe(_run, packet_type, namespace))

    def peer_events(self) -> PeerEvents:
        """What happens to peers, to be read."""
        self._check_running()
        return PeerEvents(self._native.peer_events(_run))

    def _check_running(self) -> None:
        if not self.running:
            raise closed("the satellite is not started: use `with`, or start()")

    def _register(self, subscription: Subscription) -> Subscription:
        self._subscriptions.append(subscription)
        return subscription
