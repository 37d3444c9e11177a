"""The exceptions. One class for each kind a program may want to tell apart; which code is of which kind is the core's to say."""

from __future__ import annotations

from ._psfs import CODES

_NAMES = {number: name for number, name, _, _ in CODES}
_HINTS = {number: hint for number, _, hint, _ in CODES}


class Error(Exception):
    """Something failed. `code` names the kind (the same names in every language), `hint` says what to do next."""

    code: str
    number: int
    hint: str

    def __init__(self, message: str, number: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.number = number
        self.code = _NAMES.get(number, "INTERNAL")
        self.hint = hint if hint is not None else _HINTS.get(number, "")


class Timeout(Error, TimeoutError):
    """The time given was over first."""


class PeerUnreachable(Error, ConnectionError):
    """The peer cannot be reached, the session with it ended, or nobody is connected."""


class Refused(Error):
    """The peer refuses (of a value in the DHT: every node, and the message lists why), or a limit of open things is reached."""


class NotFound(Error, KeyError):
    """The peer was never met, it serves no such namespace, or no node of the DHT has the value."""

    # KeyError would show its argument quoted.
    __str__ = Exception.__str__


class Closed(Error):
    """The satellite is not running, or the operation was cancelled."""


class BadInput(Error, ValueError):
    """An argument is outside what is allowed; the message names it."""


class RemoteError(Error):
    """The handler at the peer failed: `remote_code` and `remote_text` are what it said."""

    remote_code: int
    remote_text: str

    def __init__(self, message: str, number: int, hint: str | None = None) -> None:
        super().__init__(message, number, hint)
        self.remote_code = number
        self.remote_text = ""


class Fail(Exception):
    """Raised by a handler of a REQUEST: ends it with a positive code of your own and a text at the asker."""

    def __init__(self, code: int, text: str) -> None:
        if not isinstance(code, int) or not 0 < code < 2**31:
            raise bad_input(f"the code of a Fail is {code!r}: give 1 to 2147483647")
        if not isinstance(text, str):
            raise bad_input(f"the text of a Fail is {type(text).__name__}: give str")
        super().__init__(code, text)
        self.code = code
        self.text = text


_KINDS: dict[str, type[Error]] = {
    kind.__name__: kind
    for kind in (Error, Timeout, PeerUnreachable, Refused, NotFound, Closed, BadInput, RemoteError)
}
_CLASSES = {number: _KINDS[kind] for number, _, _, kind in CODES}


def make(
    number: int,
    message: str,
    hint: str | None = None,
    remote_code: int | None = None,
    remote_text: str | None = None,
) -> Error:
    """The exception of a code. Called by the native half."""
    error = _CLASSES.get(number, Error)(message, number, hint)
    if isinstance(error, RemoteError):
        error.remote_code = number if remote_code is None else remote_code
        error.remote_text = remote_text or ""
    return error


def bad_input(message: str) -> Error:
    """An argument that the Python half refuses by itself."""
    return make(-2, message)


def closed(message: str) -> Error:
    """A use after the end that the Python half sees by itself."""
    return make(-6, message)
