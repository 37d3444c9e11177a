"""The core's log lines, for Python's logging: the logger `psfs.core`.

Lines wait in the core, in a queue with a bound, until an event loop (`_aio.py`) or a thread (`sync.py`) fetches them here. What the logger
does not want is not made in the first place. logging tells nobody when its levels change, so they are looked at from time to time.
"""

from __future__ import annotations

import logging
import sys
import traceback

from ._psfs import PENDING, Hub
from ._psfs import Satellite as Native

core = logging.getLogger("psfs.core")
# As libraries do: a program that has not set up logging is told nothing on stderr.
core.addHandler(logging.NullHandler())

#: The core's lowest level; the others are logging's.
TRACE = 5
_LEVELS = (TRACE, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)

#: After so many seconds at most, a change of logging's levels has its effect.
LOOK_EVERY = 1.0


class Lines:
    """The log lines of one satellite."""

    def __init__(self, native: Native, hub: Hub) -> None:
        self._satellite = native.peer_id
        self._log = native.log(hub)
        self._level = 0
        #: False after the end of the satellite, when all was told.
        self.open = True
        self.look()

    @property
    def id(self) -> int:
        return self._log.id

    def look(self) -> None:
        """Has no lines made that logging does not want."""
        level = next((level for level in _LEVELS if core.isEnabledFor(level)), logging.CRITICAL)
        if level != self._level:
            self._level = level
            self._log.set_level(level)

    def tell(self) -> bool:
        """Hands a batch to logging. False: there is nothing more now."""
        if (lines := self._log.poll()) is PENDING:
            return False
        if lines is None:
            self.open = False
            return False
        for level, target, text in lines:
            self._one(level, target, text)
        self.look()
        return True

    def _one(self, level: int, target: str, text: str) -> None:
        if not core.isEnabledFor(level):
            return
        about = {"satellite": self._satellite, "target": target}
        record = core.makeRecord(core.name, level, target, 0, text, (), None, extra=about)
        try:
            core.handle(record)
        except Exception:
            # As logging's own handlers do with their mistakes.
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc()
