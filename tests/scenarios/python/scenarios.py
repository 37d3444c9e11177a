"""What every language must show, in Python. See tests/scenarios/README.md."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psfs

LONG = 30.0
MIB = 1 << 20
STRANGER = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


def satellite(rendezvous: str, *bootstrap: str) -> psfs.Satellite:
    return psfs.Satellite(rendezvous, bootstrap=list(bootstrap), listen=["127.0.0.1:0"], mdns=False)


@asynccontextmanager
async def network(count: int, name: str) -> AsyncIterator[list[psfs.Satellite]]:
    """So many satellites, each with sessions with all others."""
    rendezvous = f"scenario-python-{name}-{os.getpid()}"
    async with AsyncExitStack() as stack:
        everyone: list[psfs.Satellite] = []
        for _ in range(count):
            known = everyone[0].addresses()[:1] if everyone else []
            everyone.append(await stack.enter_async_context(satellite(rendezvous, *known)))
        for one in everyone:
            await one.wait_connected(count - 1, timeout=LONG)
        yield everyone


async def meet() -> None:
    async with network(2, "meet") as (first, second):
        for one, other in ((first, second), (second, first)):
            (peer,) = one.peers()
            assert (peer.peer_id, peer.state) == (other.peer_id, "connected")


async def message() -> None:
    async with network(2, "message") as (first, second):
        all_came = asyncio.Event()
        came: list[bytes] = []

        @first.on(psfs.MESSAGE, "numbers")
        def number(message: psfs.Message) -> None:
            assert message.peer == second.peer_id
            came.append(message.content)
            if len(came) == 100:
                all_came.set()

        sent = [bytes([i]) * (MIB if i == 99 else 128) for i in range(100)]
        for content in sent:
            await second.send(first.peer_id, "numbers", content)
        await asyncio.wait_for(all_came.wait(), LONG)
        assert came == sent


async def three(message: psfs.Message) -> str:
    await message.reply("one")
    await message.reply("two")
    return "three"


async def request() -> None:
    async with network(2, "request") as (first, second):
        first.on(psfs.REQUEST, "three")(three)
        replies = await second.request(first.peer_id, "three").all()
        assert [reply.content for reply in replies] == [b"one", b"two", b"three"]


async def error() -> None:
    async with network(2, "error") as (first, second):

        @first.on(psfs.REQUEST, "seven")
        def seven(message: psfs.Message) -> None:
            raise psfs.Fail(7, "seven")

        try:
            await second.request(first.peer_id, "seven")
        except psfs.RemoteError as failure:
            assert (failure.remote_code, failure.remote_text) == (7, "seven")
        else:
            raise AssertionError("it ended well")
        await fails("UNKNOWN_NAMESPACE", second.request(first.peer_id, "nobody serves this"))


async def timeout() -> None:
    async with network(2, "timeout") as (first, second):

        @first.on(psfs.REQUEST, "keep")
        async def keep(message: psfs.Message) -> None:
            await asyncio.Event().wait()

        await fails("TIMEOUT", second.request(first.peer_id, "keep", timeout=0.2))


async def cancel() -> None:
    async with network(2, "cancel") as (first, second):
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        @first.on(psfs.REQUEST, "keep")
        async def keep(message: psfs.Message) -> None:
            try:
                while True:
                    await message.reply("more")
            except psfs.Error as failure:
                told.set_result(failure.code)

        assert (await second.request(first.peer_id, "keep")).content == b"more"
        assert await asyncio.wait_for(told, LONG) == "CANCELLED"


async def seek() -> None:
    async with network(3, "seek") as (first, *others):
        for other in others:
            other.on(psfs.SEEK, "three")(three)
        answers = Counter([reply.peer async for reply in first.seek("three", max_replies=6)])
        assert answers == {other.peer_id: 3 for other in others}


async def broadcast() -> None:
    heard: Counter[str] = Counter()
    async with network(6, "broadcast") as everyone:
        first, *others = everyone
        all_heard = asyncio.Event()
        for one in everyone:

            def news(message: psfs.Message, own: str = one.peer_id) -> None:
                assert (message.content, message.peer) == (b"news", first.peer_id)
                heard[own] += 1
                if len(heard) == len(others):
                    all_heard.set()

            one.on(psfs.BROADCAST, "news")(news)
        await first.broadcast("news", "news")
        await asyncio.wait_for(all_heard.wait(), LONG)
    assert heard == {other.peer_id: 1 for other in others}


async def pause() -> None:
    async with network(2, "pause") as (first, second):
        came: asyncio.Queue[bytes] = asyncio.Queue()

        @first.on(psfs.MESSAGE, "back")
        def back(message: psfs.Message) -> None:
            came.put_nowait(message.content)

        events = second.peer_events()
        await first.pause()
        assert first.paused
        async with asyncio.timeout(LONG):
            while (await anext(events)).kind != "disconnected":
                pass
        await fails("NO_PEERS", first.broadcast("news", ""))
        await first.resume()
        assert not first.paused
        for one in (first, second):
            await one.wait_connected(timeout=LONG)
        for text in (b"back", b"elsewhere"):
            await second.send(first.peer_id, "back", text)
            assert await asyncio.wait_for(came.get(), LONG) == text
            await first.network_changed()


async def shutdown() -> None:
    async with network(2, "shutdown") as (first, second):
        ended = asyncio.Event()

        @first.on(psfs.MESSAGE, "end")
        async def end(message: psfs.Message) -> None:
            await first.shutdown()
            ended.set()

        events = second.peer_events()
        await second.send(first.peer_id, "end", "now")
        async with asyncio.timeout(LONG):
            while (await anext(events)).kind != "disconnected":
                pass
            await ended.wait()
        assert not first.running


async def dht() -> None:
    async with network(3, "dht") as (first, second, third):
        third.dht.on_store(lambda offer: "no room for guests")
        stored = await first.dht.store("a value that stays")
        assert stored.key == psfs.key_of_content("a value that stays")
        assert {answer.peer for answer in stored.answers if answer.keeps} == {first.peer_id, second.peer_id}
        (refused,) = [answer for answer in stored.answers if not answer.keeps]
        assert (refused.peer, refused.reason, refused.text) == (third.peer_id, "policy", "no room for guests")
        assert (await third.dht.fetch(stored.key)).content == b"a value that stays"
        await first.dht.store_named("guestbook", "a value that stays")
        assert (await third.dht.fetch_named("guestbook")).content == b"a value that stays"
        await fails("NOT_FOUND", second.dht.fetch(psfs.key_of_name("nobody stored this")))
        await fails("BAD_INPUT", first.dht.store(""))
        await fails("BAD_INPUT", first.dht.fetch("guestbook"))


async def dht_signed() -> None:
    async with network(2, "dht-signed") as (first, second):
        key = psfs.key_of_signed(first.peer_id, "profile")
        watch = second.dht.watch(key)
        for number, text in enumerate((b"one", b"two"), 1):
            stored = await first.dht.store_signed(text, "profile")
            assert (stored.key, stored.sequence) == (key, number)
            told = await asyncio.wait_for(anext(watch), LONG)
            assert (told.content, told.sequence) == (text, number)
        value = await second.dht.fetch_signed(first.peer_id, "profile")
        assert (value.content, value.kind, value.publisher) == (b"two", "signed", first.peer_id)
        await fails("CONFLICT", first.dht.store_signed("three", "profile", if_sequence=1))
        await first.dht.delete(key)
        assert (await asyncio.wait_for(anext(watch), LONG)).deleted
        await fails("NOT_FOUND", second.dht.fetch(key))


async def files() -> None:
    async with network(2, "files") as (first, second):
        with TemporaryDirectory() as folder:
            source, target = Path(folder, "file"), Path(folder, "copy")
            source.write_bytes(os.urandom(128 * MIB))
            shared = await first.files.share(source, only_with_ticket=True, tags=["holiday"])
            ticket = str(first.files.ticket(shared.root))
            transfer = second.files.get(ticket, target)
            async for progress in transfer:
                if progress.bytes > 0:
                    break
            assert progress.bytes < progress.size == 128 * MIB
            transfer.cancel()
            await fails("CANCELLED", transfer)
            assert not target.exists()
            transfer = second.files.get(ticket, target)
            told = [news.bytes async for news in transfer]
            assert told[0] >= progress.bytes and told[-1] == 128 * MIB
            received = await transfer
            assert (received.root, received.size, received.path) == (shared.root, 128 * MIB, target)
            assert target.read_bytes() == source.read_bytes()
            other = Path(folder, "other")
            await fails("REFUSED", second.files.get(shared.root, other, sources=[first.peer_id]))
            await fails("BAD_INPUT", got(second, ticket[:-1], other))
            (found,) = await first.files.find(tag="holiday")
            assert (found.root, found.name, found.tags) == (shared.root, "file", ["holiday"])
            assert await first.files.remove(shared.root)
            assert not await first.files.find(tag="holiday")
            assert not await first.files.remove(shared.root)


async def got(satellite: psfs.Satellite, ticket: str, target: Path) -> None:
    await satellite.files.get(ticket, target)


async def bad_input() -> None:
    await fails("BAD_NAMESPACE", made(""))
    one = await satellite("scenario-python-bad-input").start()
    await fails("BAD_NAMESPACE", one.broadcast("", ""))
    await fails("BAD_PEER_ID", one.send("nobody", "x", ""))
    await fails("OWN_PEER", one.send(one.peer_id, "x", ""))
    await fails("UNKNOWN_PEER", one.send(STRANGER, "x", ""))
    await fails("BAD_ADDRESS", one.connect("nowhere"))
    await fails("TOO_LARGE", one.send(STRANGER, "x", bytes(16 * MIB + 1)))
    await one.shutdown()
    await fails("CLOSED", one.broadcast("x", ""))


async def made(rendezvous: str) -> None:
    psfs.Satellite(rendezvous)


async def fails(code: str, call: Awaitable[object]) -> None:
    try:
        await call
    except psfs.Error as failure:
        assert failure.code == code, f"{failure.code} instead of {code}: {failure}"
    else:
        raise AssertionError(f"no {code}")


def tell(line: str) -> None:
    print(line, flush=True)


async def member(rendezvous: str, name: str, count: str, address: str) -> None:
    loop = asyncio.get_running_loop()
    async with satellite(rendezvous, *([address] if address != "-" else [])) as one:
        one.on(psfs.MESSAGE, "greeting")(lambda message: tell(f"greeting {message.content.decode()}"))
        one.on(psfs.BROADCAST, "news")(lambda message: tell(f"news {message.content.decode()}"))
        one.on(psfs.REQUEST, "whois")(lambda message: name)
        tell(f"listening {one.addresses()[0]}")
        await one.wait_connected(int(count) - 1, timeout=LONG)
        tell("ready")
        assert await loop.run_in_executor(None, sys.stdin.readline)
        for peer in one.peers():
            await one.send(peer.peer_id, "greeting", name)
            async for reply in one.request(peer.peer_id, "whois"):
                tell(f"whois {reply.content.decode()}")
        await one.broadcast("news", name)
        tell("done")
        await loop.run_in_executor(None, sys.stdin.read)
    tell("ended")


SCENARIOS: dict[str, Callable[[], Awaitable[None]]] = {
    "meet": meet,
    "message": message,
    "request": request,
    "error": error,
    "timeout": timeout,
    "cancel": cancel,
    "seek": seek,
    "broadcast": broadcast,
    "pause": pause,
    "shutdown": shutdown,
    "dht": dht,
    "dht-signed": dht_signed,
    "files": files,
    "bad-input": bad_input,
}


async def main() -> None:
    match sys.argv[1:]:
        case ["member", rendezvous, name, count, address]:
            await member(rendezvous, name, count, address)
        case [scenario] if scenario in SCENARIOS:
            await SCENARIOS[scenario]()
        case _:
            sys.exit("there is no such scenario")


asyncio.run(main())
