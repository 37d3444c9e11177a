"""What the package's half without an event loop is made of: waiting, what is read in batches, and handlers with threads of their own."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, cast

from . import _psfs
from ._common import MESSAGE, Content, decide, encode, failure_of, log, tell
from ._errors import Error, make
from ._log import LOOK_EVERY, Lines
from ._psfs import PENDING, Hub, Operation, PeerEvent, Reply, Source
from ._psfs import Satellite as Native

T = TypeVar("T")
R = TypeVar("R")


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


def run(operation: Operation | None) -> Any:
    if operation is None:
        return None
    result = operation.poll()
    if result is not PENDING:
        return result
    try:
        return operation.wait()
    finally:
        operation.close()


class Batches(Generic[T]):
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


class Replies(Batches[Reply]):
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


class Messages(Batches[Message]):
    """Packets of one type and namespace, as they come. Closed or dropped, it unsubscribes."""


class PeerEvents(Batches[PeerEvent]):
    """What happens to peers, as it comes. Closed or dropped, it unsubscribes."""


class Following(Generic[T, R]):
    """Something that goes on by itself. Iterated, it tells how far it is; `wait` gives what it came to."""

    def __init__(self, native: tuple[Operation, Source]) -> None:
        self._operation, self._source = native
        # One thread waits for the operation, others for this.
        self._waiting = threading.Lock()
        self._ended = False
        self._result: R | None = None
        self._failure: Error | None = None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._until_interrupted():
            news: list[T] | None = self._source.wait()
        if news is None:
            raise StopIteration
        return news[-1]

    def wait(self) -> R:
        """Waits for its end, also on several threads. Ctrl-C cancels it."""
        with self._until_interrupted(), self._waiting:
            if not self._ended:
                try:
                    self._result = self._operation.wait()
                except Error as error:
                    self._failure = error
                self._ended = True
        if self._failure is not None:
            raise self._failure
        return cast(R, self._result)

    def cancel(self) -> None:
        """Ends it: who waits for it gets CANCELLED."""
        self._operation.close()

    @contextlib.contextmanager
    def _until_interrupted(self) -> Iterator[None]:
        try:
            yield
        except Error:
            raise
        except BaseException:
            self.cancel()
            raise


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
            if isinstance(item, _psfs.Offer):
                decide(item, result)
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
            if isinstance(item, _psfs.Offer):
                item.refuse(failure_of(error)[1])
            elif isinstance(item, _psfs.Message) and item.packet_type != MESSAGE:
                with contextlib.suppress(Error):
                    item.fail(*failure_of(error))


class Log:
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


_logs: weakref.WeakSet[Log] = weakref.WeakSet()


@atexit.register
def _stop_logs() -> None:
    logs = list(_logs)
    for log in logs:
        log.stop()
    until = time.monotonic() + 1.0
    for log in logs:
        # A handler of logging that blocks does not hold up the exit.
        log.join(max(0.0, until - time.monotonic()))
