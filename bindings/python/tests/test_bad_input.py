"""Each function's first bad argument has its own typed error; and every class of exception is one that Python people catch already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psfs
import pytest
from psfs.testing import Networks

OPTIONS: list[tuple[dict[str, Any], type[psfs.Error], str]] = [
    ({"rendezvous": ""}, psfs.BadInput, "rendezvous: it is not set"),
    ({"rendezvous": "x" * 256}, psfs.BadInput, "255"),
    ({"rendezvous": "a\0b"}, psfs.BadInput, "NUL"),
    ({"secret": ""}, psfs.BadInput, "secret"),
    ({"bootstrap": ["nonsense"]}, psfs.BadInput, "nonsense"),
    ({"bootstrap": "127.0.0.1:1"}, psfs.BadInput, "list"),
    ({"listen": ["127.0.0.1:99999"]}, psfs.BadInput, "99999"),
    ({"allow": ["Qm"]}, psfs.BadInput, "peer id"),
    ({"deny": ["Qm"]}, psfs.BadInput, "peer id"),
    ({"signing": "maybe"}, psfs.BadInput, "lazy"),
    ({"content_limit": 1}, psfs.BadInput, "content_limit"),
    ({"content_limit": -1}, psfs.BadInput, "content_limit"),
    ({"content_limit": "much"}, psfs.BadInput, "content_limit"),
    ({"message_window": 1}, psfs.BadInput, "message_window"),
    ({"reply_window": 1}, psfs.BadInput, "reply_window"),
    ({"open_requests": 0}, psfs.BadInput, "open_requests"),
    ({"queue_limit": 0}, psfs.BadInput, "queue_limit"),
    ({"memory_limit": 0}, psfs.BadInput, "memory_limit"),
    ({"worker_threads": 0}, psfs.BadInput, "worker_threads"),
    ({"peers": (9, 3)}, psfs.BadInput, "peers"),
    ({"peers": 9}, psfs.BadInput, "peers"),
    ({"connections": (0, 0)}, psfs.BadInput, "connections"),
    ({"ping": (-1.0, 1.0)}, psfs.BadInput, "ping"),
    ({"key": b"no key"}, psfs.BadInput, "key"),
    ({"data_dir": "/proc/nothing"}, psfs.Error, "/proc/nothing"),
    ({"unknown": 1}, psfs.BadInput, "unknown"),
]


@pytest.mark.parametrize(("options", "kind", "says"), OPTIONS, ids=[str(row[0])[:40] for row in OPTIONS])
@pytest.mark.parametrize("make", [psfs.Satellite, psfs.sync.Satellite], ids=["asyncio", "sync"])
def test_options(make: Callable[..., Any], options: dict[str, Any], kind: type[psfs.Error], says: str) -> None:
    options = {"rendezvous": "options", "mdns": False, **options}
    with pytest.raises(kind, match=says) as error:
        make(**options)
    assert error.value.hint


CALLS: list[tuple[str, Callable[[psfs.sync.Satellite, str], Any], type[psfs.Error], str]] = [
    ("send peer", lambda sat, peer: sat.send("Qm", "n", b""), psfs.BadInput, "peer id"),
    ("send namespace", lambda sat, peer: sat.send(peer, "", b""), psfs.BadInput, "namespace"),
    ("send data", lambda sat, peer: sat.send(peer, "n", 7), psfs.BadInput, "int"),  # type: ignore[arg-type]
    ("send to oneself", lambda sat, peer: sat.send(sat.peer_id, "n", b""), psfs.BadInput, "itself"),
    ("send timeout", lambda sat, peer: sat.send(peer, "n", b"", timeout=-1), psfs.BadInput, "timeout"),
    ("broadcast namespace", lambda sat, peer: sat.broadcast("", b""), psfs.BadInput, "namespace"),
    ("broadcast size", lambda sat, peer: sat.broadcast("n", b"x" * 70_000), psfs.BadInput, "61440"),
    ("broadcast lifetime", lambda sat, peer: sat.broadcast("n", b"", lifetime=0), psfs.BadInput, "lifetime"),
    ("request peer", lambda sat, peer: sat.request("Qm", "n"), psfs.BadInput, "peer id"),
    ("request namespace", lambda sat, peer: sat.request(peer, "").first(), psfs.BadInput, "namespace"),
    ("request window", lambda sat, peer: sat.request(peer, "n", window=1).first(), psfs.BadInput, "window"),
    ("request nobody", lambda sat, peer: sat.request(peer, "nobody").first(), psfs.NotFound, "nobody"),
    ("seek namespace", lambda sat, peer: sat.seek(""), psfs.BadInput, "namespace"),
    ("connect address", lambda sat, peer: sat.connect("nonsense"), psfs.BadInput, "nonsense"),
    ("connect nobody", lambda sat, peer: sat.connect("127.0.0.1:1"), psfs.PeerUnreachable, "127.0.0.1"),
    ("disconnect peer", lambda sat, peer: sat.disconnect("Qm"), psfs.BadInput, "peer id"),
    ("on type", lambda sat, peer: sat.on(0, "n", print), psfs.BadInput, "INTERNAL"),
    ("on unknown type", lambda sat, peer: sat.on(99, "n", print), psfs.BadInput, "99"),
    ("on namespace", lambda sat, peer: sat.on(psfs.MESSAGE, "", print), psfs.BadInput, "namespace"),
    ("on handler", lambda sat, peer: sat.on(psfs.MESSAGE, "n", 7), psfs.BadInput, "int"),  # type: ignore[call-overload]
    ("on_peer handler", lambda sat, peer: sat.on_peer(7), psfs.BadInput, "int"),  # type: ignore[call-overload]
    ("wait_connected timeout", lambda sat, peer: sat.wait_connected(9, timeout=0.05), psfs.Timeout, "1 of 9"),
]


@pytest.fixture(scope="module")
def pair(psfs_session_network: Networks) -> Any:
    return psfs_session_network(2)


@pytest.mark.parametrize(("name", "call", "kind", "says"), CALLS, ids=[row[0] for row in CALLS])
def test_calls(pair: Any, name: str, call: Callable[..., Any], kind: type[psfs.Error], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call(pair[0], pair[1].peer_id)
    assert error.value.hint
    assert error.value.code


def test_a_message_is_not_answered_and_a_request_once(pair: Any) -> None:
    messages = pair[1].messages(psfs.MESSAGE, "one-way")
    pair[0].send(pair[1].peer_id, "one-way", b"")
    with pytest.raises(psfs.Error):
        next(messages).reply(b"no")
    messages.close()


def test_exceptions_are_what_python_people_catch() -> None:
    assert issubclass(psfs.Timeout, TimeoutError)
    assert issubclass(psfs.PeerUnreachable, ConnectionError)
    assert issubclass(psfs.NotFound, KeyError)
    assert issubclass(psfs.BadInput, ValueError)
    kinds = [psfs.Timeout, psfs.PeerUnreachable, psfs.Refused, psfs.NotFound, psfs.Closed, psfs.BadInput, psfs.RemoteError]
    assert all(issubclass(kind, psfs.Error) for kind in kinds)
