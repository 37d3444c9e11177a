"""What the satellites with and without asyncio share: constants, contents, and what a handler's result becomes."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypedDict

from ._errors import Fail, bad_input
from ._psfs import Faults, Offer

log = logging.getLogger("psfs")

MESSAGE = 1
BROADCAST = 2
SEEK = 3
REQUEST = 4

#: What can be sent: `str` goes as UTF-8. `bytes` of 16 KiB and more are not copied.
Content = bytes | bytearray | memoryview | str
#: What a REQUEST handler may return as its last reply; what is neither bytes nor str goes as JSON.
Returned = Content | dict[str, Any] | list[Any] | int | float | bool | None
#: Key as PEM bytes, or the path of a key file, which is made when it does not exist.
Key = bytes | str | PathLike[str]


#: How long nodes of the DHT keep a value that says nothing else, a token of files holds, and an upload may stand still, in seconds: a day.
DAY = 24 * 3600.0

#: What each owner of files may keep at another satellite that says nothing else, in bytes: 1 GiB.
QUOTA = 1 << 30
#: All that a token may allow.
OPS = ("read", "write", "delete", "list")

#: A file's or folder's path.
Path = str | PathLike[str]


class Options(TypedDict, total=False):
    """Everything else that can be set of a satellite; see the README for each."""

    secret: str | bytes | None
    bootstrap: list[str]
    listen: list[str]
    allow: list[str]
    deny: list[str]
    data_dir: str | PathLike[str] | None
    passphrase: str | None
    signing: str
    mdns: bool
    content_limit: int
    message_window: int
    reply_window: int
    open_requests: int
    queue_limit: int
    memory_limit: int
    worker_threads: int
    peers: tuple[int, int]
    connections: tuple[int, int]
    ping: tuple[float, float]
    dht_role: str
    max_item_size: int
    max_storage_size: int
    faults: Faults | None


def lists(options: Options) -> dict[str, Any]:
    """Checks what would otherwise be misread: a str is iterable, too."""
    for name in ("bootstrap", "listen", "allow", "deny"):
        if isinstance(options.get(name), (str, bytes)):
            raise bad_input(f"{name} is one str: give a list of str")
    return dict(options)


def by(
    tag: str | None = None, name: str | None = None, root: str | None = None, sha256: str | None = None
) -> tuple[str, str] | None:
    """By which one of these files are looked for; None: all of them."""
    given = {"tag": tag, "name": name, "root": root, "sha256": sha256}
    wishes = [(what, value) for what, value in given.items() if value is not None]
    if len(wishes) > 1:
        raise bad_input(f"{' and '.join(what for what, _ in wishes)} are given: give one of them, or none for all files")
    return wishes[0] if wishes else None


def listed(name: str, values: Sequence[str]) -> list[str]:
    """Checks what would otherwise be misread: a str is a sequence, too."""
    if isinstance(values, (str, bytes)):
        raise bad_input(f"{name} is one {type(values).__name__}: give a list of str")
    return list(values)


def callable_handler(handler: object) -> Callable[..., Any]:
    if not callable(handler):
        raise bad_input(f"the handler is {type(handler).__name__}: give a function")
    return handler


def encode(value: Returned) -> Content:
    """A handler's result as content."""
    if isinstance(value, (bytes, bytearray, memoryview, str)):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tell(name: str, error: BaseException) -> None:
    """A handler raised. psfs.Fail is an answer, anything else a mistake."""
    if isinstance(error, Fail):
        log.debug("the handler of %s answered with error %d: %s", name, error.code, error.text)
    else:
        log.error("the handler of %s failed", name, exc_info=error)


def failure_of(error: BaseException) -> tuple[int, str]:
    """What an asker is told of a handler's exception. 0 becomes the library's HANDLER_FAILED."""
    if isinstance(error, Fail):
        code, text = error.code, error.text
    else:
        code, text = 0, type(error).__name__
        # Its own text may be a mistake, too.
        with contextlib.suppress(Exception):
            text = f"{text}: {error}"
    return code, text.encode(errors="replace").decode()


def decide(offer: Offer, result: object) -> None:
    """What a handler of on_store returned, as this satellite's word."""
    if result is None or result is True:
        offer.keep()
    elif result is False:
        offer.refuse("its application does not want it")
    elif isinstance(result, str):
        offer.refuse(result.encode(errors="replace").decode())
    else:
        raise bad_input(f"on_store returned {type(result).__name__}: return True or None to keep it, False or a str to refuse it")
