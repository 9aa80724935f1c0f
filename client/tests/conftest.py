"""Fixtures: a home of its own for each test, servers, and the distribution as PyPI would serve it."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support import jwt
from support.gateway import Gateway
from support.provider import Provider

CLIENT = Path(__file__).parent.parent
KEY = "the key of the tests"
ALICE = "alice@acme.com"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any configuration."""
    for name in list(os.environ):
        if name.startswith(("METAFLOW_", "NAMESAKE_", "XDG_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", "laptop-account")
    return folder


@pytest.fixture
def provider() -> Iterator[Provider]:
    """An identity provider that knows alice."""
    provider = Provider(KEY, ALICE)
    yield provider
    provider.server.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway without a service behind it."""
    gateway = Gateway(KEY)
    yield gateway
    gateway.server.close()


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed distribution: what the wheel contains."""
    folder = tmp_path_factory.mktemp("distribution")
    source, site = folder / "source", folder / "site"
    shutil.copytree(CLIENT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CLIENT / name, source / name)
    build = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(folder)], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A metadata service that checks nothing; its URL."""
    folder = tmp_path_factory.mktemp("service")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--port", str(port), "--metaflow-root", str(folder), "--idle-timeout", "600"]
    command = [sys.executable, "-m", "metaflow_local_service.daemon", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "USER": "service"}
    process = subprocess.Popen(command, env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not _answers(url):
            assert process.poll() is None and time.monotonic() < deadline, "the metadata service does not start"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/ping", timeout=1).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def stack(service: str) -> Iterator[Gateway]:
    """A gateway in front of the metadata service."""
    gateway = Gateway(KEY, service)
    yield gateway
    gateway.server.close()


def token_command(subject: str, lifetime: float, counter: Path | None = None) -> str:
    """A command that prints a token."""
    program = str(Path(jwt.__file__))
    return shlex.join([sys.executable, program, KEY, subject, str(lifetime), *([str(counter)] if counter else [])])


def run(arguments: list[str], environment: dict[str, str], folder: Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a Python program with nothing in its environment but this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env={**kept, **environment}, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds
    )
