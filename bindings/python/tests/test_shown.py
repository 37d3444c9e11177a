"""What is shown to people works: the examples, and the READMEs' tastes word for word."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psfs
import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "python"


def test_the_examples_greet_and_ask_each_other() -> None:
    greet = subprocess.Popen(
        [sys.executable, "-u", EXAMPLES / "greet.py", "examples-in-python"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert greet.stdout is not None
        address = next(
            line.removeprefix("reach me at ").strip() for line in greet.stdout if "/ip4/127.0.0.1/tcp/" in line
        )
        whois = subprocess.run(
            [sys.executable, EXAMPLES / "whois.py", "examples-in-python", address],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert whois.returncode == 0, whois.stderr
        peer = address.rsplit("/", 1)[1]
        answer = f'{{"id":"{peer}","language":"Python"}}'
        assert whois.stdout.splitlines() == [f"{peer} {answer}", f"asked alone: {answer}"]
    finally:
        greet.terminate()
        greet.wait(60)


def test_the_example_of_the_dht_keeps_stores_and_fetches() -> None:
    dht, rendezvous = EXAMPLES / "dht.py", "dht-example-in-python"
    keep = subprocess.Popen([sys.executable, "-u", dht, rendezvous, "keep"], stdout=subprocess.PIPE, text=True)

    def other(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(dht), rendezvous, *arguments, address]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    try:
        assert keep.stdout is not None
        address = next(
            line.removeprefix("reach me at ").strip() for line in keep.stdout if "/ip4/127.0.0.1/tcp/" in line
        )
        stored = other("store", "Some value")
        key = psfs.key_of_content("Some value")
        assert (stored.returncode, stored.stdout) == (0, f"{key}\n"), stored.stderr
        peer = address.rsplit("/", 1)[1]
        assert stored.stderr == f"{peer} kept \n"
        assert f"offers {key} (10 bytes)" in next(line for line in keep.stdout if "offers" in line)
        fetched = other("fetch", key)
        assert (fetched.returncode, fetched.stdout) == (0, "Some value"), fetched.stderr
        large = other("store", "x" * 100_000)
        assert large.returncode == 0, large.stderr
        missing = other("fetch", psfs.key_of_name("nothing"))
        assert missing.returncode == 1
        assert "no value under" in missing.stderr
    finally:
        keep.terminate()
        keep.wait(60)


def test_the_example_of_files_shares_and_gets(tmp_path: Path) -> None:
    source, copy = tmp_path / "file", tmp_path / "copy"
    source.write_bytes(random.randbytes(3_000_000))
    share = subprocess.Popen([sys.executable, EXAMPLES / "share.py", source], stdout=subprocess.PIPE, text=True)

    def get(ticket: str, to: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLES / "share.py"), ticket, str(to)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    try:
        assert share.stdout is not None
        ticket = share.stdout.readline().strip()
        got = get(ticket, copy)
        assert (got.returncode, got.stdout) == (0, f"{copy}\n"), got.stderr
        assert "3000000 of 3000000 bytes" in got.stderr
        assert copy.read_bytes() == source.read_bytes()
        cut_off = get(ticket[:-1], tmp_path / "other")
        assert cut_off.returncode == 1
        assert cut_off.stderr.startswith("the ticket is cut off")
    finally:
        share.terminate()
        share.wait(60)


def test_an_example_without_arguments_says_how_it_is_used() -> None:
    for name in ("greet.py", "whois.py", "dht.py", "share.py"):
        ended = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert ended.stderr.startswith("usage:")


@pytest.fixture
def other() -> Iterator[psfs.sync.Satellite]:
    """Somebody under the name that the tastes use, on loopback alone."""
    with psfs.sync.Satellite("pineapple", listen=["127.0.0.1:0"], mdns=False) as satellite:
        satellite.on(psfs.SEEK, "whois", lambda message: "the other one")
        yield satellite


def tastes(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def shim(other: psfs.sync.Satellite) -> types.SimpleNamespace:
    """psfs, whose satellites find the other one and nobody else."""
    options = {"mdns": False, "listen": ["127.0.0.1:0"], "bootstrap": other.addresses()}
    copy = types.SimpleNamespace(**vars(psfs))
    copy.Satellite = lambda name: psfs.Satellite(name, **options)
    copy.sync = types.SimpleNamespace(Satellite=lambda name: psfs.sync.Satellite(name, **options))
    return copy


def test_the_taste_in_the_projects_readme(other: psfs.sync.Satellite) -> None:
    [taste] = tastes(ROOT / "README.md")
    said: list[tuple[str, bytes]] = []
    scope: dict[str, object] = {"psfs": shim(other), "print": lambda *words: said.append(words)}
    exec("async def taste():\n" + textwrap.indent(taste, "    "), scope)
    asyncio.run(asyncio.wait_for(scope["taste"](), 60))  # type: ignore[operator]
    assert said == [(other.peer_id, b"the other one")]


def test_the_tastes_in_the_packages_readme(
    other: psfs.sync.Satellite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_asyncio, without, of_the_dht, of_files, _ = tastes(ROOT / "bindings" / "python" / "README.md")
    for taste in (with_asyncio, without):
        said: list[tuple[str, bytes]] = []
        copy = shim(other)
        lines = [line for line in taste.splitlines() if not line.startswith(("import asyncio", "from psfs"))]
        scope: dict[str, object] = {
            "psfs": copy,
            "sync": copy.sync,
            "asyncio": asyncio,
            "print": lambda *words, said=said: said.append(words),
        }
        exec("\n".join(lines), scope)
        assert said == [(other.peer_id, b"the other one")]
    kept: list[tuple[Any, ...]] = []
    with shim(other).sync.Satellite("pineapple") as sat:
        sat.wait_connected()
        exec(of_the_dht, {"sat": sat, "print": lambda *words: kept.append(words)})
    assert kept[0] == (psfs.key_of_content("Some value"), 2)
    assert sorted(kept[1:]) == sorted([(sat.peer_id, "kept"), (other.peer_id, "kept")])
    monkeypatch.chdir(tmp_path)
    Path("holiday.mp4").write_bytes(random.randbytes(100_000))
    told: list[tuple[Any, ...]] = []
    with shim(other).sync.Satellite("pineapple") as sat:
        exec(of_files, {"sat": sat, "other": other, "print": lambda *words: told.append(words)})
    assert told[-1] == (100_000, "of", 100_000)
    assert Path("copy.mp4").read_bytes() == Path("holiday.mp4").read_bytes()
