"""Each function's first bad argument has its own typed error; and every class of exception is one that Python people catch already."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import psfs
import psfs.testing
import pytest
from conftest import PATIENCE
from psfs._common import Options
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
    ({"dht_role": "king"}, psfs.BadInput, "mirror"),
    ({"dht_role": 1}, psfs.BadInput, "dht_role"),
    ({"max_item_size": 0}, psfs.BadInput, "max_item_size"),
    ({"max_item_size": -1}, psfs.BadInput, "max_item_size"),
    ({"max_storage_size": -1}, psfs.BadInput, "max_storage_size"),
    ({"unknown": 1}, psfs.BadInput, "unknown"),
]


@pytest.mark.parametrize(("options", "kind", "says"), OPTIONS, ids=[str(row[0])[:40] for row in OPTIONS])
@pytest.mark.parametrize("make", [psfs.Satellite, psfs.sync.Satellite], ids=["asyncio", "sync"])
def test_options(make: Callable[..., Any], options: dict[str, Any], kind: type[psfs.Error], says: str) -> None:
    options = {"rendezvous": "options", "mdns": False, **options}
    with pytest.raises(kind, match=says) as error:
        make(**options)
    assert error.value.hint


#: A peer that nobody has met.
STRANGER = psfs.inspect_key(psfs.generate_key())[0]

#: Method, what is wrong, a call of either satellite, what it raises and says. A result that can be awaited is awaited.
Row = tuple[str, str, Callable[[Any, str], Any], type[Exception], str]
CALLS: list[Row] = [
    ("send", "peer", lambda sat, peer: sat.send("Qm", "n", b""), psfs.BadInput, "peer id"),
    ("send", "namespace", lambda sat, peer: sat.send(peer, "", b""), psfs.BadInput, "namespace"),
    ("send", "data", lambda sat, peer: sat.send(peer, "n", 7), psfs.BadInput, "int"),
    ("send", "half a character", lambda sat, peer: sat.send(peer, "n", "\udc80"), psfs.BadInput, "content"),
    ("send", "to oneself", lambda sat, peer: sat.send(sat.peer_id, "n", b""), psfs.BadInput, "itself"),
    ("send", "timeout", lambda sat, peer: sat.send(peer, "n", b"", timeout=-1), psfs.BadInput, "timeout"),
    ("send", "no number", lambda sat, peer: sat.send(peer, "n", b"", timeout=float("nan")), psfs.BadInput, "timeout"),
    ("broadcast", "namespace", lambda sat, peer: sat.broadcast("", b""), psfs.BadInput, "namespace"),
    ("broadcast", "size", lambda sat, peer: sat.broadcast("n", b"x" * 70_000), psfs.BadInput, "61440"),
    ("broadcast", "lifetime", lambda sat, peer: sat.broadcast("n", b"", lifetime=0), psfs.BadInput, "lifetime"),
    ("request", "peer", lambda sat, peer: sat.request("Qm", "n"), psfs.BadInput, "peer id"),
    ("request", "namespace", lambda sat, peer: sat.request(peer, "").first(), psfs.BadInput, "namespace"),
    ("request", "window", lambda sat, peer: sat.request(peer, "n", window=1).first(), psfs.BadInput, "window"),
    ("request", "negative window", lambda sat, peer: sat.request(peer, "n", window=-1), psfs.BadInput, "window is -1"),
    ("request", "replies", lambda sat, peer: sat.request(peer, "n", max_replies=-1), psfs.BadInput, "max_replies is -1"),
    ("request", "nobody", lambda sat, peer: sat.request(peer, "nobody").first(), psfs.NotFound, "nobody"),
    ("seek", "namespace", lambda sat, peer: sat.seek(""), psfs.BadInput, "namespace"),
    ("seek", "replies", lambda sat, peer: sat.seek("n", max_replies=2**70), psfs.BadInput, "max_replies"),
    ("broadcast_request", "namespace", lambda sat, peer: sat.broadcast_request("", b"").first(), psfs.BadInput, "namespace"),
    ("broadcast_request", "lifetime", lambda sat, peer: sat.broadcast_request("n", b"", lifetime=-1), psfs.BadInput, "lifetime"),
    ("connect", "address", lambda sat, peer: sat.connect("nonsense"), psfs.BadInput, "nonsense"),
    ("connect", "nobody", lambda sat, peer: sat.connect("127.0.0.1:1"), psfs.PeerUnreachable, "127.0.0.1"),
    ("connect", "timeout", lambda sat, peer: sat.connect("127.0.0.1:1", timeout=-1), psfs.BadInput, "timeout"),
    ("disconnect", "peer", lambda sat, peer: sat.disconnect("Qm"), psfs.BadInput, "peer id"),
    ("disconnect", "stranger", lambda sat, peer: sat.disconnect(STRANGER), psfs.NotFound, STRANGER),
    ("on", "type", lambda sat, peer: sat.on(0, "n", print), psfs.BadInput, "INTERNAL"),
    ("on", "unknown type", lambda sat, peer: sat.on(99, "n", print), psfs.BadInput, "99"),
    ("on", "negative type", lambda sat, peer: sat.on(-1, "n", print), psfs.BadInput, "-1"),
    ("on", "huge type", lambda sat, peer: sat.on(2**70, "n", print), psfs.BadInput, "packet_type"),
    ("on", "namespace", lambda sat, peer: sat.on(psfs.MESSAGE, "", print), psfs.BadInput, "namespace"),
    ("on", "handler", lambda sat, peer: sat.on(psfs.MESSAGE, "n", 7), psfs.BadInput, "int"),
    ("on_peer", "handler", lambda sat, peer: sat.on_peer(7), psfs.BadInput, "int"),
    ("messages", "type", lambda sat, peer: sat.messages(0, "n"), psfs.BadInput, "INTERNAL"),
    ("messages", "namespace", lambda sat, peer: sat.messages(psfs.MESSAGE, ""), psfs.BadInput, "namespace"),
    ("wait_connected", "timeout", lambda sat, peer: sat.wait_connected(9, timeout=0.05), psfs.Timeout, "1 of 9"),
    ("wait_connected", "count", lambda sat, peer: sat.wait_connected(-1), psfs.BadInput, "count is -1"),
    ("key", "passphrase", lambda sat, peer: sat.key(7), TypeError, "passphrase"),
    ("shutdown", "timeout", lambda sat, peer: sat.shutdown(timeout=-1), psfs.BadInput, "timeout"),
]
CALLS_OF_ASYNCIO: list[Row] = [
    ("on", "concurrency", lambda sat, peer: sat.on(psfs.MESSAGE, "n", print, concurrency=0), psfs.BadInput, "concurrency"),
]

KEY = psfs.key_of_name("nothing")

#: The same of a satellite's DHT.
DHT_CALLS: list[Row] = [
    ("store", "nothing", lambda dht, peer: dht.store(b""), psfs.BadInput, "empty"),
    ("store", "data", lambda dht, peer: dht.store(7), psfs.BadInput, "content is int"),
    ("store", "size", lambda dht, peer: dht.store(b"x" * 5_000_001), psfs.BadInput, "max_item_size is 5000000"),
    ("store", "lifetime", lambda dht, peer: dht.store("x", lifetime=0.5), psfs.BadInput, "lifetime"),
    ("store", "long lifetime", lambda dht, peer: dht.store("x", lifetime=31 * 24 * 3600), psfs.BadInput, "30 days"),
    ("store", "no lifetime", lambda dht, peer: dht.store("x", lifetime=float("nan")), psfs.BadInput, "lifetime"),
    ("store", "timeout", lambda dht, peer: dht.store("x", timeout=-1), psfs.BadInput, "timeout"),
    ("store_at", "key", lambda dht, peer: dht.store_at("name", "x"), psfs.BadInput, "64 hexadecimal digits"),
    ("store_at", "digit", lambda dht, peer: dht.store_at("g" * 64, "x"), psfs.BadInput, "64 hexadecimal digits"),
    ("store_named", "data", lambda dht, peer: dht.store_named("name", None), psfs.BadInput, "NoneType"),
    ("store_named", "half a character", lambda dht, peer: dht.store_named("\udc80", "x"), UnicodeEncodeError, "surrogates"),
    ("store_signed", "salt", lambda dht, peer: dht.store_signed("x", b"s" * 65), psfs.BadInput, "salt"),
    ("store_signed", "kind of salt", lambda dht, peer: dht.store_signed("x", 7), psfs.BadInput, "salt is int"),
    ("store_signed", "sequence", lambda dht, peer: dht.store_signed("x", sequence=-1), psfs.BadInput, "sequence is -1"),
    ("store_signed", "if_sequence", lambda dht, peer: dht.store_signed("x", if_sequence=2**64), psfs.BadInput, "if_sequence"),
    ("store_signed", "sealed_for", lambda dht, peer: dht.store_signed("x", sealed_for="Qm"), psfs.BadInput, "peer id"),
    ("store_signed", "stranger", lambda dht, peer: dht.store_signed("x", sealed_for=STRANGER), psfs.NotFound, STRANGER),
    ("store_sealed", "peer", lambda dht, peer: dht.store_sealed("Qm", "x"), psfs.BadInput, "peer id"),
    ("store_sealed", "nothing", lambda dht, peer: dht.store_sealed(peer, b""), psfs.BadInput, "empty"),
    ("store_sealed", "stranger", lambda dht, peer: dht.store_sealed(STRANGER, "x"), psfs.NotFound, "published"),
    ("publish_key", "lifetime", lambda dht, peer: dht.publish_key(lifetime=-1), psfs.BadInput, "lifetime is -1"),
    ("delete", "key", lambda dht, peer: dht.delete("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("delete", "nothing", lambda dht, peer: dht.delete(KEY), psfs.NotFound, KEY),
    ("fetch", "key", lambda dht, peer: dht.fetch("name"), psfs.BadInput, "name's call"),
    ("fetch", "nothing", lambda dht, peer: dht.fetch(KEY), psfs.NotFound, "1 nodes were asked"),
    ("fetch", "timeout", lambda dht, peer: dht.fetch(KEY, timeout=-1), psfs.BadInput, "timeout"),
    ("fetch_named", "nothing", lambda dht, peer: dht.fetch_named("nothing"), psfs.NotFound, KEY),
    ("fetch_signed", "publisher", lambda dht, peer: dht.fetch_signed("Qm"), psfs.BadInput, "peer id"),
    ("fetch_signed", "nothing", lambda dht, peer: dht.fetch_signed(peer), psfs.NotFound, "no value"),
    ("open", "no value", lambda dht, peer: dht.open(b"sealed"), TypeError, "Value"),
    ("watch", "key", lambda dht, peer: dht.watch("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("on_store", "handler", lambda dht, peer: dht.on_store(7), psfs.BadInput, "int"),
    ("keys", "after", lambda dht, peer: dht.keys("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("keys", "most", lambda dht, peer: dht.keys(most=-1), psfs.BadInput, "most is -1"),
    ("set_role", "role", lambda dht, peer: dht.set_role("king"), psfs.BadInput, "role is \"king\""),
    ("custom", "to", lambda dht, peer: dht.custom("Qm"), psfs.BadInput, "64 hexadecimal digits"),
    ("custom", "data", lambda dht, peer: dht.custom(peer, 7), psfs.BadInput, "int"),
    ("custom", "timeout", lambda dht, peer: dht.custom(peer, timeout=-1), psfs.BadInput, "timeout"),
    ("on_custom", "handler", lambda dht, peer: dht.on_custom(7), psfs.BadInput, "int"),
    ("broadcast", "size", lambda dht, peer: dht.broadcast(b"x" * 70_000), psfs.BadInput, "61440"),
    ("on_broadcast", "handler", lambda dht, peer: dht.on_broadcast(7), psfs.BadInput, "int"),
    ("trace", "key", lambda dht, peer: dht.trace("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("permit_debug", "permitted", lambda dht, peer: dht.permit_debug("no"), TypeError, "permitted"),
    ("permit_proxy", "permitted", lambda dht, peer: dht.permit_proxy("no"), TypeError, "permitted"),
    ("joined", "timeout", lambda dht, peer: dht.joined(timeout=-1), psfs.BadInput, "timeout"),
]
DHT_CALLS_OF_ASYNCIO: list[Row] = [
    (name, "concurrency", lambda dht, peer, name=name: getattr(dht, name)(concurrency=0), psfs.BadInput, "concurrency")
    for name in ("on_store", "on_custom", "on_broadcast")
]


ROOT = "0" * 64
NOWHERE = "/nothing/here"


def end(transfer: Any) -> Any:
    """What of a transfer is awaited, in either."""
    return transfer.wait() if hasattr(transfer, "wait") else transfer


#: The same of its files.
FILE_CALLS: list[Row] = [
    ("share", "nothing", lambda files, peer: files.share(NOWHERE), psfs.BadInput, "no such file"),
    ("share", "a device", lambda files, peer: files.share("/dev/null"), psfs.BadInput, "device"),
    ("share", "NUL", lambda files, peer: files.share("a\0b"), psfs.BadInput, "a"),
    ("share", "path", lambda files, peer: files.share(7), TypeError, "path"),
    ("share", "owner", lambda files, peer: files.share(__file__, owner=""), psfs.BadInput, "owner"),
    ("share", "tag", lambda files, peer: files.share(__file__, tags=["a\n"]), psfs.BadInput, "control character"),
    ("share", "one tag", lambda files, peer: files.share(__file__, tags="holiday"), psfs.BadInput, "tags is one str"),
    ("share", "65 tags", lambda files, peer: files.share(__file__, tags=list(map(str, range(65)))), psfs.BadInput, "64 tags"),
    ("share", "progress", lambda files, peer: files.share(__file__, progress=7), psfs.BadInput, "int"),
    ("here", "root", lambda files, peer: files.here("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("read", "root", lambda files, peer: files.read("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("read", "nothing", lambda files, peer: files.read(ROOT), psfs.NotFound, ROOT),
    ("read", "negative offset", lambda files, peer: files.read(ROOT, -1), psfs.BadInput, "offset is -1"),
    ("read", "huge offset", lambda files, peer: files.read(ROOT, 2**64), psfs.BadInput, "offset is"),
    ("ticket", "root", lambda files, peer: files.ticket("name"), psfs.BadInput, "64 hexadecimal digits"),
    ("ticket", "nothing", lambda files, peer: files.ticket(ROOT), psfs.NotFound, ROOT),
    ("ticket", "lifetime", lambda files, peer: files.ticket(ROOT, lifetime=-1), psfs.BadInput, "lifetime is -1"),
    ("ticket", "bytes", lambda files, peer: files.ticket(ROOT, bytes=-1), psfs.BadInput, "bytes is -1"),
    ("ticket", "holder", lambda files, peer: files.ticket(ROOT, holder="Qm"), psfs.BadInput, "peer id"),
    ("get", "nothing", lambda files, peer: files.get("", "x"), psfs.BadInput, "neither a ticket"),
    ("get", "no ticket", lambda files, peer: files.get("holiday", "x"), psfs.BadInput, "neither a ticket"),
    ("get", "short root", lambda files, peer: files.get(ROOT[1:], "x"), psfs.BadInput, "has 63"),
    ("get", "a ticket that is cut off", lambda files, peer: files.get("psfs1abc", "x"), psfs.BadInput, "cut off"),
    ("get", "a ticket of tomorrow", lambda files, peer: files.get(" PSFS9abc", "x"), psfs.BadInput, "newer version"),
    ("get", "kind", lambda files, peer: files.get(7, "x"), psfs.BadInput, "wanted is int"),
    ("get", "destination", lambda files, peer: files.get(ROOT, 7), TypeError, "destination"),
    ("get", "no name", lambda files, peer: end(files.get(ROOT, "/")), psfs.Refused, "exists already"),
    ("get", "occupied", lambda files, peer: end(files.get(ROOT, __file__)), psfs.Refused, "exists already"),
    ("get", "source", lambda files, peer: files.get(ROOT, "x", sources=["Qm"]), psfs.BadInput, "peer id"),
    ("get", "one source", lambda files, peer: files.get(ROOT, "x", sources=peer), psfs.BadInput, "sources is one str"),
    ("get", "one address", lambda files, peer: files.get(ROOT, "x", addresses="/ip4"), psfs.BadInput, "addresses is one str"),
    ("get", "patience", lambda files, peer: files.get(ROOT, "x", patience=-1), psfs.BadInput, "patience"),
    ("get", "nobody", lambda files, peer: end(files.get(ROOT, NOWHERE, patience=0.1)), psfs.PeerUnreachable, ROOT),
    ("find", "two at once", lambda files, peer: files.find(tag="a", name="b"), psfs.BadInput, "tag and name are given"),
    ("find", "tag", lambda files, peer: files.find(tag=""), psfs.BadInput, "tag"),
    ("find", "name", lambda files, peer: files.find(name="x" * 256), psfs.BadInput, "255"),
    ("find", "root", lambda files, peer: files.find(root="x"), psfs.BadInput, "64 hexadecimal digits"),
    ("find", "sha256", lambda files, peer: files.find(sha256="x"), psfs.BadInput, "sha256sum"),
    ("find", "owner", lambda files, peer: files.find(owner=""), psfs.BadInput, "owner"),
    ("find", "after", lambda files, peer: files.find(after="x"), psfs.BadInput, "64 hexadecimal digits"),
    ("find", "most", lambda files, peer: files.find(most=-1), psfs.BadInput, "most is -1"),
    ("tags", "owner", lambda files, peer: files.tags(""), psfs.BadInput, "owner"),
    ("tags", "after", lambda files, peer: files.tags(after=""), psfs.BadInput, "tag"),
    ("tags", "most", lambda files, peer: files.tags(most=-1), psfs.BadInput, "most is -1"),
    ("tag", "root", lambda files, peer: files.tag("x", "t"), psfs.BadInput, "64 hexadecimal digits"),
    ("tag", "tag", lambda files, peer: files.tag(ROOT, "a\0"), psfs.BadInput, "control character"),
    ("tag", "owner", lambda files, peer: files.tag(ROOT, "t", ""), psfs.BadInput, "owner"),
    ("tag", "nothing", lambda files, peer: files.tag(ROOT, "t"), psfs.NotFound, ROOT),
    ("untag", "root", lambda files, peer: files.untag("x", "t"), psfs.BadInput, "64 hexadecimal digits"),
    ("untag", "tag", lambda files, peer: files.untag(ROOT, ""), psfs.BadInput, "tag"),
    ("untag", "owner", lambda files, peer: files.untag(ROOT, "t", ""), psfs.BadInput, "owner"),
    ("remove", "root", lambda files, peer: files.remove("x"), psfs.BadInput, "64 hexadecimal digits"),
    ("remove", "owner", lambda files, peer: files.remove(ROOT, ""), psfs.BadInput, "owner"),
    ("keep", "nowhere", lambda files, peer: files.keep(), psfs.BadInput, "folder"),
    ("keep", "folder", lambda files, peer: files.keep(folder="/proc/nothing"), psfs.BadInput, "/proc/nothing"),
    ("keep", "quota", lambda files, peer: files.keep(quota=-1), psfs.BadInput, "quota is -1"),
    ("keep", "largest", lambda files, peer: files.keep(largest=2**64), psfs.BadInput, "largest is"),
    ("keep", "lifetime", lambda files, peer: files.keep(lifetime=-1), psfs.BadInput, "lifetime is -1"),
    ("keep", "faulty", lambda files, peer: files.keep(folder="/tmp", faulty=1.1), psfs.BadInput, "faulty is 1.1"),
    ("keep", "no number", lambda files, peer: files.keep(folder="/tmp", faulty=float("nan")), psfs.BadInput, "faulty is NaN"),
    ("keep", "seed", lambda files, peer: files.keep(folder="/tmp", seed=-1), psfs.BadInput, "seed is -1"),
    ("token", "owner", lambda files, peer: files.token(""), psfs.BadInput, "owner"),
    ("token", "ops", lambda files, peer: files.token("anna", ops=["fly"]), psfs.BadInput, "fly"),
    ("token", "no ops", lambda files, peer: files.token("anna", ops=[]), psfs.BadInput, "at least one"),
    ("token", "one op", lambda files, peer: files.token("anna", ops="read"), psfs.BadInput, "ops is one str"),
    ("token", "root", lambda files, peer: files.token("anna", root="x"), psfs.BadInput, "64 hexadecimal digits"),
    ("token", "bytes", lambda files, peer: files.token("anna", bytes=-1), psfs.BadInput, "bytes is -1"),
    ("token", "lifetime", lambda files, peer: files.token("anna", lifetime=-1), psfs.BadInput, "lifetime is -1"),
    ("token", "holder", lambda files, peer: files.token("anna", holder="Qm"), psfs.BadInput, "peer id"),
    ("set_quota", "owner", lambda files, peer: files.set_quota("", 1), psfs.BadInput, "owner"),
    ("set_quota", "limit", lambda files, peer: files.set_quota("anna", -1), psfs.BadInput, "limit is -1"),
    ("quota", "owner", lambda files, peer: files.quota(""), psfs.BadInput, "owner"),
    ("quotas", "after", lambda files, peer: files.quotas(after=""), psfs.BadInput, "owner"),
    ("quotas", "most", lambda files, peer: files.quotas(most=-1), psfs.BadInput, "most is -1"),
    ("put", "server", lambda files, peer: files.put("Qm", __file__, "t"), psfs.BadInput, "peer id"),
    ("put", "nothing", lambda files, peer: end(files.put(peer, NOWHERE, "t")), psfs.BadInput, "no such file"),
    ("put", "no name", lambda files, peer: files.put(peer, "/", "t"), psfs.BadInput, "give it a name"),
    ("put", "token", lambda files, peer: end(files.put(peer, __file__, "t")), psfs.Refused, "keeps no files"),
    ("put", "name", lambda files, peer: files.put(peer, __file__, "t", name=""), psfs.BadInput, "name"),
    ("put", "tag", lambda files, peer: files.put(peer, __file__, "t", tags=[""]), psfs.BadInput, "tag"),
    ("put", "one tag", lambda files, peer: files.put(peer, __file__, "t", tags="a"), psfs.BadInput, "tags is one str"),
    ("put", "one address", lambda files, peer: files.put(peer, __file__, "t", addresses="a"), psfs.BadInput, "addresses"),
    ("put", "patience", lambda files, peer: files.put(peer, __file__, "t", patience=-1), psfs.BadInput, "patience"),
    ("put", "stranger", lambda files, peer: end(files.put(STRANGER, __file__, "t", patience=0)), psfs.PeerUnreachable, STRANGER),
    ("remote_find", "server", lambda files, peer: files.remote_find("Qm", "t"), psfs.BadInput, "peer id"),
    ("remote_find", "token", lambda files, peer: files.remote_find(peer, "t"), psfs.Refused, "not a token"),
    ("remote_find", "two at once", lambda files, peer: files.remote_find(peer, "t", name="a", root=ROOT), psfs.BadInput, "name and root"),
    ("remote_find", "after", lambda files, peer: files.remote_find(peer, "t", after="x"), psfs.BadInput, "64 hexadecimal"),
    ("remote_find", "most", lambda files, peer: files.remote_find(peer, "t", most=-1), psfs.BadInput, "most is -1"),
    ("remote_find", "stranger", lambda files, peer: files.remote_find(STRANGER, "t"), psfs.PeerUnreachable, STRANGER),
    ("remote_remove", "server", lambda files, peer: files.remote_remove("Qm", "t", ROOT), psfs.BadInput, "peer id"),
    ("remote_remove", "token", lambda files, peer: files.remote_remove(peer, "t", ROOT), psfs.Refused, "not a token"),
    ("remote_remove", "root", lambda files, peer: files.remote_remove(peer, "t", "x"), psfs.BadInput, "64 hexadecimal digits"),
]


@pytest.fixture(scope="module")
def pair(psfs_session_network: Networks) -> Any:
    return psfs_session_network(2)


@pytest.mark.parametrize(("method", "what", "call", "kind", "says"), CALLS, ids=[f"{row[0]} {row[1]}" for row in CALLS])
def test_calls(pair: Any, method: str, what: str, call: Callable[..., Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call(pair[0], pair[1].peer_id)
    told(error.value)


@pytest.mark.parametrize(
    ("method", "what", "call", "kind", "says"), DHT_CALLS, ids=[f"{row[0]} {row[1]}" for row in DHT_CALLS]
)
def test_dht_calls(pair: Any, method: str, what: str, call: Callable[..., Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call(pair[0].dht, pair[1].peer_id)
    told(error.value)


@pytest.mark.parametrize(
    ("method", "what", "call", "kind", "says"), FILE_CALLS, ids=[f"{row[0]} {row[1]}" for row in FILE_CALLS]
)
def test_file_calls(pair: Any, method: str, what: str, call: Callable[..., Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as error:
        call(pair[0].files, pair[1].peer_id)
    told(error.value)


def told(error: BaseException) -> None:
    """Every error of ours has a code and says what to do."""
    if isinstance(error, psfs.Error):
        assert error.hint
        assert error.code


def test_calls_with_asyncio(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            rows = [(ada, *row) for row in CALLS + CALLS_OF_ASYNCIO]
            rows += [(ada.dht, *row) for row in DHT_CALLS + DHT_CALLS_OF_ASYNCIO]
            rows += [(ada.files, *row) for row in FILE_CALLS]
            for of, method, what, call, kind, says in rows:
                with pytest.raises(kind, match=says) as error:
                    result = call(of, bob.peer_id)
                    if inspect.isawaitable(result):
                        await result
                    pytest.fail(f"{method}: {what} was taken")
                told(error.value)

    run(main())


#: Of what is handed to handlers: a message that asks, and who may answer it later.
ANSWERS: list[tuple[str, str, Callable[[Any], Any], str]] = [
    ("reply", "data", lambda answers: answers.reply(7), "int"),
    ("fail", "negative code", lambda answers: answers.fail(-1, "no"), "code is -1"),
    ("fail", "huge code", lambda answers: answers.fail(2**40, "no"), "code is"),
]


def test_answers(pair: Any) -> None:
    asked: list[BaseException] = []

    def asked_for_all(message: psfs.sync.Message) -> None:
        responder = None
        for _, _, call, says in ANSWERS:
            with pytest.raises(psfs.BadInput, match=says):
                call(message)
        responder = message.take_responder()
        for _, _, call, says in ANSWERS:
            with pytest.raises(psfs.BadInput, match=says):
                call(responder)
        # None of that ended the request.
        responder.reply("good")
        responder.end()
        for use in (responder.end, lambda: responder.reply(""), lambda: responder.fail(1, ""), message.take_responder):
            with pytest.raises(psfs.Error) as error:
                use()
            asked.append(error.value)

    subscription = pair[1].on(psfs.REQUEST, "answers", asked_for_all)
    assert [reply.content for reply in pair[0].request(pair[1].peer_id, "answers")] == [b"good"]
    subscription.cancel()
    assert len(asked) == 4
    assert all(isinstance(error, psfs.Error) and error.hint for error in asked)


def test_functions() -> None:
    with pytest.raises(psfs.BadInput, match="key"):
        psfs.inspect_key(b"no key")
    with pytest.raises(psfs.BadInput, match="int"):
        psfs.key_of_content(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name"):
        psfs.key_of_name(b"name")  # type: ignore[arg-type]
    with pytest.raises(psfs.BadInput, match="peer id"):
        psfs.key_of_signed("Qm")
    with pytest.raises(psfs.BadInput, match="salt is int"):
        psfs.key_of_signed(STRANGER, 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="passphrase"):
        psfs.generate_key(7)  # type: ignore[arg-type]
    with pytest.raises(psfs.BadInput, match="begin with psfs1"):
        psfs.Ticket("no ticket")
    with pytest.raises(TypeError, match="text"):
        psfs.Ticket(7)  # type: ignore[arg-type]
    for code in (0, -1, 2**31, "7"):
        with pytest.raises(psfs.BadInput, match="code"):
            psfs.Fail(code, "")  # type: ignore[arg-type]
    with pytest.raises(psfs.BadInput, match="text"):
        psfs.Fail(1, b"")  # type: ignore[arg-type]


def wait_in_vain(net: psfs.testing.Network) -> None:
    """For two that are cut off from each other, which the network is made to forget."""
    net.partition(0, 1)
    until = time.monotonic() + PATIENCE
    while net[0].connected_count() > 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    net._cut.clear()
    net.wait_connected(0.01)


#: Of the networks of psfs.testing.
NETWORK: list[tuple[str, str, Callable[[Any], Any], type[Exception], str]] = [
    ("partition", "oneself", lambda net: net.partition(0, 0), psfs.BadInput, "itself"),
    ("partition", "nobody", lambda net: net.partition(0, 9), IndexError, "range"),
    ("slow", "oneself", lambda net: net.slow(1, 1), psfs.BadInput, "itself"),
    ("slow", "latency", lambda net: net.slow(0, 1, latency=-1), psfs.BadInput, "latency"),
    ("slow", "loss", lambda net: net.slow(0, 1, loss=2), psfs.BadInput, "loss"),
    ("slow", "rate", lambda net: net.slow(0, 1, rate=-1), psfs.BadInput, "rate is -1"),
    ("lie", "nobody", lambda net: net.lie(9), IndexError, "range"),
    ("heal", "oneself", lambda net: net.heal(0, 0), psfs.BadInput, "itself"),
    ("kill", "nobody", lambda net: net.kill(9), IndexError, "range"),
    ("events", "nobody", lambda net: net.events(9), IndexError, "range"),
    ("wait_connected", "time", lambda net: wait_in_vain(net), psfs.Timeout, "0-1"),
]


def test_networks(psfs_network: Networks) -> None:
    with pytest.raises(psfs.BadInput, match="0"):
        psfs_network(0)
    net = psfs_network(2)
    for _, _, call, kind, says in NETWORK:
        with pytest.raises(kind, match=says):
            call(net)


def with_arguments(kind: type) -> set[str]:
    """The public methods of a class that take anything; networks are sequences, too, whose methods are Python's."""
    return {
        name
        for name, method in inspect.getmembers(kind, callable)
        if not name.startswith("_") and name not in dir(Sequence) and set(inspect.signature(method).parameters) - {"self"}
    }


def test_no_method_was_forgotten() -> None:
    """Each method of each public class that takes an argument has a row above."""
    rows = {
        psfs.Satellite: {row[0] for row in CALLS + CALLS_OF_ASYNCIO},
        psfs.sync.Satellite: {row[0] for row in CALLS},
        psfs.Dht: {row[0] for row in DHT_CALLS + DHT_CALLS_OF_ASYNCIO},
        psfs.sync.Dht: {row[0] for row in DHT_CALLS},
        psfs.Files: {row[0] for row in FILE_CALLS},
        psfs.sync.Files: {row[0] for row in FILE_CALLS},
        # test_an_offer_is_refused_with_a_text
        psfs.Offer: {"refuse"},
        psfs.Message: {row[0] for row in ANSWERS},
        psfs.Responder: {row[0] for row in ANSWERS},
        psfs.testing.Network: {row[0] for row in NETWORK},
        psfs.testing.AsyncNetwork: {row[0] for row in NETWORK},
        # asyncio(count) makes what the call does.
        psfs.testing.Networks: {"asyncio"},
    }
    modules = (psfs, psfs.sync, psfs.testing)
    public = {getattr(module, name) for module in modules for name in module.__all__}
    classes = [thing for thing in public if inspect.isclass(thing) and not issubclass(thing, BaseException)]
    # What sync has as protocols are the classes above.
    for kind in classes:
        if not getattr(kind, "_is_protocol", False):
            assert with_arguments(kind) == rows.get(kind, set()), kind
    functions = {thing.__name__ for thing in public if inspect.isroutine(thing)}
    named = {"generate_key", "inspect_key", "key_of_content", "key_of_name", "key_of_signed"}
    assert functions == named, "test_functions tries these"
    options = inspect.get_annotations(Options) | {"rendezvous": str, "key": bytes}
    tried = {name for row in OPTIONS for name in row[0]} - {"unknown"}
    # A bool takes anything, and what is wrong with a passphrase shows with its key (test_living.py).
    assert set(options) - tried == {"mdns", "passphrase", "faults"}


def test_an_offer_is_refused_with_a_text(pair: Any) -> None:
    asked: list[BaseException] = []

    def decide(offer: psfs.Offer) -> None:
        with pytest.raises(TypeError) as error:
            offer.refuse(7)  # type: ignore[arg-type]
        asked.append(error.value)
        offer.refuse("not this one")
        offer.keep()

    subscription = pair[1].dht.on_store(decide)
    answers = pair[0].dht.store("to be refused").answers
    subscription.cancel()
    assert [answer.text for answer in answers if not answer.keeps] == ["not this one"]
    assert asked


@pytest.mark.parametrize(
    "kind",
    [psfs.Satellite, psfs.sync.Satellite, psfs.Dht, psfs.sync.Dht, psfs.Files, psfs.sync.Files],
    ids=["asyncio", "sync", "dht asyncio", "dht sync", "files asyncio", "files sync"],
)
def test_arguments_of_a_wrong_type(pair: Any, kind: type, run) -> None:  # type: ignore[no-untyped-def]
    """An object that is nothing, as each argument of each method."""

    async def tries(of: Any) -> None:
        for name in sorted(with_arguments(kind)):
            parameters = inspect.signature(getattr(of, name)).parameters
            good: dict[str, Any] = {"namespace": "n", "data": b"x", "address": "127.0.0.1:1", "packet_type": 1, "handler": print}
            good |= {"key": KEY, "name": "n", "role": "node"}
            good |= dict.fromkeys(("peer", "to", "publisher", "server"), pair[1].peer_id)
            good |= {"path": __file__, "destination": NOWHERE, "wanted": ROOT, "root": ROOT, "tag": "t", "owner": "o"}
            good |= {"token": "t", "limit": 1}
            needed = {one.name for one in parameters.values() if one.default is inspect.Parameter.empty}
            # Without one it is a decorator, which finds all that when it decorates.
            needed |= {"handler"} & set(parameters)
            for bad in parameters:
                arguments = {one: good[one] for one in needed - {bad}} | {bad: object()}
                with pytest.raises((TypeError, psfs.BadInput)):
                    result = getattr(of, name)(**arguments)
                    result = result.first() if hasattr(result, "first") else result
                    if inspect.isawaitable(result):
                        await result
                    pytest.fail(f"{name} takes any {bad}")

    async def main() -> None:
        part = {"Dht": "dht", "Files": "files"}.get(kind.__name__)
        if kind.__module__ not in ("psfs._aio", "psfs._aio_dht", "psfs._aio_files"):
            await tries(getattr(pair[0], part) if part else pair[0])
            return
        async with psfs.Satellite("types", listen=["127.0.0.1:0"], mdns=False) as sat:
            await tries(getattr(sat, part) if part else sat)

    run(main())


#: What a satellite no longer does after its end.
ENDED: dict[str, Callable[[Any], Any]] = {
    "start": lambda sat: sat.start(),
    "connect": lambda sat: sat.connect("127.0.0.1:1"),
    "disconnect": lambda sat: sat.disconnect(STRANGER),
    "pause": lambda sat: sat.pause(),
    "resume": lambda sat: sat.resume(),
    "network_changed": lambda sat: sat.network_changed(),
    "wait_connected": lambda sat: sat.wait_connected(),
    "send": lambda sat: sat.send(STRANGER, "n", b""),
    "broadcast": lambda sat: sat.broadcast("n", b""),
    "request": lambda sat: sat.request(STRANGER, "n").first(),
    "seek": lambda sat: sat.seek("n"),
    "broadcast_request": lambda sat: sat.broadcast_request("n", b"").first(),
    "on": lambda sat: sat.on(psfs.MESSAGE, "n", print),
    "on_peer": lambda sat: sat.on_peer(print),
    "messages": lambda sat: sat.messages(psfs.MESSAGE, "n"),
    "peer_events": lambda sat: sat.peer_events(),
}
#: And what it does all the same: it tells what it knows, and ending it again is nothing.
STILL = {"addresses", "peers", "connected_count", "stats", "key", "shutdown", "begin_shutdown"}


#: The same of its DHT.
DHT_ENDED: dict[str, Callable[[Any], Any]] = {
    "store": lambda dht: dht.store("x"),
    "store_at": lambda dht: dht.store_at(KEY, "x"),
    "store_named": lambda dht: dht.store_named("n", "x"),
    "store_signed": lambda dht: dht.store_signed("x"),
    "store_sealed": lambda dht: dht.store_sealed(STRANGER, "x"),
    "publish_key": lambda dht: dht.publish_key(),
    "delete": lambda dht: dht.delete(KEY),
    "fetch": lambda dht: dht.fetch(KEY),
    "fetch_named": lambda dht: dht.fetch_named("n"),
    "fetch_signed": lambda dht: dht.fetch_signed(STRANGER),
    "watch": lambda dht: dht.watch(KEY),
    "on_store": lambda dht: dht.on_store(print),
    "keys": lambda dht: dht.keys(),
    "custom": lambda dht: dht.custom(None),
    "on_custom": lambda dht: dht.on_custom(print),
    "broadcast": lambda dht: dht.broadcast("x"),
    "on_broadcast": lambda dht: dht.on_broadcast(print),
    "trace": lambda dht: dht.trace(KEY),
    "debug": lambda dht: dht.debug(),
    "joined": lambda dht: dht.joined(),
    # Properties.
    "stored_keys": lambda dht: dht.stored_keys,
    "storage_size": lambda dht: dht.storage_size,
}
DHT_STILL: dict[str, Callable[[Any], Any]] = {
    "role": lambda dht: dht.role,
    "set_role": lambda dht: dht.set_role("node"),
    "permit_debug": lambda dht: dht.permit_debug(False),
    "permit_proxy": lambda dht: dht.permit_proxy(False),
    "routing_table": lambda dht: dht.routing_table(),
    # What it does needs a value that was fetched.
    "open": lambda dht: None,
}


#: The same of its files.
FILES_ENDED: dict[str, Callable[[Any], Any]] = {
    "share": lambda files: files.share(__file__),
    "ticket": lambda files: files.ticket(ROOT),
    "read": lambda files: files.read(ROOT),
    "get": lambda files: end(files.get(ROOT, NOWHERE)),
    "find": lambda files: files.find(),
    "tags": lambda files: files.tags(),
    "tag": lambda files: files.tag(ROOT, "t"),
    "untag": lambda files: files.untag(ROOT, "t"),
    "remove": lambda files: files.remove(ROOT),
    "keep": lambda files: files.keep(folder="/tmp"),
    "set_quota": lambda files: files.set_quota("o", 1),
    "quota": lambda files: files.quota("o"),
    "quotas": lambda files: files.quotas(),
    "put": lambda files: end(files.put(STRANGER, __file__, "t")),
    "remote_find": lambda files: files.remote_find(STRANGER, "t"),
    "remote_remove": lambda files: files.remote_remove(STRANGER, "t", ROOT),
}
FILES_STILL: dict[str, Callable[[Any], Any]] = {
    "shared": lambda files: files.shared(),
    "here": lambda files: files.here(ROOT),
    "token": lambda files: files.token("o"),
}


@pytest.mark.parametrize("kind", [psfs.Satellite, psfs.sync.Satellite], ids=["asyncio", "sync"])
def test_after_the_end(kind: type, run) -> None:  # type: ignore[no-untyped-def]
    async def done(result: Any) -> Any:
        return await result if inspect.isawaitable(result) else result

    async def main() -> None:
        sat = kind("ended", listen=["127.0.0.1:0"], mdns=False)
        await done(sat.start())
        await done(sat.shutdown())
        for name, call in ENDED.items():
            with pytest.raises(psfs.Closed) as error:
                await done(call(sat))
                pytest.fail(f"{name} works after the end")
            assert error.value.hint
        for name in STILL:
            await done(getattr(sat, name)())
        public = {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}
        for name, call in DHT_ENDED.items():
            with pytest.raises(psfs.Closed) as error:
                await done(call(sat.dht))
                pytest.fail(f"dht.{name} works after the end")
            assert error.value.hint
        for call in DHT_STILL.values():
            call(sat.dht)
        assert {name for name in dir(sat.dht) if not name.startswith("_")} == set(DHT_ENDED) | set(DHT_STILL)
        for name, call in FILES_ENDED.items():
            with pytest.raises(psfs.Closed) as error:
                await done(call(sat.files))
                pytest.fail(f"files.{name} works after the end")
            assert error.value.hint
        for call in FILES_STILL.values():
            call(sat.files)
        assert {name for name in dir(sat.files) if not name.startswith("_")} == set(FILES_ENDED) | set(FILES_STILL)
        # Waiting for the end has another name in each.
        assert public - {"ended", "wait"} == set(ENDED) | STILL

    run(main())


def test_a_loops_satellite_in_a_thread_without_a_loop(run) -> None:  # type: ignore[no-untyped-def]
    refused: list[BaseException] = []

    def elsewhere(sat: psfs.Satellite) -> None:
        for call in (lambda: sat.request(STRANGER, "n"), lambda: sat.messages(psfs.MESSAGE, "n")):
            try:
                call()
            except psfs.BadInput as error:
                refused.append(error)

    async def main() -> None:
        # Made in another thread than the one that it is started in.
        sat = await asyncio.to_thread(psfs.Satellite, "threads", listen=["127.0.0.1:0"], mdns=False)
        async with sat:
            await asyncio.to_thread(elsewhere, sat)

    run(main())
    assert [str(error)[:22] for error in refused] == ["there is no event loop"] * 2


def test_a_handler_with_asyncio_may_cancel_itself(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            seen: list[bytes] = []

            async def once(message: psfs.Message) -> None:
                seen.append(message.content)
                subscriptions[0].cancel()

            def plain(message: psfs.Message) -> None:
                seen.append(message.content)
                subscriptions[1].cancel()

            subscriptions = [bob.on(psfs.MESSAGE, "a", once), bob.on(psfs.MESSAGE, "b", plain)]
            for namespace in ("a", "b"):
                for _ in range(5):
                    await ada.send(bob.peer_id, namespace, namespace, confirmed=True)
            while len(seen) < 2:
                await asyncio.sleep(0.005)
            assert sorted(seen) == [b"a", b"b"]

    run(main())


@pytest.mark.parametrize("raised", [SystemExit(3), psfs.Fail, Exception("\udc80")], ids=["exit", "bad code", "bad text"])
def test_a_handler_that_raises_what_it_should_not_goes_on(
    pair: Any, raised: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest-xdist cannot carry the log of a test if that is no UTF-8.
    monkeypatch.setattr(logging.getLogger("psfs"), "propagate", False)

    def handler(message: psfs.sync.Message) -> str:
        if message.content:
            return "good"
        raise raised(2**40, "") if raised is psfs.Fail else raised

    subscription = pair[1].on(psfs.REQUEST, "raises", handler)
    with pytest.raises(psfs.RemoteError):
        pair[0].request(pair[1].peer_id, "raises").first()
    assert pair[0].request(pair[1].peer_id, "raises", "again").first().content == b"good"
    subscription.cancel()


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
