"""What to remove at the end, in the reverse order of creation, also when the run is interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

# Set when the run is interrupted: from then on only the main thread, which cleans up, sends anything.
STOPPED = threading.Event()


class StoppedError(Exception):
    """The run was interrupted."""


def check_stopped() -> None:
    """Ends a row in another thread after an interruption."""
    if STOPPED.is_set() and threading.current_thread() is not threading.main_thread():
        raise StoppedError("interrupted")


class NotRemovedError(Exception):
    """Why something could not be removed."""


@dataclass
class Created:
    """One thing that exists because of this run."""

    what: str
    remove: Callable[[], None]
    # How to remove it by hand.
    command: str


class Cleanup:
    """Everything that was created. Something is entered before it is created, so that an interruption loses nothing."""

    def __init__(self) -> None:
        """Nothing was created yet."""
        self._created: list[Created] = []
        self._lock = threading.Lock()

    def add(self, what: str, remove: Callable[[], None], command: str) -> None:
        """Enters something that is about to be created, once. `remove` must accept that it does not exist."""
        with self._lock:
            if all(created.what != what for created in self._created):
                self._created.append(Created(what, remove, command))

    def run(self, say: Callable[[str], None]) -> list[Created]:
        """Removes everything, and returns what could not be removed."""
        left: list[Created] = []
        while self._created:
            last = self._created[-1]
            try:
                last.remove()
                say(f"removed {last.what}")
            except (NotRemovedError, OSError) as error:
                say(f"could not remove {last.what}: {error}")
                left.append(last)
            except KeyboardInterrupt:
                return left + self._created
            self._created.pop()
        return left
