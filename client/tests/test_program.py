"""`python -m metaflow_namesake`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ALICE, run
from support.gateway import Gateway
from support.provider import CLIENT, Provider


@pytest.fixture
def settings(distribution: Path, gateway: Gateway, provider: Provider) -> dict[str, str]:
    return {
        "PYTHONPATH": str(distribution),
        "METAFLOW_SERVICE_URL": gateway.url,
        "METAFLOW_NAMESAKE_ISSUER": provider.issuer,
        "METAFLOW_NAMESAKE_CLIENT_ID": CLIENT,
    }


def test_login_whoami_logout(settings: dict[str, str], provider: Provider, tmp_path: Path) -> None:
    def program(*arguments: str) -> tuple[int, str, str]:
        done = run(["-m", "metaflow_namesake", *arguments], settings, tmp_path)
        return done.returncode, done.stdout, done.stderr

    url = settings["METAFLOW_SERVICE_URL"]
    code, out, error = program("whoami")
    assert (code, out) == (3, "") and error == f"Not logged in at {url}: run `python -m metaflow_namesake login`\n"

    code, out, error = program("login")
    assert (code, out) == (0, f"{ALICE}\n")
    assert f"Open {provider.issuer}/enter?code=ABCD-EFGH in a browser, and check that it shows the code ABCD-EFGH" in error

    assert program("whoami") == (0, f"{ALICE}\n", "")
    code, out, _ = program("whoami", "-o", "json")
    assert code == 0 and json.loads(out) == {"user": ALICE}

    assert program("logout") == (0, "Logged out.\n", "")
    assert provider.ended
    assert program("logout", "-o", "json") == (0, '{"loggedOut": false}\n', "")
    assert program("whoami")[0] == 3


def test_the_exit_code_and_the_text_say_what_is_wrong(settings: dict[str, str], provider: Provider, tmp_path: Path) -> None:
    provider.down = True
    done = run(["-m", "metaflow_namesake", "login"], settings, tmp_path)
    assert done.returncode == 1 and "status 503" in done.stderr and "Traceback" not in done.stderr
    done = run(["-m", "metaflow_namesake", "sign-in"], settings, tmp_path)
    assert done.returncode == 2 and "invalid choice: 'sign-in'" in done.stderr
    nothing = {"PYTHONPATH": settings["PYTHONPATH"]}
    done = run(["-m", "metaflow_namesake", "login"], nothing, tmp_path)
    assert done.returncode == 3 and "set METAFLOW_NAMESAKE_ISSUER" in done.stderr


def test_help_needs_no_configuration(distribution: Path, tmp_path: Path) -> None:
    broken = {"PYTHONPATH": str(distribution), "METAFLOW_PROFILE": "does-not-exist"}
    for arguments in (["--help"], ["login", "--help"]):
        done = run(["-m", "metaflow_namesake", *arguments], broken, tmp_path)
        assert done.returncode == 0 and "exit codes: 0 done" in done.stdout, done.stderr
