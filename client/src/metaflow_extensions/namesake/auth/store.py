"""A private file for what is kept between two commands: a login, and the proven user."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import MisconfiguredError


def folder() -> Path:
    """The folder of the private files."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "metaflow-namesake"


class Store:
    """A JSON object in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        """Name the file; it need not exist."""
        self.path = path

    def read(self) -> dict[str, Any]:
        """Read the file; empty if there is none.

        Raises:
            MisconfiguredError: somebody else could have read or written it.
        """
        try:
            # O_NOFOLLOW: not the file that somebody's link leads to.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise self._refused(f"cannot be read ({error.strerror})") from None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise self._refused("is not a file")
            if state.st_uid != os.geteuid():
                raise self._refused("belongs to another user")
            if state.st_mode & 0o077:
                raise self._refused(f"can be read by others (mode {stat.S_IMODE(state.st_mode):o})")
            try:
                content = json.load(file)
            except ValueError:
                return {}
        return content if isinstance(content, dict) else {}

    def write(self, content: dict[str, Any]) -> None:
        """Replace the file, atomically for readers.

        Raises:
            MisconfiguredError: it cannot be written.
        """
        try:
            self._create_folder()
            # mkstemp creates it with mode 600.
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(content, file)
                    file.flush()
                    os.fsync(descriptor)
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._refused(f"cannot be written ({error.strerror})") from None

    def remove(self) -> bool:
        """Remove the file; false if there is none."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other processes that lock the same file.

        Raises:
            MisconfiguredError: the lock file cannot be written.
        """
        lock = self.path.with_suffix(".lock")
        try:
            self._create_folder()
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MisconfiguredError(f"{lock} cannot be written ({error.strerror}): make its folder writable") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _create_folder(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _refused(self, why: str) -> MisconfiguredError:
        return MisconfiguredError(f"{self.path} {why}, so it is not used: remove it and log in again")
