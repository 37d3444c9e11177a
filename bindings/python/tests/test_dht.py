"""The DHT between real satellites, with and without asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psfs
import pytest
from conftest import PATIENCE
from psfs.testing import Networks


def until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_a_value_comes_back_from_everywhere(psfs_network: Networks) -> None:
    net = psfs_network(3)
    contents = ["text: ä".encode(), b"x" * 100_000, b"\0"]
    for content in contents:
        stored = net[0].dht.store(content)
        assert stored.key == hashlib.sha256(content).hexdigest() == psfs.key_of_content(content)
        assert stored.nodes == len(stored.answers) == 3
        assert {answer.peer for answer in stored.answers} == {satellite.peer_id for satellite in net}
        assert all(answer.keeps and answer.outcome == "kept" and not answer.text for answer in stored.answers)
        assert stored.sequence == 0
        for satellite in net:
            value = satellite.dht.fetch(stored.key)
            assert value.content == bytes(value.view) == content
            assert value.view.readonly
            assert len(value) == len(content)
            assert (value.key, value.kind, value.publisher, value.sequence) == (stored.key, "plain", net[0].peer_id, 0)
            assert not value.deleted
            assert 0 < value.expires - time.time() <= 24 * 3600
    again = net[1].dht.store(contents[0])
    assert {answer.outcome for answer in again.answers} == {"had"}
    for satellite in net:
        dht = satellite.dht
        assert dht.stored_keys == 3
        assert dht.storage_size == sum(map(len, contents))
        keys = dht.keys()
        assert keys == sorted(map(psfs.key_of_content, contents))
        assert dht.keys(most=1) == keys[:1]
        assert dht.keys(keys[0], 1) == keys[1:2]
    assert net[2].dht.fetch(stored.key, timeout=None).content == b"\0"


def test_with_asyncio(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(3) as net:
            values = [bytearray(b"value %d" % number) for number in range(30)]
            stored = await asyncio.gather(*(net[number % 3].dht.store(value) for number, value in enumerate(values)))
            for satellite in net:
                got = await asyncio.gather(*(satellite.dht.fetch(one.key) for one in stored))
                assert [value.content for value in got] == values
            with pytest.raises(KeyError, match="no value under") as error:
                await net[0].dht.fetch(psfs.key_of_name("nothing"))
            assert isinstance(error.value, psfs.NotFound)
            assert error.value.code == "NOT_FOUND"

    run(main())


def test_names_belong_to_who_came_first(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    key = ada.dht.store_named("filename", "one").key
    assert key == psfs.key_of_name("filename")
    value = bob.dht.fetch_named("filename")
    assert (value.content, value.kind, value.publisher, value.key) == (b"one", "raw", ada.peer_id, key)
    with pytest.raises(psfs.Refused, match=key) as error:
        bob.dht.store_named("filename", "two")
    assert error.value.code == "CONFLICT"
    with pytest.raises(psfs.Refused):
        bob.dht.store_at(key, "two")
    with pytest.raises(psfs.Refused):
        bob.dht.delete(key)
    ada.dht.store_at(key, "three")
    assert bob.dht.fetch(key).content == b"three"
    assert ada.dht.delete(key).nodes == 2
    with pytest.raises(psfs.NotFound):
        bob.dht.fetch_named("filename")


def test_signed_values_are_replaced_by_newer_ones_only(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    stored = ada.dht.store_signed("one", "profile")
    assert (stored.key, stored.sequence) == (psfs.key_of_signed(ada.peer_id, b"profile"), 1)
    value = bob.dht.fetch_signed(ada.peer_id, b"profile")
    assert (value.content, value.kind, value.sequence, value.publisher) == (b"one", "signed", 1, ada.peer_id)
    assert ada.dht.store_signed("two", b"profile").sequence == 2
    for options in ({"sequence": 1}, {"if_sequence": 7}):
        with pytest.raises(psfs.Refused) as error:
            ada.dht.store_signed("old", b"profile", **options)
        assert error.value.code == "CONFLICT"
    assert ada.dht.store_signed("three", b"profile", if_sequence=2).sequence == 3
    assert ada.dht.store_signed("ten", b"profile", sequence=10).sequence == 10
    assert bob.dht.fetch(stored.key).content == b"ten"
    assert psfs.key_of_signed(ada.peer_id) == ada.dht.store_signed("without salt").key
    ada.dht.delete(stored.key)
    with pytest.raises(psfs.NotFound):
        bob.dht.fetch_signed(ada.peer_id, b"profile")


def test_a_watch_tells_of_each_change(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            key = psfs.key_of_signed(ada.peer_id)
            watch = bob.dht.watch(key)
            for number in (1, 2):
                await ada.dht.store_signed(f"round {number}")
                value = await anext(watch)
                assert (value.content, value.sequence, value.deleted) == (f"round {number}".encode(), number, False)
            await ada.dht.delete(key)
            value = await anext(watch)
            assert (value.content, value.deleted) == (b"", True)
            waiting = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            await watch.aclose()
            with pytest.raises(StopAsyncIteration):
                await waiting

    run(main())


def test_a_watch_without_asyncio_ends_with_the_satellite(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    watch = bob.dht.watch(psfs.key_of_signed(ada.peer_id, b"news"))
    ada.dht.store_signed("now", b"news")
    assert next(watch).content == b"now"
    seen: list[psfs.Value] = []
    reading = threading.Thread(target=lambda: seen.extend(watch))
    reading.start()
    bob.shutdown()
    reading.join(PATIENCE)
    assert not reading.is_alive()
    assert not seen


def test_sealed_values_are_read_by_one_peer_only(psfs_network: Networks) -> None:
    ada, bob, eve = psfs_network(3)
    stored = ada.dht.store_sealed(bob.peer_id, "for you")
    opened = bob.dht.open(bob.dht.fetch(stored.key))
    assert (opened.content, bytes(opened.view), len(opened)) == (b"for you", b"for you", 7)
    assert (opened.sender, opened.proved) == (ada.peer_id, False)
    value = eve.dht.fetch(stored.key)
    assert b"for you" not in value.content
    with pytest.raises(psfs.BadInput, match=bob.peer_id):
        eve.dht.open(value)
    mail = ada.dht.store_signed("signed, too", "mail", sealed_for=bob.peer_id)
    opened = bob.dht.open(bob.dht.fetch(mail.key))
    assert (opened.content, opened.proved) == (b"signed, too", True)
    with pytest.raises(psfs.BadInput, match="cannot be opened"):
        bob.dht.open(bob.dht.fetch(ada.dht.store("open to all").key))
    # Who is away can be written to, once its key is published.
    assert bob.dht.publish_key().nodes == 3
    bob.shutdown()
    with pytest.raises(psfs.Closed):
        bob.dht.open(value)
    until("bob is gone", lambda: ada.connected_count() == 1)
    assert ada.dht.store_sealed(bob.peer_id, "while you are away").nodes == 2


@pytest.mark.parametrize("form", ["def", "async def"])
def test_on_store_decides_and_says_why(psfs_network: Networks, run, form: str) -> None:  # type: ignore[no-untyped-def]
    words = {b"none": None, b"true": True, b"false": False, b"spam": "no spam here", b"seven": 7, b"raises": ValueError("bad value")}
    offers: list[psfs.Offer] = []

    def decide(offer: psfs.Offer) -> Any:
        offers.append(offer)
        word = words[offer.content or b"none"]
        if isinstance(word, Exception):
            raise word
        return word

    async def later(offer: psfs.Offer) -> Any:
        await asyncio.sleep(0)
        return decide(offer)

    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            bob.dht.on_store()(decide if form == "def" else later)

            async def said(content: bytes) -> tuple[str, str | None, str]:
                stored = await ada.dht.store(content)
                [answer] = [answer for answer in stored.answers if answer.peer == bob.peer_id]
                assert stored.nodes == 1 + answer.keeps
                # The two have just met, so a value may be handed over to bob while it is being stored: then that came first.
                return answer.outcome.replace("had", "kept"), answer.reason, answer.text

            assert await said(b"none") == ("kept", None, "")
            assert await said(b"true") == ("kept", None, "")
            assert await said(b"false") == ("refused", "policy", "its application does not want it")
            assert await said(b"spam") == ("refused", "policy", "no spam here")
            outcome, reason, text = await said(b"seven")
            assert (outcome, reason) == ("refused", "policy")
            assert "on_store returned int" in text
            assert await said(b"raises") == ("refused", "policy", "ValueError: bad value")
            assert bob.dht.stored_keys == 2
            offer = offers[0]
            assert (offer.key, offer.kind, offer.size, offer.content) == (psfs.key_of_content(b"none"), "plain", 4, b"none")
            assert (offer.publisher, offer.peer) == (ada.peer_id, ada.peer_id)
            assert offer.view is not None
            assert bytes(offer.view) == b"none"
            assert 0 < offer.expires - time.time() <= 24 * 3600
            # Said before the handler's end: the first word holds.
            offer.refuse("too late")

    run(main())


def test_a_handler_of_on_store_that_raises_is_logged(psfs_network: Networks, caplog: pytest.LogCaptureFixture) -> None:
    ada, bob = psfs_network(2)

    @bob.dht.on_store
    def bad(offer: psfs.Offer) -> bool:
        raise SystemExit(3) if offer.content == b"exit" else ValueError("bad value")

    with caplog.at_level(logging.ERROR, "psfs"):
        for content in ("one", "exit"):
            stored = ada.dht.store(content)
            [refused] = [answer for answer in stored.answers if not answer.keeps]
            assert (refused.peer, refused.reason) == (bob.peer_id, "policy")
    assert "the handler of on_store failed" in caplog.text
    assert "ValueError: bad value" in caplog.text
    assert refused.text.startswith("SystemExit")


def test_a_large_value_is_asked_about_twice(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    contents: list[bytes | None] = []

    def decide(offer: psfs.Offer) -> str | None:
        contents.append(offer.content)
        if offer.content is None:
            assert offer.view is None
            with pytest.raises(BufferError, match="not here yet"):
                memoryview(offer)  # type: ignore[arg-type, unused-ignore]
            return None
        return "bad content" if offer.content.startswith(b"bad") else None

    bob.dht.on_store(decide)
    large = b"x" * 1_000_000
    assert ada.dht.store(large).nodes == 2
    assert contents == [None, large]
    answers = ada.dht.store(b"bad" + large).answers
    assert [answer.text for answer in answers if not answer.keeps] == ["bad content"]


def test_everyone_refusing_lists_each_reason(psfs_network: Networks) -> None:
    net = psfs_network(3)
    for number, satellite in enumerate(net):
        satellite.dht.on_store(lambda offer, number=number: f"reason {number}")
    with pytest.raises(psfs.Refused) as error:
        net[0].dht.store("unwanted")
    assert all(f"reason {number}" in str(error.value) for number in range(3))


def test_a_cancelled_on_store_no_longer_decides(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    subscription = bob.dht.on_store(lambda offer: False)
    assert ada.dht.store("one").nodes == 1
    subscription.cancel()
    assert ada.dht.store("two").nodes == 2


def test_commands_are_answered_by_who_was_meant(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(3) as (ada, bob, eve):

            @bob.dht.on_custom
            async def bobs(message: psfs.Message) -> bytes:
                await message.reply("first")
                return message.content

            @eve.dht.on_custom
            def eves(message: psfs.Message) -> str:
                raise psfs.Fail(7, "eve does not")

            [answer] = await ada.dht.custom(bob.peer_id, "ping")
            assert (answer.peer, answer.answers, answer.error) == (bob.peer_id, [b"first", b"ping"], None)
            for to in (None, psfs.key_of_name("x")):
                answers = {answer.peer: answer for answer in await ada.dht.custom(to, "ping")}
                assert answers[bob.peer_id].answers == [b"first", b"ping"]
                failed = answers[eve.peer_id]
                assert failed.answers == []
                assert isinstance(failed.error, psfs.RemoteError)
                assert (failed.error.remote_code, failed.error.remote_text) == (7, "eve does not")

    run(main())


def test_a_broadcast_reaches_every_node_once(psfs_network: Networks) -> None:
    net = psfs_network(4)
    heard: list[tuple[int, bytes, str]] = []
    for number, satellite in enumerate(net):
        satellite.dht.on_broadcast(
            lambda message, number=number: heard.append((number, message.content, message.peer))
        )
    net[0].dht.broadcast("to all of you")
    until("all have heard it", lambda: len(heard) == 3)
    assert sorted(heard) == [(number, b"to all of you", net[0].peer_id) for number in (1, 2, 3)]


def test_a_walk_can_be_followed(psfs_network: Networks) -> None:
    net = psfs_network(3)
    key = net[0].dht.store("followed").key
    trace = net[1].dht.trace(key)
    others = {net[0].peer_id, net[2].peer_id}
    assert trace.key == key
    assert {hop.peer for hop in trace.hops} == others == set(trace.closest)
    for hop in trace.hops:
        assert hop.depth >= 1
        assert hop.path >= 0
        assert 0 <= hop.common_bits < 256
        assert hop.took is not None
        assert 0 < hop.took < PATIENCE
        assert hop.outcome == "has the value"
    assert set(trace.holders) == others | {net[1].peer_id}
    rows = net[1].dht.routing_table()
    assert {row.peer for row in rows if row.state == "proved"} == others
    assert all(row.bucket >= 0 and 0 <= row.unseen < PATIENCE for row in rows)


def test_a_liar_is_seen_through_and_left_alone(psfs_network: Networks) -> None:
    net = psfs_network(5)
    asker, liar = net[0], net[2]
    # It keeps nothing itself: it has to ask.
    asker.dht.set_role("client")
    net.lie(2)
    stored = net[1].dht.store_named("filename", "the truth")
    promised = {answer.peer for answer in stored.answers if answer.keeps}
    assert liar.peer_id in promised
    assert liar.dht.stored_keys == 0
    assert asker.dht.fetch_named("filename").content == b"the truth"
    # From now on it is not asked any more.
    plain = asker.dht.store("another truth")
    assert {answer.peer for answer in plain.answers} == {net[i].peer_id for i in (1, 3, 4)}
    assert asker.dht.fetch(plain.key).content == b"another truth"
    assert {hop.peer for hop in asker.dht.trace(plain.key).hops} == {net[i].peer_id for i in (1, 3, 4)}
    # The others have not met its lies yet; healed, it keeps what it promises.
    net.heal()
    honest = net[1].dht.store("a third truth")
    assert liar.peer_id in {answer.peer for answer in honest.answers if answer.keeps}
    assert psfs.key_of_content("a third truth") in liar.dht.keys()


def test_with_asyncio_a_liar_is_seen_through(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(3) as net:
            net[0].dht.set_role("client")
            net.lie(net[1])
            key = (await net[2].dht.store_named("filename", "the truth")).key
            assert (await net[0].dht.fetch(key)).content == b"the truth"
            assert {hop.peer for hop in (await net[0].dht.trace(key)).hops} == {net[2].peer_id}

    run(main())


def test_who_permits_it_is_followed(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    ada.dht.permit_debug()
    lines = bob.dht.debug()
    # The feed is asked for by itself: what happens before is not told.
    stop = threading.Event()

    def store() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            ada.dht.store(f"value {number}")

    storing = threading.Thread(target=store)
    storing.start()
    try:
        said = next(line for line in lines if line.peer == ada.peer_id)
    finally:
        stop.set()
        storing.join(PATIENCE)
        lines.close()
    assert said.line


def test_roles(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2, dht_role="client")
    assert (ada.dht.role, bob.dht.role) == ("client", "client")
    bob.dht.set_role("mirror")
    assert bob.dht.role == "mirror"
    stored = ada.dht.store("by a phone")
    assert [answer.peer for answer in stored.answers if answer.keeps] == [bob.peer_id]
    assert ada.dht.fetch(stored.key).content == b"by a phone"
    assert (ada.dht.stored_keys, bob.dht.stored_keys) == (0, 1)


def test_who_reaches_one_node_only_has_it_store_and_fetch(psfs_network: Networks) -> None:
    net = psfs_network(10)
    key = psfs.generate_key()
    # Before it comes: it learns of the others, and never reaches them.
    for other in net[1:]:
        net._faults.partition(psfs.inspect_key(key)[0], other.peer_id)
    options: dict[str, Any] = {"mdns": False, "listen": ["127.0.0.1:0"], "bootstrap": net[0].addresses()}
    with psfs.sync.Satellite(net.rendezvous, key=key, faults=net._faults, dht_role="client", **options) as client:
        client.dht.joined()
        net[0].dht.permit_proxy()
        stored = client.dht.store("from behind")
        assert stored.proxy == net[0].peer_id
        assert stored.nodes >= 8
        assert net[5].dht.fetch(stored.key).content == b"from behind"
        assert net[5].dht.store("not from behind").proxy is None
        net[0].dht.permit_proxy(False)
        # It may be too far from what is stored to keep it itself.
        with contextlib.suppress(psfs.Refused):
            assert client.dht.store("alone").proxy is None


def test_joined_waits_for_a_node(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(1) as [ada]:
            with pytest.raises(psfs.Timeout):
                await ada.dht.joined(timeout=0.05)
            joined = asyncio.ensure_future(ada.dht.joined())
            async with psfs.Satellite(
                ada.rendezvous, mdns=False, listen=["127.0.0.1:0"], bootstrap=ada.addresses()
            ) as bob:
                await joined
                await bob.dht.joined()

    run(main())


def test_limits_are_options(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2, max_item_size=1000, max_storage_size=5000)
    with pytest.raises(psfs.BadInput, match="max_item_size is 1000") as error:
        ada.dht.store(b"x" * 1001)
    assert error.value.code == "TOO_LARGE"
    # Half of it is for one publisher at most, and each value takes some room beside its content.
    ada.dht.store(b"a" * 1000)
    with pytest.raises(psfs.Refused, match="quota"):
        ada.dht.store(b"b" * 1000)


def test_a_cancelled_task_cancels_its_operation(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            asked, go_on = asyncio.Event(), asyncio.Event()

            @bob.dht.on_store
            async def decide(offer: psfs.Offer) -> bool:
                asked.set()
                await go_on.wait()
                return True

            # Sent to bob only once it is wanted there.
            storing = asyncio.ensure_future(ada.dht.store(b"x" * 100_000))
            await asked.wait()
            assert not storing.done()
            waiting = len(ada._loop.waiting)  # type: ignore[union-attr]
            storing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await storing
            assert len(ada._loop.waiting) == waiting - 1  # type: ignore[union-attr]
            with pytest.raises(psfs.Timeout):
                await ada.dht.store(b"y" * 100_000, timeout=0.1)
            go_on.set()
            another = await ada.dht.store("another")
            assert another.nodes == 2
            assert bob.dht.keys() == [another.key]

    run(main())


def test_shutdown_ends_what_waits(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            asked = asyncio.Event()

            @bob.dht.on_store
            async def never(offer: psfs.Offer) -> None:
                asked.set()
                await asyncio.Event().wait()

            storing = asyncio.ensure_future(ada.dht.store("value"))
            await asked.wait()
            await ada.shutdown()
            with pytest.raises(psfs.Closed):
                await storing

    run(main())


def test_a_busy_loop_holds_up_no_walk(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            storing = asyncio.ensure_future(ada.dht.store(b"x" * 100_000))
            # It begins.
            await asyncio.sleep(0)
            # The loop has no turn meanwhile.
            until("bob has it", lambda: bob.dht.stored_keys == 1)
            assert [answer.outcome for answer in (await storing).answers] == ["kept", "kept"]

    run(main())


def test_values_outlive_the_satellite(tmp_path: Any) -> None:
    """What a satellite keeps is on its disk; it needs nobody to give it to itself."""
    options: dict[str, Any] = {"listen": ["127.0.0.1:0"], "mdns": False}
    with psfs.sync.Satellite("disk", **options) as ada:
        with psfs.sync.Satellite("disk", data_dir=tmp_path, bootstrap=ada.addresses(), **options) as bob:
            bob.wait_connected()
            ada.wait_connected()
            stored = ada.dht.store("kept on disk")
            key = stored.key
            assert stored.nodes == 2, stored.answers
            assert bob.dht.keys() == [key]
    with psfs.sync.Satellite("disk", data_dir=tmp_path, **options) as bob:
        assert bob.dht.fetch(key).content == b"kept on disk"
