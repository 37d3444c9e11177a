"""What the core says reaches Python's logging, and what logging does not want is never made."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import psfs
import pytest
from conftest import PATIENCE
from psfs import _log
from psfs.testing import Networks

LOGGER = "psfs.core"


def said(caplog: pytest.LogCaptureFixture, peer: str, text: str) -> list[logging.LogRecord]:
    """The lines of one satellite that have `text`."""
    return [
        record
        for record in caplog.records
        if record.name == LOGGER and vars(record)["satellite"] == peer and text in record.getMessage()
    ]


def logs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "psfs-log"]


def check_a_life(caplog: pytest.LogCaptureFixture, ada: str, bob: str) -> None:
    """Both met each other, each line says whose it is, and the last one came."""
    for own, other in ((ada, bob), (bob, ada)):
        [opened] = said(caplog, own, "session opened")
        assert (opened.levelno, opened.levelname) == (logging.INFO, "INFO")
        assert vars(opened)["target"].startswith("psfs_core::")
        assert own in opened.getMessage() and other in opened.getMessage()
        [_] = said(caplog, own, "satellite shut down")
    assert not [record for record in caplog.records if record.levelno < logging.INFO and record.name == LOGGER]


def test_a_life_without_asyncio_is_told_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    before = logs()
    with (
        caplog.at_level(logging.INFO, LOGGER),
        psfs.sync.Satellite("told", listen=["127.0.0.1:0"], mdns=False) as ada,
        psfs.sync.Satellite("told", listen=["127.0.0.1:0"], mdns=False, bootstrap=ada.addresses()) as bob,
    ):
        ada.wait_connected()
        bob.wait_connected()
        assert len(logs()) == len(before) + 2
    assert logs() == before
    check_a_life(caplog, ada.peer_id, bob.peer_id)


def test_a_life_with_asyncio_is_told_to_its_end(caplog: pytest.LogCaptureFixture, run) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with (
            psfs.Satellite("told", listen=["127.0.0.1:0"], mdns=False) as ada,
            psfs.Satellite("told", listen=["127.0.0.1:0"], mdns=False, bootstrap=ada.addresses()) as bob,
        ):
            await ada.wait_connected()
            await bob.wait_connected()
        check_a_life(caplog, ada.peer_id, bob.peer_id)

    with caplog.at_level(logging.INFO, LOGGER):
        run(main())


@pytest.mark.parametrize(
    ("level", "made"),
    [(logging.WARNING, set()), (logging.INFO, {20}), (logging.DEBUG, {10, 20}), (_log.TRACE, {5, 10, 20})],
)
def test_what_logging_does_not_want_is_not_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, level: int, made: set[int]
) -> None:
    crossed: set[int] = set()
    monkeypatch.setattr(_log.Lines, "_one", lambda self, level, target, text: crossed.add(level))
    with (
        caplog.at_level(level, LOGGER),
        psfs.sync.Satellite("levels", listen=["127.0.0.1:0"], mdns=False) as ada,
        psfs.sync.Satellite("levels", listen=["127.0.0.1:0"], mdns=False) as bob,
    ):
        messages = ada.messages(psfs.MESSAGE, "n")
        bob.connect(ada.addresses()[0])
        bob.send(ada.peer_id, "n", "hello")
        next(messages)
        # Somebody who cannot be reached: a line for developers.
        with pytest.raises(psfs.PeerUnreachable):
            bob.connect("127.0.0.1:1")
        messages.close()
    assert crossed - {30} == made


@pytest.mark.parametrize("logger", [LOGGER, "psfs", ""], ids=["psfs.core", "psfs", "root"])
def test_a_change_of_levels_is_noticed(
    psfs_network: Networks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, logger: str
) -> None:
    monkeypatch.setattr("psfs._threads.LOOK_EVERY", 0.01)
    ada, bob = psfs_network(2)
    assert not said(caplog, ada.peer_id, "session opened")
    until = time.monotonic() + PATIENCE
    with caplog.at_level(logging.INFO, logger):
        while not said(caplog, ada.peer_id, "session opened"):
            assert time.monotonic() < until
            ada.disconnect(bob.peer_id)
            ada.connect(bob.addresses()[0])


def test_a_change_of_levels_is_noticed_with_asyncio(
    psfs_network: Networks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, run
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("psfs._loop.LOOK_EVERY", 0.01)

    async def main() -> None:
        async with psfs_network.asyncio(2) as (ada, bob):
            with caplog.at_level(logging.INFO, LOGGER):
                while not said(caplog, ada.peer_id, "session opened"):
                    await ada.disconnect(bob.peer_id)
                    await ada.connect(bob.addresses()[0])

    run(main())


class Raises(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the disk is full")


def test_a_handler_of_logging_that_raises_harms_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logs()
    logger, handler = logging.getLogger(LOGGER), Raises()
    logger.addHandler(handler)
    try:
        with (
            caplog.at_level(logging.INFO, LOGGER),
            psfs.sync.Satellite("raises", listen=["127.0.0.1:0"], mdns=False) as sat,
        ):
            pass
    finally:
        logger.removeHandler(handler)
    # All lines, not only the first.
    assert capsys.readouterr().err.count("the disk is full") >= 2
    assert not sat.running and logs() == before


class Blocks(logging.Handler):
    """Blocks in its first call, and then keeps what it is given."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate
        self.blocked = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.blocked.set()
        assert self.gate.wait(PATIENCE)


def test_a_handler_of_logging_that_blocks_holds_up_no_packet_and_lines_are_counted(
    psfs_network: Networks, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    logger, handler = logging.getLogger(LOGGER), Blocks(release)
    with caplog.at_level(_log.TRACE, LOGGER):
        logger.addHandler(handler)
        try:
            ada, bob = psfs_network(2)
            bob.on(psfs.MESSAGE, "n", lambda message: None)
            assert handler.blocked.wait(PATIENCE)
            # Each is a line about a delivery, and more of them than have room.
            for _ in range(1500):
                ada.send(bob.peer_id, "n", b"", confirmed=True)
            with pytest.raises(psfs.Timeout, match="logging"):
                bob.shutdown(timeout=0.5)
            release.set()
            bob.shutdown()
            ada.shutdown()
        finally:
            release.set()
            logger.removeHandler(handler)
    assert any("log lines were dropped" in line for line in handler.lines)


class Ends(logging.Handler):
    """Shuts a satellite down when its session opens."""

    def __init__(self, peer: str, end: Callable[[], Any]) -> None:
        super().__init__()
        self.peer = peer
        self.end = end
        self.done = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if vars(record)["satellite"] == self.peer and "session opened" in record.getMessage():
            self.end()
            self.done.set()


def test_a_handler_of_logging_may_shut_the_satellite_down(caplog: pytest.LogCaptureFixture) -> None:
    before = logs()
    logger = logging.getLogger(LOGGER)
    with (
        caplog.at_level(logging.INFO, LOGGER),
        psfs.sync.Satellite("ends", listen=["127.0.0.1:0"], mdns=False) as ada,
        psfs.sync.Satellite("ends", listen=["127.0.0.1:0"], mdns=False) as bob,
    ):
        handler = Ends(ada.peer_id, ada.shutdown)
        logger.addHandler(handler)
        try:
            bob.connect(ada.addresses()[0])
            assert handler.done.wait(PATIENCE)
            assert not ada.running
        finally:
            logger.removeHandler(handler)
    assert logs() == before


def test_a_satellite_that_nobody_keeps_leaves_no_thread() -> None:
    before = logs()
    sat = psfs.sync.Satellite("collected", listen=["127.0.0.1:0"], mdns=False).start()
    [thread] = [thread for thread in logs() if thread not in before]
    reference = weakref.ref(sat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del sat
        gc.collect()
    assert reference() is None
    thread.join(PATIENCE)
    assert not thread.is_alive()


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE + 30)


# Its first warning: nobody is at the address it was told of.
WARNS = """
import logging, psfs, threading
warned = threading.Event()
class Notes(logging.Filter):
    def filter(self, record):
        warned.set()
        return True
logging.getLogger("psfs.core").addFilter(Notes())
{setup}
with psfs.sync.Satellite("warns", listen=["127.0.0.1:0"], mdns=False, bootstrap=["127.0.0.1:1"]):
    assert warned.wait(60)
"""


def test_a_program_that_has_not_set_up_logging_is_told_nothing() -> None:
    ended = run_program(WARNS.format(setup=""))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_program_that_has_is_told_warnings_by_default() -> None:
    ended = run_program(WARNS.format(setup="logging.basicConfig()"))
    assert ended.returncode == 0
    assert ended.stderr.startswith("WARNING:psfs.core:"), ended.stderr
    assert "127.0.0.1/tcp/1" in ended.stderr


@pytest.mark.parametrize("blocks", [False, True], ids=["", "with a handler that blocks for ever"])
def test_the_exit_without_a_shutdown_does_not_hang(blocks: bool) -> None:
    began = time.monotonic()
    ended = run_program(f"""
import logging, psfs, threading
class Handler(logging.Handler):
    def handle(self, record):
        blocked.set()
        if {blocks}:
            threading.Event().wait()
blocked = threading.Event()
logger = logging.getLogger("psfs.core")
logger.setLevel(5)
logger.addHandler(Handler())
satellites = [psfs.sync.Satellite("exit", listen=["127.0.0.1:0"], mdns=False).start() for _ in range(3)]
for satellite in satellites[1:]:
    satellite.connect(satellites[0].addresses()[0])
assert blocked.wait(60)
print("at the end")
""")
    assert (ended.returncode, ended.stdout) == (0, "at the end\n"), ended.stderr
    assert "Fatal" not in ended.stderr
    assert time.monotonic() - began < 50


def test_a_forked_child_is_told_nothing_and_ends() -> None:
    ended = run_program("""
import logging, os, psfs, sys, warnings
warnings.simplefilter("ignore")
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(process)d")
sat = psfs.sync.Satellite("fork", listen=["127.0.0.1:0"], mdns=False).start()
child = os.fork()
if child == 0:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
sat.shutdown()
sys.stdout.flush()
print("parent", os.getpid())
""")
    assert ended.returncode == 0, ended.stderr
    *lines, last = ended.stdout.splitlines()
    assert lines and {f"parent {line}" for line in lines} == {last}
