"""What asyncio's half of the package is made of: one satellite's place in a loop, what is read in batches, and handlers.

Everything here runs on the event loop's own thread. The core notes what is ready in a hub; its descriptor wakes the loop once for many
results, and what is ready is polled then. So cancelling a task cancels what it waits for, and no thread of the core ever enters Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, Self, TypeVar, cast

from ._common import MESSAGE, Returned, decide, encode, failure_of, log, tell
from ._errors import Error, bad_input, closed, make
from ._log import LOOK_EVERY, Lines
from ._psfs import PENDING, Hub, Message, Offer, Operation, PeerEvent, Reply, Source

T = TypeVar("T")
R = TypeVar("R")


class Done:
    """An operation that was ready at once. Awaiting it gives its result without a turn of the loop."""

    __slots__ = ("result",)

    def __init__(self, result: Any) -> None:
        self.result = result

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result
        yield


class Loop:
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
        # What the satellite's end has ended may not have been told yet, and nobody is left to tell it.
        for step in list(self.waiting.values()):
            step()
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
        if not self.open:
            raise closed("the satellite was shut down")
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
                elif not self.open:
                    future.set_exception(closed("the satellite was shut down"))

        self.waiting[pollable.id] = step
        try:
            return await future
        finally:
            del self.waiting[pollable.id]

    def run(self, operation: Operation) -> Awaitable[Any]:
        """Starts `operation` now; awaiting gives its result. Cancelled while it is awaited, it ends."""
        result = operation.poll()
        return Done(result) if result is not PENDING else self._finish(operation)

    async def _finish(self, operation: Operation) -> Any:
        try:
            return await self.wait(operation)
        finally:
            operation.close()


class Log:
    """Hands the core's log lines to logging, in the loop's turns."""

    def __init__(self, loop: Loop, lines: Lines) -> None:
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


class Batches(Generic[T]):
    """Items of a source, one after another. Reading it needs no task of its own; leaving it unread holds up its senders."""

    def __init__(self, loop: Loop, source: Source) -> None:
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


class Replies(Batches[Reply]):
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


class Messages(Batches[Message]):
    """Packets of one type and namespace, as they come. Closed or dropped, it unsubscribes."""


class PeerEvents(Batches[PeerEvent]):
    """What happens to peers, as it comes. Closed or dropped, it unsubscribes."""


class Following(Generic[T, R]):
    """Something that goes on by itself. Iterated, it tells how far it is; awaited, it gives what it came to."""

    def __init__(self, loop: Loop, native: tuple[Operation, Source]) -> None:
        self._loop = loop
        self._operation, self._source = native
        self._ended = asyncio.Event()
        self._result: R | None = None
        self._failure: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            news: list[T] | None = await self._loop.wait(self._source)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if news is None:
            raise StopAsyncIteration
        return news[-1]

    def __await__(self) -> Generator[Any, None, R]:
        return self._end().__await__()

    def cancel(self) -> None:
        """Ends it: who waits for it gets CANCELLED."""
        self._operation.close()

    async def _end(self) -> R:
        # Also of several tasks, which are all told.
        self._step()
        if not self._ended.is_set():
            self._loop.waiting[self._operation.id] = self._step
            try:
                await self._ended.wait()
            except asyncio.CancelledError:
                self.cancel()
                raise
        if self._failure is not None:
            raise self._failure
        return cast(R, self._result)

    def _step(self) -> None:
        if self._ended.is_set():
            return
        try:
            result = self._operation.poll()
            if result is PENDING:
                if self._loop.open:
                    return
                raise closed("the satellite was shut down")
            self._result = result
        except Exception as error:
            self._failure = error
        self._loop.waiting.pop(self._operation.id, None)
        self._ended.set()


class Subscription:
    """A registered handler. It stays until it is cancelled or the satellite shut down."""

    def __init__(self, name: str, source: Source, handler: Callable[[Any], Any], concurrency: int) -> None:
        self._name = name
        self._source = source
        self._handler = handler
        self._concurrency = concurrency
        self._loop: Loop | None = None
        self._task: asyncio.Task[None] | None = None
        self._open = True

    def cancel(self) -> None:
        """No call begins after this. A call that is running (of an async handler) goes on to its end."""
        self._open = False
        self._source.close()
        # A task of its own finds the end of its source by itself.
        if self._loop is not None and self._task is None:
            self._loop.waiting.pop(self._source.id, None)

    def _attach(self, loop: Loop) -> None:
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
                if isinstance(item, Offer):
                    decide(item, result)
                elif isinstance(item, Message) and item.packet_type != MESSAGE:
                    self._answer(loop, item, result)
            except Exception as error:
                self._failed(item, error)
        # Others have their turn before the next batch.
        loop.loop.call_soon(self._step)

    def _answer(self, loop: Loop, message: Message, result: Returned) -> None:
        if result is None:
            _end(message)
            return
        sending = _reply(message, result)
        if isinstance(sending, Done):
            _end(message)
        elif sending is not None:
            task = loop.loop.create_task(_end_after(message, sending), name=f"psfs reply to {self._name}")
            _replying.add(task)
            task.add_done_callback(_replying.discard)

    def _failed(self, item: Any, error: BaseException) -> None:
        tell(self._name, error)
        if isinstance(item, Offer):
            item.refuse(failure_of(error)[1])
        elif isinstance(item, Message) and item.packet_type != MESSAGE:
            with contextlib.suppress(Error):
                item.fail(*failure_of(error))

    # Coroutine functions: one task reads, and calls one after another or as many at once as was asked for.

    async def _serve(self, loop: Loop) -> None:
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
            if isinstance(item, Offer):
                decide(item, result)
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
