"""What the tests share: a way to run coroutines that no plugin has to be installed for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

#: How long a test waits for something that must happen; only a failing test takes so long.
PATIENCE = 60.0


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine in a loop of its own, and fails when it does not end."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        async def within() -> None:
            async with asyncio.timeout(PATIENCE):
                await main

        asyncio.run(within(), debug=True)

    return run


class Gate:
    """Something that must happen: `open` it, or wait for it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def open(self) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(PATIENCE), "did not happen"


@pytest.fixture
def gate() -> Callable[[], Gate]:
    return Gate
