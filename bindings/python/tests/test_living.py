"""Beginning, ending, and everything that can go wrong in between."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from pathlib import Path

import psfs
import pytest
from psfs.testing import Networks


def test_nothing_is_left_after_shutdown() -> None:
    """In a process of its own, where nothing else comes and goes."""
    program = """
import asyncio, os, psfs
from pathlib import Path
async def life():
    async with psfs.Satellite("left", listen=["127.0.0.1:0"], mdns=False) as ada:
        ada.on(psfs.MESSAGE, "n", lambda message: None)
        async with psfs.Satellite("left", listen=["127.0.0.1:0"], mdns=False, bootstrap=ada.addresses()) as bob:
            await bob.wait_connected()
            await bob.send(ada.peer_id, "n", "hello", confirmed=True)
def count():
    # The one thread that libp2p's timers keep for the process is named by it.
    tasks = [comm.read_text().strip() for comm in Path("/proc/self/task").glob("*/comm")]
    return sorted(name for name in tasks if name != "futures-timer"), len(os.listdir("/proc/self/fd"))
asyncio.run(life())
before = count()
for _ in range(3):
    asyncio.run(life())
    assert count() == before, (before, count())
print(*before)
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


def test_an_unclosed_satellite_warns_and_does_not_hang_the_exit() -> None:
    program = """
import psfs
sat = psfs.sync.Satellite("exit", listen=["127.0.0.1:0"], mdns=False)
sat.on(psfs.MESSAGE, "n", print)
sat.start()
print("started")
"""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (0, "started\n")
    assert "was not shut down" in ended.stderr
    assert time.monotonic() - began < 50


WAITS = [
    "sat.wait()",
    "sat.wait_connected()",
    "next(sat.messages(psfs.MESSAGE, 'n'))",
    "sat.files.get('0' * 64, '/nothing', patience=None).wait()",
    "next(sat.files.get('0' * 64, '/nothing', patience=None))",
]


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait_at_once(wait: str) -> None:
    # Whoever starts the tests in the background ignores SIGINT, and what it starts inherits that.
    program = f"""
import psfs, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
with psfs.sync.Satellite("ctrl", listen=["127.0.0.1:0"], mdns=False) as sat:
    try:
        print("waiting", flush=True)
        {wait}
    except KeyboardInterrupt:
        print("interrupted", time.monotonic(), flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    time.sleep(0.3)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    try:
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    word, at = said.split()
    assert (word, child.returncode) == ("interrupted", 0)
    # The promise is 0.1 s on a machine that does nothing else.
    assert float(at) - sent < 5


def test_a_forked_child_is_refused_and_the_parent_goes_on(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            ada.send(bob.peer_id, "n", b"")
        except psfs.Error as error:
            os._exit(0 if error.code == "FORKED" else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ada.send(bob.peer_id, "n", b"", confirmed=True)


def test_use_before_the_start_and_after_the_end(run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        sat = psfs.Satellite("closed", listen=["127.0.0.1:0"], mdns=False)
        peer = psfs.inspect_key(psfs.generate_key())[0]
        uses = [
            lambda: sat.send(peer, "n", b""),
            lambda: sat.broadcast("n", b""),
            lambda: sat.request(peer, "n").first(),
            lambda: sat.connect("127.0.0.1:1"),
            lambda: sat.disconnect(peer),
            lambda: sat.wait_connected(),
            lambda: sat.pause(),
            lambda: sat.resume(),
            lambda: sat.network_changed(),
        ]
        for use in uses:
            with pytest.raises(psfs.Closed):
                await use()
        await sat.start()
        with pytest.raises(psfs.Closed, match="started before"):
            await sat.start()
        await sat.shutdown()
        await sat.shutdown()
        for use in uses:
            with pytest.raises(psfs.Closed):
                await use()
        with pytest.raises(psfs.Closed):
            sat.on(psfs.MESSAGE, "n", print)

    run(main())


def test_a_satellite_of_another_loop_is_refused(run) -> None:  # type: ignore[no-untyped-def]
    sat = psfs.Satellite("loops", listen=["127.0.0.1:0"], mdns=False)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(sat.start())

    async def elsewhere() -> None:
        with pytest.raises(psfs.BadInput, match="another event loop"):
            await sat.connect("127.0.0.1:1")

    run(elsewhere())
    loop.run_until_complete(sat.shutdown())
    loop.close()


def test_a_loop_without_add_reader_works_as_well() -> None:
    class Poor(asyncio.SelectorEventLoop):
        def add_reader(self, *args: object) -> None:  # type: ignore[override]
            # The loop's own wake-up needs it.
            if getattr(args[1], "__self__", None) is self:
                return super().add_reader(*args)  # type: ignore[arg-type]
            raise NotImplementedError

    async def main() -> None:
        async with psfs.Satellite("poor", listen=["127.0.0.1:0"], mdns=False) as ada:
            ada.on(psfs.REQUEST, "echo", lambda message: message.content)
            async with psfs.Satellite("poor", listen=["127.0.0.1:0"], mdns=False) as bob:
                await bob.connect(ada.addresses()[0])
                assert (await bob.request(ada.peer_id, "echo", b"x" * 1_000_000)).view.nbytes == 1_000_000

    with asyncio.Runner(loop_factory=Poor) as runner:
        runner.run(asyncio.wait_for(main(), 60))


def test_a_handler_that_raises_is_logged_and_the_next_call_comes(
    psfs_network: Networks, caplog: pytest.LogCaptureFixture, gate
) -> None:  # type: ignore[no-untyped-def]
    ada, bob = psfs_network(2)
    done = gate()

    def handler(message: psfs.sync.Message) -> None:
        if message.content == b"bad":
            raise ValueError("bad content")
        done.open()

    bob.on(psfs.MESSAGE, "n", handler)
    with caplog.at_level(logging.ERROR, "psfs"):
        ada.send(bob.peer_id, "n", "bad")
        ada.send(bob.peer_id, "n", "good")
        done.wait()
    assert "the handler of n failed" in caplog.text
    assert "ValueError: bad content" in caplog.text


def test_a_handler_may_cancel_itself_and_shut_its_satellite_down(psfs_network: Networks, gate) -> None:  # type: ignore[no-untyped-def]
    ada, bob = psfs_network(2)
    seen: list[bytes] = []
    ended = gate()

    def once(message: psfs.sync.Message) -> None:
        seen.append(message.content)
        subscription.cancel()

    subscription = bob.on(psfs.MESSAGE, "n", once)
    for number in range(10):
        ada.send(bob.peer_id, "n", str(number), confirmed=True)

    def end(message: psfs.sync.Message) -> None:
        bob.shutdown()
        ended.open()

    bob.on(psfs.MESSAGE, "end", end)
    ada.send(bob.peer_id, "end", b"")
    ended.wait()
    assert not bob.running
    assert seen == [b"0"]


def test_an_async_handler_may_shut_its_satellite_down(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            ended = asyncio.Event()

            @bob.on(psfs.MESSAGE, "end")
            async def end(message: psfs.Message) -> None:
                await bob.shutdown()
                ended.set()

            await ada.send(bob.peer_id, "end", b"")
            await ended.wait()
            assert not bob.running

    run(main())


def test_an_application_in_the_background_is_gone_until_it_is_back(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            bob.on(psfs.REQUEST, "whois")(lambda message: "bob")
            events = ada.peer_events()
            await bob.pause()
            await bob.pause()
            while (event := await anext(events)).kind != "disconnected":
                pass
            assert "in the background" in event.reason
            assert bob.paused and bob.running and bob.addresses() == []
            with pytest.raises(psfs.Timeout, match="paused, resume it first"):
                await bob.send(ada.peer_id, "n", b"", timeout=0.1)
            with pytest.raises(psfs.Error, match="paused, resume it first"):
                await bob.broadcast("n", b"")
            await bob.network_changed()
            await bob.resume()
            assert not bob.paused
            await ada.wait_connected()
            assert (await ada.request(bob.peer_id, "whois")).content == b"bob"
            await bob.network_changed()

    run(main())


def test_without_a_loop_it_pauses_as_well(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    bob.pause()
    assert bob.paused
    bob.resume()
    ada.wait_connected()
    bob.network_changed()
    assert not bob.paused
    bob.shutdown()
    for call in (bob.pause, bob.resume, bob.network_changed):
        with pytest.raises(psfs.Closed):
            call()


def test_a_handler_that_blocks_holds_up_nothing_but_shutdown(psfs_network: Networks, gate) -> None:  # type: ignore[no-untyped-def]
    ada, bob = psfs_network(2)
    blocked, release = gate(), gate()

    def block(message: psfs.sync.Message) -> None:
        blocked.open()
        release.wait()

    bob.on(psfs.MESSAGE, "block", block)
    bob.on(psfs.REQUEST, "echo", lambda message: message.content)
    ada.send(bob.peer_id, "block", b"")
    blocked.wait()
    assert ada.request(bob.peer_id, "echo", "still here").first().content == b"still here"
    with pytest.raises(psfs.Timeout, match="still runs"):
        bob.shutdown(timeout=0.2)
    release.open()
    bob.shutdown()


def test_a_cancelled_task_cancels_its_operation(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(2, message_window=128 * 1024) as (ada, bob):
            # Nobody reads: the window fills, and the next send has to wait.
            unread = bob.messages(psfs.MESSAGE, "unread")
            sending = asyncio.ensure_future(fill(ada, bob.peer_id))
            while not sending.done() and ada.stats()["packets_out"] == 0:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert not sending.done()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert len(ada._loop.waiting) <= 2  # type: ignore[union-attr]
            await unread.aclose()

    async def fill(satellite: psfs.Satellite, peer: str) -> None:
        while True:
            await satellite.send(peer, "unread", b"x" * 10_000)

    run(main())


def test_a_cancelled_handler_that_waits_leaves_no_task(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with psfs_network.asyncio(1) as (ada,):

            async def handler(message: psfs.Message) -> None:
                raise AssertionError("nobody sends anything")

            before = asyncio.all_tasks()
            subscription = ada.on(psfs.MESSAGE, "n", handler)
            # Its task has begun to wait.
            await asyncio.sleep(0)
            [task] = asyncio.all_tasks() - before
            subscription.cancel()
            await task

    run(main())


def test_many_threads_use_one_satellite(psfs_network: Networks) -> None:
    ada, bob = psfs_network(2)
    bob.on(psfs.REQUEST, "echo", lambda message: message.content)
    failed: list[BaseException] = []

    def ask(number: int) -> None:
        try:
            for _ in range(20):
                data = str(number).encode()
                assert ada.request(bob.peer_id, "echo", data).first().content == data
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed


def test_fifty_satellites_in_one_process(run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        first = psfs.Satellite("fifty", listen=["127.0.0.1:0"], mdns=False, worker_threads=1)
        await first.start()
        others = [
            psfs.Satellite("fifty", listen=["127.0.0.1:0"], mdns=False, worker_threads=1, bootstrap=first.addresses())
            for _ in range(49)
        ]
        heard: asyncio.Queue[str] = asyncio.Queue(100)
        for satellite in others:
            satellite.on(psfs.BROADCAST, "all", lambda message, own=satellite.peer_id: heard.put_nowait(own))
        await asyncio.gather(*(satellite.start() for satellite in others))
        await asyncio.gather(*(satellite.wait_connected() for satellite in others))
        await first.broadcast("all", "hello")
        assert {await heard.get() for _ in others} == {satellite.peer_id for satellite in others}
        await asyncio.gather(*(satellite.shutdown() for satellite in (first, *others)))

    run(main())


def test_handlers_and_satellites_are_collected(psfs_network: Networks, run) -> None:  # type: ignore[no-untyped-def]
    class Handler:
        def __call__(self, message: psfs.Message) -> None:
            pass

    async def life() -> list[weakref.ref[object]]:
        handler = Handler()
        sat = psfs.Satellite("collected", listen=["127.0.0.1:0"], mdns=False)
        sat.on(psfs.MESSAGE, "n", handler)
        references: list[weakref.ref[object]] = [weakref.ref(handler), weakref.ref(sat)]
        await sat.start()
        await sat.shutdown()
        return references

    async def main() -> None:
        references = await life()
        # What was to be called in this turn is dropped with it.
        await asyncio.sleep(0)
        gc.collect()
        assert [reference() for reference in references] == [None, None]

    run(main())


def test_a_key_file_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "me.pem"
    first = psfs.sync.Satellite("key", key=path).peer_id
    assert psfs.sync.Satellite("key", key=str(path)).peer_id == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert psfs.sync.Satellite("key", key=path.read_bytes()).peer_id == first
    protected = psfs.sync.Satellite("key", key=path).key("secret")
    assert psfs.inspect_key(protected, "secret")[0] == first
    with pytest.raises(psfs.BadInput, match="passphrase"):
        psfs.inspect_key(protected)
