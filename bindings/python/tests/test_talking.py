"""Messages, requests and broadcasts, with and without asyncio."""

from __future__ import annotations

import asyncio
import json

import psfs
import pytest
from psfs.testing import Networks


def test_messages_come_in_order_and_may_be_any_buffer(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    with_view = memoryview(b"view of bytes")[8:]
    sent = ["text: ä", b"bytes", bytearray(b"bytearray"), with_view, b"x" * 100_000, b""]
    messages = bob.messages(psfs.MESSAGE, "any")
    for data in sent:
        ada.send(bob.peer_id, "any", data)
    for data in sent:
        message = next(messages)
        expected = data.encode() if isinstance(data, str) else bytes(data)
        assert message.content == expected
        assert bytes(message.view) == expected
        assert message.view.readonly
        assert len(message) == len(expected)
        assert (message.peer, message.namespace, message.packet_type) == (ada.peer_id, "any", psfs.MESSAGE)


def test_a_numpy_array_is_sent_as_its_bytes(psfs_network: Networks) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed: the test extra has it")
    ada, bob = psfs_network(2)
    messages = bob.messages(psfs.MESSAGE, "array")
    array = numpy.arange(1000, dtype=numpy.uint8)
    ada.send(bob.peer_id, "array", array)
    assert (numpy.frombuffer(next(messages), dtype=numpy.uint8) == array).all()
    with pytest.raises(psfs.BadInput, match="give bytes"):
        ada.send(bob.peer_id, "array", array.astype(float))


def test_a_view_outlives_its_message(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    messages = bob.messages(psfs.MESSAGE, "view")
    ada.send(bob.peer_id, "view", b"kept" * 1000)
    view = next(messages).view
    ada.send(bob.peer_id, "view", b"other" * 1000)
    next(messages)
    assert bytes(view) == b"kept" * 1000


def test_a_request_has_replies_an_error_a_timeout_and_a_cancel(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            cancelled = asyncio.Event()

            @bob.on(psfs.REQUEST, "three")
            async def three(message: psfs.Message) -> str:
                await message.reply("one")
                await message.reply(b"two")
                return "three"

            @bob.on(psfs.REQUEST, "json")
            def as_json(message: psfs.Message) -> dict[str, object]:
                return {"asked": message.content.decode(), "ä": [1, 2.5, None]}

            @bob.on(psfs.REQUEST, "fails")
            def fails(message: psfs.Message) -> None:
                raise psfs.Fail(7, "no such user")

            @bob.on(psfs.REQUEST, "breaks")
            async def breaks(message: psfs.Message) -> None:
                raise LookupError("not here")

            @bob.on(psfs.REQUEST, "silent")
            async def silent(message: psfs.Message) -> None:
                responder = message.take_responder()
                while not responder.cancelled:
                    await asyncio.sleep(0.005)
                cancelled.set()

            to = bob.peer_id
            assert [reply.content async for reply in ada.request(to, "three")] == [b"one", b"two", b"three"]
            assert (await ada.request(to, "three")).content == b"one"
            assert json.loads((await ada.request(to, "json", "who?")).content) == {"asked": "who?", "ä": [1, 2.5, None]}
            with pytest.raises(psfs.RemoteError, match="no such user") as failed:
                await ada.request(to, "fails")
            assert (failed.value.remote_code, failed.value.remote_text) == (7, "no such user")
            with pytest.raises(psfs.RemoteError, match="LookupError: not here"):
                await ada.request(to, "breaks")
            with pytest.raises(psfs.NotFound, match="nobody"):
                await ada.request(to, "nobody")
            with pytest.raises(psfs.Timeout):
                await ada.request(to, "silent", timeout=0.05)
            await cancelled.wait()

            cancelled.clear()
            asking = asyncio.ensure_future(ada.request(to, "silent").first())
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await cancelled.wait()

    run(main())


def test_a_broadcast_reaches_five_and_may_be_answered(psfs_network: Networks) -> None:
    net = psfs_network(6)
    heard = [satellite.messages(psfs.BROADCAST, "news") for satellite in net[1:]]
    for number, satellite in enumerate(net[1:]):
        satellite.on(psfs.BROADCAST, "count", lambda message, number=number: str(number))
    net[0].broadcast("news", "hello")
    for messages in heard:
        message = next(messages)
        assert (message.content, message.peer) == (b"hello", net[0].peer_id)
    answers = net[0].broadcast_request("count", "", max_replies=5).all()
    assert sorted(reply.content for reply in answers) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_seek_asks_everybody(psfs_network: Networks) -> None:
    net = psfs_network(4)
    for number, satellite in enumerate(net[1:]):
        satellite.on(psfs.SEEK, "who", lambda message, number=number: str(number))
    replies = net[0].seek("who").all()
    assert sorted(reply.content for reply in replies) == [b"0", b"1", b"2"]
    assert {reply.peer for reply in replies} == {satellite.peer_id for satellite in net[1:]}


def test_a_handler_may_answer_later_from_another_thread(psfs_network: Networks) -> None:
    import threading

    ada, bob = psfs_network(2)

    def later(message: psfs.sync.Message) -> None:
        responder = message.take_responder()

        def answer() -> None:
            responder.reply("first")
            responder.reply("second")
            responder.end()

        threading.Thread(target=answer).start()

    bob.on(psfs.REQUEST, "later", later)
    assert [reply.content for reply in ada.request(bob.peer_id, "later")] == [b"first", b"second"]


def test_large_contents_arrive_whole(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    bob.on(psfs.REQUEST, "echo", lambda message: message.content)
    content = bytes(range(256)) * 40_000
    assert ada.request(bob.peer_id, "echo", content).first().content == content
    with pytest.raises(psfs.BadInput, match="16777216"):
        ada.send(bob.peer_id, "echo", b"x" * (16 * 1024 * 1024 + 1))


def test_requests_side_by_side(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):

            @bob.on(psfs.REQUEST, "slow", concurrency=64)
            async def slow(message: psfs.Message) -> bytes:
                # All of them are there before the first is answered.
                waiting.append(message)
                if len(waiting) == 64:
                    everybody.set()
                await everybody.wait()
                return message.content

            waiting: list[psfs.Message] = []
            everybody = asyncio.Event()
            replies = await asyncio.gather(*(ada.request(bob.peer_id, "slow", str(n)).first() for n in range(64)))
            assert [reply.content for reply in replies] == [str(n).encode() for n in range(64)]

    run(main())
