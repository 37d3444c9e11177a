"""Satellites for asyncio.

Everything here runs on the event loop's own thread. The core notes what is ready in a hub; its descriptor wakes the loop once for many
results, and what is ready is polled then. So cancelling a task cancels what it waits for, and no thread of the core ever enters Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from ._common import MESSAGE, Content, Key, Options, Returned, callable_handler, encode, failure_of, lists, log, tell
from ._errors import Error, bad_input, closed, make
from ._log import LOOK_EVERY, Lines
from ._psfs import PENDING, Hub, Message, Operation, Peer, PeerEvent, Reply, Source
from ._psfs import Satellite as Native

T = TypeVar("T")
Handler = Callable[[Message], Returned | Awaitable[Returned]]
PeerHandler = Callable[[PeerEvent], Awaitable[None] | None]
AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


class _Done:
    """An operation that was ready at once. Awaiting it gives its result without a turn of the loop."""

    __slots__ = ("result",)

    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result
        yield


class _Loop:
    """One satellite's place in one event loop: who is to be polled when the hub says so."""

    def __init__(self, hub: Hub) -> None:
        self.loop = asyncio.get_running_loop()
        self.hub = hub
        self.waiting: dict[int, Callable[[], None]] = {}
        self.open = True
        self._fd: int | None = hub.fileno()
        try:
            self.loop.add_reader(self._fd, self._ready)
        except NotImplementedError:
            hub.close()
            self._fd = None
            threading.Thread(target=self._stand_in, name="psfs-wake", daemon=True).start()

    def _stand_in(self) -> None:
        while self.open:
            ids = self.hub.wait(3600.0)
            # A loop that was closed meanwhile has nobody left to be told.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._poll, ids)

    def _ready(self) -> None:
        self._poll(self.hub.take())

    def _poll(self, ids: list[int]) -> None:
        for id in ids:
            if (step := self.waiting.get(id)) is not None:
                step()

    def close(self) -> None:
        if not self.open:
            return
        self.open = False
        if self._fd is None:
            self.hub.nudge()
        elif not self.loop.is_closed():
            self.loop.remove_reader(self._fd)
        self.hub.close()

    def check(self) -> None:
        """Whether the caller runs where the satellite does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise bad_input("there is no event loop in this thread: use run_coroutine_threadsafe, or psfs.sync") from None
        if loop is not self.loop:
            raise bad_input("the satellite was started in another event loop: make one for each loop, or use psfs.sync")

    async def wait(self, pollable: Operation | Source) -> Any:
        """What `pollable` gives when it is ready."""
        if pollable.id in self.waiting:
            raise bad_input("something waits for this already: read it in one task")
        result = pollable.poll()
        if result is not PENDING:
            return result
        future: asyncio.Future[Any] = self.loop.create_future()

        def step() -> None:
            if future.done():
                return
            try:
                result = pollable.poll()
            except Exception as error:
                future.set_exception(error)
            else:
                if result is not PENDING:
                    future.set_result(result)

        self.waiting[pollable.id] = step
        try:
            return await future
        finally:
            del self.waiting[pollable.id]

    def run(self, operation: Operation) -> Awaitable[Any]:
        """Starts `operation` now; awaiting gives its result. Cancelled while it is awaited, it ends."""
        result = operation.poll()
        return _Done(result) if result is not PENDING else self._finish(operation)

    async def _finish(self, operation: Operation) -> Any:
        try:
            return await self.wait(operation)
        finally:
            operation.close()


class _Log:
    """Hands the core's log lines to logging, in the loop's turns."""

    def __init__(self, loop: _Loop, lines: Lines) -> None:
        self._loop = loop
        self._lines = lines
        loop.waiting[lines.id] = self._step
        loop.loop.call_soon(self._step)
        self._timer = loop.loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._lines.look()
        self._timer = self._loop.loop.call_later(LOOK_EVERY, self._look)

    def _step(self) -> None:
        if self._lines.tell():
            # Others have their turn before the next batch.
            self._loop.loop.call_soon(self._step)
        elif not self._lines.open:
            self._stop()

    def _stop(self) -> None:
        self._timer.cancel()
        self._loop.waiting.pop(self._lines.id, None)

    def finish(self) -> None:
        """Tells the rest of a satellite that has ended."""
        while self._lines.tell():
            pass
        self._stop()


class _Batches(Generic[T]):
    """Items of a source, one after another. Reading it needs no task of its own; leaving it unread holds up its senders."""

    def __init__(self, loop: _Loop, source: Source) -> None:
        self._loop = loop
        self._source = source
        self._batch: deque[T] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not self._batch:
            items = await self._loop.wait(self._source)
            if items is None:
                raise StopAsyncIteration
            self._batch.extend(items)
        return self._batch.popleft()

    async def aclose(self) -> None:
        """Ends it; what has come and was not read is dropped."""
        self._batch.clear()
        self._source.close()


class Replies(_Batches[Reply]):
    """The replies to one question, as they come. Awaited, it gives the first. Dropped or closed, it cancels the rest.

    What goes wrong is raised where the next reply is asked for.
    """

    async def first(self) -> Reply:
        """The first reply; the rest is cancelled. NotFound if it ends without one."""
        try:
            async for reply in self:
                return reply
            raise make(-22, "the request ended well, but without a reply", "Ask for all() if none is an answer, too.")
        finally:
            await self.aclose()

    async def all(self) -> list[Reply]:
        """All replies."""
        return [reply async for reply in self]

    def __await__(self) -> Generator[Any, None, Reply]:
        return self.first().__await__()


class Messages(_Batches[Message]):
    """Packets of one type and namespace, as they come. Closed or dropped, it unsubscribes."""


class PeerEvents(_Batches[PeerEvent]):
    """What happens to peers, as it comes. Closed or dropped, it unsubscribes."""


class Subscription:
    """A registered handler. It stays until it is cancelled or the satellite shut down."""

    def __init__(self, name: str, source: Source, handler: Callable[[Any], Any], concurrency: int) -> None:
        self._name = name
        self._source = source
        self._handler = handler
        self._concurrency = concurrency
        self._loop: _Loop | None = None
        self._task: asyncio.Task[None] | None = None
        self._open = True

    def cancel(self) -> None:
        """No call begins after this. A call that is running (of an async handler) goes on to its end."""
        self._open = False
        self._source.close()
        if self._loop is not None:
            self._loop.waiting.pop(self._source.id, None)

    def _attach(self, loop: _Loop) -> None:
        self._loop = loop
        if inspect.iscoroutinefunction(self._handler) or inspect.iscoroutinefunction(
            getattr(self._handler, "__call__", None)  # noqa: B004
        ):
            self._task = loop.loop.create_task(self._serve(loop), name=f"psfs {self._name}")
        else:
            loop.waiting[self._source.id] = self._step
            loop.loop.call_soon(self._step)

    # Plain functions: called in the loop's turn, a batch at a time.

    def _step(self) -> None:
        if not self._open or (loop := self._loop) is None:
            return
        items = self._source.poll()
        if items is PENDING:
            return
        if items is None:
            self.cancel()
            return
        for item in items:
            if not self._open:
                return
            try:
                result = self._handler(item)
                if isinstance(item, Message) and item.packet_type != MESSAGE:
                    self._answer(loop, item, result)
            except Exception as error:
                self._failed(item, error)
        # Others have their turn before the next batch.
        loop.loop.call_soon(self._step)

    def _answer(self, loop: _Loop, message: Message, result: Returned) -> None:
        if result is None:
            _end(message)
            return
        sending = _reply(message, result)
        if isinstance(sending, _Done):
            _end(message)
        elif sending is not None:
            task = loop.loop.create_task(_end_after(message, sending), name=f"psfs reply to {self._name}")
            _replying.add(task)
            task.add_done_callback(_replying.discard)

    def _failed(self, item: Any, error: BaseException) -> None:
        tell(self._name, error)
        if isinstance(item, Message) and item.packet_type != MESSAGE:
            with contextlib.suppress(Error):
                item.fail(*failure_of(error))

    # Coroutine functions: one task reads, and calls one after another or as many at once as was asked for.

    async def _serve(self, loop: _Loop) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while (items := await loop.wait(self._source)) is not None:
                for item in items:
                    if not self._open:
                        return
                    if self._concurrency == 1:
                        await self._one(item)
                        continue
                    if len(running) >= self._concurrency:
                        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    task = loop.loop.create_task(self._one(item))
                    running.add(task)
                    task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    async def _one(self, item: Any) -> None:
        try:
            result = await self._handler(item)
            if not isinstance(item, Message) or item.packet_type == MESSAGE:
                return
            if result is not None and (sending := _reply(item, result)) is not None:
                await _end_after(item, sending)
            else:
                _end(item)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._failed(item, error)

    async def _stop(self) -> None:
        self.cancel()
        task, self._task = self._task, None
        # A handler that shuts its own satellite down is not waited for: it is this task.
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])


_replying: set[asyncio.Task[None]] = set()


def _end(message: Message) -> None:
    # Ended already, or its responder taken to answer later.
    with contextlib.suppress(Error):
        message.end()


def _reply(message: Message, result: Returned) -> Awaitable[None] | None:
    try:
        return message.reply(encode(result))
    except Error as error:
        log.debug("the answer was not wanted: %s", error)
        return None


async def _end_after(message: Message, sending: Awaitable[None]) -> None:
    try:
        await sending
    except Error as error:
        log.debug("the answer was not wanted any more: %s", error)
    _end(message)


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
    `connections` (in all, per IP address), `ping` (interval, timeout in seconds).

    Made anywhere, it belongs to the event loop that it is started in. Times are in seconds; None is for ever.
    """

    def __init__(self, rendezvous: str, *, key: Key | None = None, **options: Unpack[Options]) -> None:
        self._loop: _Loop | None = None
        self._ending = asyncio.Lock()
        self._subscriptions: list[Subscription] = []
        self._hub = Hub()
        self._native = Native(self._hub, rendezvous, key, lists(options))
        self._lines = Lines(self._native, self._hub)
        self._log: _Log | None = None

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
        loop = _Loop(self._hub)
        try:
            await loop.run(self._native.start())
        except BaseException:
            loop.close()
            raise
        self._loop = loop
        self._log = _Log(loop, self._lines)
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

    def _running(self) -> _Loop:
        if self._loop is None:
            raise closed("the satellite is not started: use `async with`, or await start()")
        self._loop.check()
        if not self._loop.open:
            raise closed("the satellite was shut down")
        return self._loop

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
