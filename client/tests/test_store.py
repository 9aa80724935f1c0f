"""The private file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CLIENT

from metaflow_extensions.namesake.auth.errors import MisconfiguredError
from metaflow_extensions.namesake.auth.store import Store, folder


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        store = Store(tmp_path / "cache" / "login.json")
        store.write({"a": "b"})
    finally:
        os.umask(previous)
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    assert store.read() == {"a": "b"}
    assert list(store.path.parent.iterdir()) == [store.path], "nothing else stays there"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    store = Store(tmp_path / "login.json")
    store.write({"a": "b"})
    store.path.chmod(mode)
    with pytest.raises(MisconfiguredError, match=f"can be read by others \\(mode {mode:o}\\), so it is not used: remove it"):
        store.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "login.json")
    store.write({"a": "b"})
    os.chown(store.path, 12345, 12345)
    with pytest.raises(MisconfiguredError, match="belongs to another user"):
        store.read()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = Store(tmp_path / "target.json")
    target.write({"a": "b"})
    link = tmp_path / "login.json"
    link.symlink_to(target.path)
    with pytest.raises(MisconfiguredError, match=r"login\.json cannot be read"):
        Store(link).read()
    Store(link).write({"c": "d"})
    assert target.read() == {"a": "b"}, "writing replaces the link"


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "login.json")
    store.write({})
    store.path.write_text("{")
    assert store.read() == {}


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "login.json")
    with pytest.raises(MisconfiguredError, match="cannot be written"):
        store.write({})


def test_two_processes_never_hold_the_lock_together(tmp_path: Path) -> None:
    store = Store(tmp_path / "login.json")
    store.write({"count": 0})
    program = (
        "import sys, time; from pathlib import Path; from metaflow_extensions.namesake.auth.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for _ in range(20):\n"
        "    with store.locked():\n"
        "        count = store.read()['count']; time.sleep(0.001); store.write({'count': count + 1})\n"
    )
    command = [sys.executable, "-c", program, str(store.path)]
    processes = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CLIENT / "src")}) for _ in range(3)]
    assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert store.read() == {"count": 60}


def test_the_folder_follows_the_desktops_convention(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder() == home / ".cache" / "metaflow-namesake"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert folder() == Path("/elsewhere/metaflow-namesake")
