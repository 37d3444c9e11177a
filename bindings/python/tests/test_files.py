"""Files between real satellites, with and without asyncio."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psfs
import pytest
from conftest import PATIENCE
from psfs.testing import Network, Networks

MIB = 1 << 20

Run = Callable[[Any], None]


def until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def random_file(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def slow_share(net: Any, path: Path) -> str:
    """The root of a file that takes the second of them about a second to get from the first."""
    random_file(path, 8 * MIB)
    root: str = net[0].files.share(path).root
    slow(net)
    return root


def slow(net: Any) -> None:
    net.slow(0, 1, rate=8_000_000)


def test_files_arrive_whole(psfs_network: Networks, tmp_path: Path) -> None:
    ada, bob = psfs_network(2)
    for size in (0, 1, 16 * 1024 + 1, 3 * MIB + 7):
        source, target = random_file(tmp_path / f"from{size}", size), tmp_path / f"to{size}"
        shared = ada.files.share(source)
        assert (shared.size, shared.path, shared.is_folder) == (size, source, False)
        received = bob.files.get(shared.root, target, sources=[ada.peer_id]).wait()
        assert (received.root, received.size, received.path, received.is_folder) == (shared.root, size, target, False)
        assert target.read_bytes() == source.read_bytes()
        # Who got it shares it, too.
        assert [info.path for info in bob.files.find(root=shared.root)] == [target]
    assert {shared.path for shared in ada.files.shared()} == set(tmp_path.glob("from*"))
    assert "part" not in str(list(tmp_path.iterdir()))


def test_many_at_once_with_asyncio(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(3) as (ada, bob, eve):
            sources = [random_file(tmp_path / str(number), 300_000 + number) for number in range(8)]
            shared = await asyncio.gather(*(ada.files.share(str(source)) for source in sources))
            for one in (bob, eve):
                into = tmp_path / one.peer_id
                into.mkdir()
                # Whom to ask, the network knows.
                transfers = [one.files.get(what.root, into / what.path.name) for what in shared]
                received = await asyncio.gather(*transfers)
                assert [what.root for what in received] == [what.root for what in shared]
                assert [what.path.read_bytes() for what in received] == [source.read_bytes() for source in sources]

    run(main())


def test_folders(psfs_network: Networks, tmp_path: Path) -> None:
    ada, bob = psfs_network(2)
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    random_file(folder / "large", 2 * MIB)
    for number in range(20):
        random_file(folder / "inner" / f"{number}.txt", number)
    shared = ada.files.share(folder)
    assert (shared.is_folder, shared.size) == (True, 2 * MIB + sum(range(20)))
    ticket = ada.files.ticket(shared.root)
    assert ticket.is_folder
    for number, wanted in enumerate([ticket, str(ticket)]):
        target = tmp_path / f"copy{number}"
        assert bob.files.get(wanted, target).wait().is_folder
        files = sorted(path.relative_to(folder) for path in folder.rglob("*"))
        assert sorted(path.relative_to(target) for path in target.rglob("*")) == files
        for path in files:
            assert (folder / path).is_dir() or (folder / path).read_bytes() == (target / path).read_bytes()
        bob.files.remove(shared.root)
    received = bob.files.get(shared.root, tmp_path / "copy2", folder=True, sources=[ada.peer_id]).wait()
    assert received.is_folder
    assert (tmp_path / "copy2" / "large").read_bytes() == (folder / "large").read_bytes()


def test_a_ticket_is_all_that_is_needed(psfs_network: Networks, tmp_path: Path) -> None:
    ada, bob = psfs_network(2)
    source = random_file(tmp_path / "holiday.mp4", 100_000)
    open_to_all = ada.files.share(source)
    ticket = ada.files.ticket(open_to_all.root)
    assert (ticket.root, ticket.size, ticket.name, ticket.issuer) == (open_to_all.root, 100_000, source.name, ada.peer_id)
    assert (ticket.rendezvous, ticket.needs_secret, ticket.expires) == (ada.rendezvous, False, None)
    assert {f"{address}/p2p/{ada.peer_id}" for address in ticket.addresses} == set(ada.addresses())
    assert str(psfs.Ticket(str(ticket))) == str(psfs.Ticket(f" {ticket} ".upper())) == str(ticket)
    assert ticket.root in repr(ticket)
    assert str(ticket) not in repr(ticket)

    secret = ada.files.share(random_file(tmp_path / "secret", 100_001), only_with_ticket=True)
    with pytest.raises(psfs.Refused, match="only with a ticket") as refused:
        bob.files.get(secret.root, tmp_path / "out", sources=[ada.peer_id]).wait()
    assert refused.value.code == "REFUSED"
    limits: list[dict[str, Any]] = [{"bytes": 100_000}, {"holder": ada.peer_id}]
    for limit in limits:
        with pytest.raises(psfs.Refused):
            bob.files.get(ada.files.ticket(secret.root, **limit), tmp_path / "out").wait()
    fitting = ada.files.ticket(secret.root, lifetime=100, bytes=100_001, holder=bob.peer_id)
    assert fitting.expires is not None
    assert 90 < fitting.expires - time.time() <= 100
    bob.files.get(fitting, tmp_path / "out").wait()
    # What was got by a right is not given away.
    assert bob.files.shared() == []
    forever = ada.files.ticket(secret.root, lifetime=1e300)
    assert psfs.Ticket(str(forever)).expires == forever.expires
    with pytest.raises(psfs.BadInput, match="only_with_ticket"):
        ada.files.ticket(open_to_all.root, lifetime=100)


def grows(progress: list[psfs.Progress], size: int) -> None:
    told = [news.bytes for news in progress]
    assert told == sorted(told)
    assert told[-1] == size
    middle = [news for news in progress if 0 < news.bytes < size]
    assert len(middle) >= 2, progress
    for news in middle:
        assert (news.size, news.sources) == (size, 1)
    timed = [news for news in middle if news.rate > 0]
    assert timed, progress
    assert all(news.time_left is not None and 0 < news.time_left < PATIENCE for news in timed)


def test_progress_is_told(psfs_network: Networks, tmp_path: Path) -> None:
    net = psfs_network(2)
    root = slow_share(net, tmp_path / "from")
    transfer = net[1].files.get(root, tmp_path / "to", sources=[net[0].peer_id])
    grows(list(transfer), 8 * MIB)
    # After its end it tells nothing more, and gives the same to all who ask.
    assert list(transfer) == []
    assert transfer.wait() is transfer.wait()
    transfer.cancel()
    assert transfer.wait().root == root


def test_progress_is_told_with_asyncio(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(2) as net:
            ada, bob = net
            root = (await ada.files.share(random_file(tmp_path / "from", 8 * MIB))).root
            slow(net)
            transfer = bob.files.get(root, tmp_path / "to", sources=[ada.peer_id])

            async def show() -> list[psfs.Progress]:
                return [progress async for progress in transfer]

            async def wait() -> psfs.Received:
                return await transfer

            # One shows it while others wait.
            progress, one, other = await asyncio.gather(show(), wait(), wait())
            grows(progress, 8 * MIB)
            assert one is other is await transfer
            assert one.root == root

    run(main())


def test_hashing_tells_how_far_it_is(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    source = random_file(tmp_path / "from", 32 * MIB)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()

    class Enough(Exception):
        pass

    def enough(hashed: int) -> None:
        raise Enough

    async def main() -> None:
        async with psfs_network.asyncio(1) as [ada]:
            told: list[int] = []
            with pytest.raises(Enough):
                await ada.files.share(source, progress=enough)
            assert ada.files.shared() == []
            shared = await ada.files.share(source, sha256=True, progress=told.append)
            assert told == sorted(told)
            assert told[-1] == shared.size == 32 * MIB
            [info] = await ada.files.find(sha256=digest.upper())
            assert (info.root, info.sha256) == (shared.root, digest)

    run(main())
    [ada] = psfs_network(1)
    told: list[int] = []
    with pytest.raises(Enough):
        ada.files.share(source, progress=enough)
    assert ada.files.shared() == []
    assert ada.files.share(source, progress=told.append).size == told[-1] == 32 * MIB


HOW = ["await", "iterate", "cancel", "drop"]


@pytest.mark.parametrize("how", HOW)
def test_what_is_cancelled_goes_on_from_there(psfs_network: Networks, run: Run, tmp_path: Path, how: str) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(2) as net:
            ada, bob = net
            source, target = random_file(tmp_path / "from", 8 * MIB), tmp_path / "to"
            root = (await ada.files.share(source)).root
            slow(net)
            waiting = len(bob._loop.waiting)  # type: ignore[union-attr]
            transfer: Any = bob.files.get(root, target, sources=[ada.peer_id])
            came = 0
            async for progress in transfer:
                came = progress.bytes
                if came > 0:
                    break
            assert 0 < came < 8 * MIB

            async def wait() -> None:
                if how == "iterate":
                    async for _ in transfer:
                        pass
                else:
                    await transfer

            if how in ("await", "iterate"):
                task = asyncio.ensure_future(wait())
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            if how == "cancel":
                both = [asyncio.ensure_future(wait()), asyncio.ensure_future(anext(transfer))]
                await asyncio.sleep(0)
                transfer.cancel()
                for told in await asyncio.gather(*both, return_exceptions=True):
                    assert isinstance(told, psfs.Closed)
                    assert told.code == "CANCELLED"
            if how == "drop":
                del transfer
                gc.collect()
            else:
                with pytest.raises(psfs.Closed) as error:
                    await transfer
                assert error.value.code == "CANCELLED"
            assert len(bob._loop.waiting) == waiting  # type: ignore[union-attr]
            assert not target.exists()
            # At once: what is still written down of the first is waited for.
            again = bob.files.get(root, target, sources=[ada.peer_id])
            told_again = [progress.bytes async for progress in again]
            assert told_again[0] >= came
            assert (await again).path == target
            assert target.read_bytes() == source.read_bytes()
            assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "to"]

    run(main())


@pytest.mark.parametrize("how", HOW[1:])
def test_without_asyncio_what_is_cancelled_goes_on_from_there(psfs_network: Networks, tmp_path: Path, how: str) -> None:
    net = psfs_network(2)
    root, target = slow_share(net, tmp_path / "from"), tmp_path / "to"
    transfer: Any = net[1].files.get(root, target, sources=[net[0].peer_id])
    came = next(progress.bytes for progress in transfer if progress.bytes > 0)
    assert came < 8 * MIB
    if how == "drop":
        del transfer
        gc.collect()
    else:
        ended: list[BaseException] = []

        def wait() -> None:
            try:
                if how == "iterate":
                    for _ in transfer:
                        pass
                else:
                    transfer.wait()
            except psfs.Closed as error:
                ended.append(error)

        # Several threads that wait are all told.
        threads = [threading.Thread(target=wait, daemon=True) for _ in range(1 if how == "iterate" else 3)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        assert not ended
        transfer.cancel()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert [error.code for error in ended] == ["CANCELLED"] * len(threads)  # type: ignore[attr-defined]
    assert not target.exists()
    again = net[1].files.get(root, target, sources=[net[0].peer_id])
    assert next(again).bytes >= came
    assert again.wait().path == target
    assert target.read_bytes() == (tmp_path / "from").read_bytes()


@pytest.mark.parametrize("wait", ["transfer.wait()", "next(transfer)"])
def test_ctrl_c_cancels_what_it_waits_for(wait: str) -> None:
    program = f"""
import psfs, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
with psfs.sync.Satellite("ctrl", listen=["127.0.0.1:0"], mdns=False) as sat:
    transfer = sat.files.get("0" * 64, "/nothing", patience=None)
    try:
        print("waiting", flush=True)
        {wait}
    except KeyboardInterrupt:
        try:
            transfer.wait()
        except psfs.Closed as error:
            print(error.code, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    # As in test_ctrl_c_ends_a_wait_at_once.
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    try:
        said, _ = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
    assert (said, child.returncode) == ("CANCELLED\n", 0)


def test_shutdown_in_the_middle_leaves_what_goes_on(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(2) as net:
            ada, bob = net
            root = (await ada.files.share(random_file(tmp_path / "from", 24 * MIB))).root
            slow(net)
            transfer = bob.files.get(root, tmp_path / "to", sources=[ada.peer_id])
            state = tmp_path / "to.part.state"
            while (await anext(transfer)).bytes == 0:
                pass
            before = state.read_bytes()
            # What is on the disk and written down stays: that is done every second.
            while state.read_bytes() == before:
                assert (await anext(transfer)).bytes < 24 * MIB

            async def wait() -> None:
                await transfer

            waits = [asyncio.ensure_future(wait()), asyncio.ensure_future(anext(transfer))]
            await asyncio.sleep(0)
            await bob.shutdown()
            for told in await asyncio.gather(*waits, return_exceptions=True):
                assert isinstance(told, psfs.Closed)
            with pytest.raises(psfs.Closed):
                await transfer
            async with psfs.Satellite(
                ada.rendezvous, mdns=False, listen=["127.0.0.1:0"], bootstrap=ada.addresses()
            ) as eve:
                again = eve.files.get(root, tmp_path / "to", sources=[ada.peer_id], addresses=ada.addresses())
                told_again = [news.bytes async for news in again]
                assert told_again[0] > 0
                assert (await again).root == root

    run(main())
    assert (tmp_path / "to").read_bytes() == (tmp_path / "from").read_bytes()


def test_shutdown_in_the_middle_without_asyncio(psfs_network: Networks, tmp_path: Path) -> None:
    net = psfs_network(2)
    root = slow_share(net, tmp_path / "from")
    transfer = net[1].files.get(root, tmp_path / "to", sources=[net[0].peer_id])
    assert next(transfer).bytes < 8 * MIB
    ended: list[BaseException] = []

    def wait(call: Callable[[], object]) -> None:
        try:
            call()
        except psfs.Closed as error:
            ended.append(error)

    calls: list[Callable[[], object]] = [transfer.wait, lambda: list(transfer)]
    threads = [threading.Thread(target=wait, args=[call], daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    net[1].shutdown()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(ended) == 2


def test_a_busy_loop_holds_up_no_transfer(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            shared = await ada.files.share(random_file(tmp_path / "from", 3 * MIB))
            transfer = bob.files.get(shared.root, tmp_path / "to", sources=[ada.peer_id])
            # The loop has no turn meanwhile.
            until("it is here", (tmp_path / "to").exists)
            assert (await transfer).size == 3 * MIB

    run(main())


def test_the_interpreter_is_free_while_something_waits(psfs_network: Networks, tmp_path: Path) -> None:
    net = psfs_network(2)
    root = slow_share(net, tmp_path / "from")
    transfer = net[1].files.get(root, tmp_path / "to", sources=[net[0].peer_id])
    stop, turns = threading.Event(), 0

    def count() -> None:
        nonlocal turns
        while not stop.wait(0.005):
            turns += 1

    other = threading.Thread(target=count)
    other.start()
    began = time.monotonic()
    transfer.wait()
    took = time.monotonic() - began
    stop.set()
    other.join(PATIENCE)
    assert took > 0.3
    assert turns > 10


def test_what_goes_wrong_is_raised_where_it_is_asked_for(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    """By both who iterates and who waits, as often as they ask."""
    root = "0" * 64
    occupied = random_file(tmp_path / "occupied", 5)

    async def main() -> None:
        async with psfs_network.asyncio(1) as [ada]:
            transfer = ada.files.get(root, occupied)
            with pytest.raises(psfs.Refused, match="another file"):
                async for _ in transfer:
                    pass
            for _ in range(2):
                with pytest.raises(psfs.Refused, match="another file") as error:
                    await transfer
                assert error.value.code == "CONFLICT"

    run(main())
    [ada] = psfs_network(1)
    transfer = ada.files.get(root, tmp_path / "new", patience=0.1)
    with pytest.raises(psfs.PeerUnreachable, match=root) as error:
        list(transfer)
    assert error.value.code == "NO_PEERS"
    for _ in range(2):
        with pytest.raises(psfs.PeerUnreachable, match=root):
            transfer.wait()


def test_what_is_here_is_found(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(1) as [ada]:
            files = ada.files
            names = ["a", "b", "c"]
            shared = [await files.share(random_file(tmp_path / name, 10), tags=["all", name]) for name in names]
            roots = sorted(one.root for one in shared)
            hers = await files.share(tmp_path / "a", owner="ann", tags=["own"])
            assert [info.root for info in await files.find()] == roots
            assert [info.root for info in await files.find(tag="all", after=roots[0])] == roots[1:]
            assert [info.root for info in await files.find(most=1)] == roots[:1]
            [info] = await files.find(name="b")
            assert (info.root, info.size, info.is_folder, info.name) == (shared[1].root, 10, False, "b")
            assert (info.tags, info.sha256, info.path) == (["all", "b"], None, tmp_path / "b")
            assert 0 <= time.time() - info.added < PATIENCE
            [of_ann] = await files.find(owner="ann")
            assert (of_ann.root, of_ann.tags) == (hers.root, ["own"])
            assert await files.find(root=shared[1].root, owner="ann") == []

            await files.tag(shared[0].root, "new")
            await files.tag(shared[0].root, "new")
            assert await files.tags() == ["a", "all", "b", "c", "new"]
            assert await files.tags(after="all", most=2) == ["b", "c"]
            assert await files.tags("ann") == ["own"]
            assert await files.untag(shared[0].root, "a")
            assert not await files.untag(shared[0].root, "a")
            assert not await files.find(tag="a")
            assert await files.untag(hers.root, "own", "ann")

            assert await files.remove(shared[0].root)
            assert not await files.remove(shared[0].root)
            # It is still Ann's, and goes with her.
            assert shared[0].root in {one.root for one in files.shared()}
            assert await files.remove(shared[0].root, "ann")
            assert sorted(one.root for one in files.shared()) == sorted(one.root for one in shared[1:])
            assert (tmp_path / "a").exists()

    run(main())


def test_what_is_here_is_read(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    source = random_file(tmp_path / "from", 2 * MIB + 7)
    content = source.read_bytes()
    wanted = [content[:MIB], content[100:MIB], content[2 * MIB :], b"", b""]
    offsets = [0, 100, 2 * MIB, 2 * MIB + 7, 2**64 - 1]

    async def main() -> None:
        async with psfs_network.asyncio(1) as [ada]:
            root = (await ada.files.share(source)).root
            assert ada.files.here(root).path == source
            assert [await ada.files.read(root, offset) for offset in offsets] == wanted
            assert await ada.files.remove(root)
            assert ada.files.here(root) is None

    run(main())
    [ada] = psfs_network(1)
    root = ada.files.share(source).root
    assert ada.files.here(root).path == source
    assert [ada.files.read(root, offset) for offset in offsets] == wanted
    source.write_bytes(bytes(5))
    with pytest.raises(psfs.Refused) as changed:
        ada.files.read(root)
    assert changed.value.code == "CONFLICT"


def test_a_server_may_fail_on_purpose(psfs_network: Networks, tmp_path: Path) -> None:
    server, client = psfs_network(2)
    token = server.files.token("anna")
    source = random_file(tmp_path / "letter", 10)
    server.files.keep(folder=tmp_path / "kept", faulty=1.0, seed=7)
    with pytest.raises(psfs.Error, match="a fault on purpose"):
        client.files.put(server.peer_id, source, token, patience=0.1).wait()
    server.files.keep(folder=tmp_path / "kept", faulty=0.5, seed=7)
    client.files.put(server.peer_id, source, token).wait()
    assert len(client.files.remote_find(server.peer_id, token)) == 1


def test_what_is_kept_for_others(psfs_network: Networks, run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with psfs_network.asyncio(2) as (server, client):
            there = server.peer_id
            source = random_file(tmp_path / "letter", 2 * MIB)
            token = server.files.token("anna", lifetime=1e300)
            with pytest.raises(psfs.Refused, match="keeps no files"):
                await client.files.put(there, source, token)
            await server.files.keep(quota=3 * MIB, folder=tmp_path / "kept", lifetime=1e300)
            put = client.files.put(there, source, token, name="first", tags=["letters"])
            told = [progress.bytes async for progress in put]
            assert told[-1] == 2 * MIB
            root = (await put).root
            quota = await server.files.quota("anna")
            assert (quota.owner, quota.limit, quota.used, quota.reserved) == ("anna", 3 * MIB, 2 * MIB, 0)
            assert (quota.files, quota.uploads) == (1, 0)
            other = random_file(tmp_path / "other", 2 * MIB)
            with pytest.raises(psfs.Refused, match="bytes"):
                await client.files.put(there, other, token)
            await server.files.set_quota("anna", 10 * MIB)
            await client.files.put(there, other, token)
            await server.files.set_quota("berta", 5)
            assert [(one.owner, one.limit, one.files) for one in await server.files.quotas()] == [
                ("anna", 10 * MIB, 2),
                ("berta", 5, 0),
            ]
            assert [one.owner for one in await server.files.quotas(after="anna", most=1)] == ["berta"]
            await server.files.set_quota("berta", None)

            [info] = await client.files.remote_find(there, token, tag="letters")
            assert (info.root, info.name, info.tags, info.path) == (root, "first", ["letters"], None)
            assert len(await client.files.remote_find(there, token)) == 2
            with pytest.raises(psfs.Refused, match="not list"):
                await client.files.remote_find(there, server.files.token("anna", ops=["read", "delete"]))
            with pytest.raises(psfs.Refused, match="not delete"):
                await client.files.remote_remove(there, server.files.token("anna", ops=["list"]), root)
            reads = server.files.token("anna", ops=["read"], root=root, bytes=2 * MIB, holder=client.peer_id)
            with pytest.raises(psfs.Refused, match="not for all files"):
                await client.files.remote_find(there, reads)
            target = tmp_path / "back"
            await client.files.get(root, target, sources=[there], token=reads)
            assert target.read_bytes() == source.read_bytes()
            # Its bytes are used up.
            with pytest.raises(psfs.Refused):
                await client.files.get(root, tmp_path / "once more", sources=[there], token=reads, patience=0.5)
            assert await client.files.remote_remove(there, token, root)
            assert not await client.files.remote_remove(there, token, root)
            assert (await server.files.quota("anna")).files == 1

    run(main())


def test_without_asyncio_a_put_that_is_cancelled_goes_on(psfs_network: Networks, tmp_path: Path) -> None:
    net = psfs_network(2)
    server, client = net
    server.files.keep(folder=tmp_path / "kept")
    token = server.files.token("anna")
    source = random_file(tmp_path / "letter", 8 * MIB)
    slow(net)
    put = client.files.put(server.peer_id, source, token)
    came = next(progress.bytes for progress in put if progress.bytes > 0)
    assert came < 8 * MIB
    put.cancel()
    with pytest.raises(psfs.Closed):
        put.wait()
    net.heal()
    received = client.files.put(server.peer_id, source, token).wait()
    [kept] = server.files.find(owner="anna")
    assert (kept.root, kept.name) == (received.root, "letter")
    assert kept.path is not None
    assert kept.path.read_bytes() == source.read_bytes()


def test_a_transfer_is_its_own_satellites(psfs_network: Networks, tmp_path: Path) -> None:
    """It outlives the names of it that a program has no use for."""

    def transfer(net: Network) -> psfs.sync.Transfer:
        shared = net[0].files.share(random_file(tmp_path / "from", 1000))
        return net[1].files.get(psfs.Ticket(str(net[0].files.ticket(shared.root))), tmp_path / "to")

    assert transfer(psfs_network(2)).wait().size == 1000
