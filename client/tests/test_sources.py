"""The pod's token and commands, and which source is used."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from conftest import ALICE, token_command

from metaflow_extensions.namesake.auth.errors import MisconfiguredError, NamesakeError, NotLoggedInError
from metaflow_extensions.namesake.auth.settings import Settings
from metaflow_extensions.namesake.auth.sources import Command, Login, Pod, Source, source_of, store_of


def configured(**settings: str) -> Source | None:
    all_settings = Settings(**{"pod_token_file": "/does/not/exist", **settings})
    return source_of(all_settings, store_of(all_settings))


def test_the_pods_token_is_read_for_each_call(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    pod = Pod(str(file))
    assert pod.token().text == "first"
    file.write_text("second\n")
    assert pod.token().text == "second"
    file.unlink()
    with pytest.raises(MisconfiguredError, match=r"cannot be read \(No such file or directory\).*endpoints\.podTokens"):
        pod.token()


def test_a_command_runs_again_only_when_its_token_is_about_to_expire(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    lasting = configured(token_command=token_command(ALICE, 600, calls))
    assert lasting is not None
    assert lasting.token() == lasting.token()
    assert calls.read_text().splitlines() == ["called"]
    expired = configured(token_command=token_command(ALICE, 0, calls))
    assert expired is not None
    assert expired.token() != expired.token()


def test_a_command_that_fails_does_not_end_a_token_that_is_still_valid(tmp_path: Path) -> None:
    script = tmp_path / "token.sh"
    script.write_text(f"#!/bin/sh\nrm $0\nexec {token_command(ALICE, 5)}\n")
    script.chmod(0o755)
    command = Command([str(script)], "remedy")
    token = command.token()
    time.sleep(max(0.0, token.renew_at - time.time()) + 0.01)
    assert command.token() == token, "it is about to expire, and still valid"
    time.sleep(max(0.0, token.expires_at - time.time()) + 0.01)
    with pytest.raises(MisconfiguredError, match="cannot be run"):
        command.token()


def failing(program: str) -> str:
    with pytest.raises(NamesakeError) as raised:
        Command([sys.executable, "-c", program], "do this").token()
    return str(raised.value)


def test_the_error_of_a_command_says_what_it_said_but_never_a_token() -> None:
    text = failing("import sys; print('token'); print('one'); sys.exit('no account')")
    assert "failed with 1 (no account): do this" in text
    assert "does not print a token, and nothing else: do this" in failing("print('se' + 'cret', 'other')")
    assert "secret" not in failing("print('se' + 'cret', 'other')")
    assert "does not print a token" in failing("pass")


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    source = configured(token_command=f"echo $HOME;touch {tmp_path / 'file'}")
    assert source is not None
    with pytest.raises(NotLoggedInError):
        source.token()
    assert not (tmp_path / "file").exists()
    missing = configured(token_command="/does/not/exist --now")
    assert missing is not None
    with pytest.raises(MisconfiguredError, match=r"`/does/not/exist --now` cannot be run \(No such file or directory\)"):
        missing.token()


def test_the_first_source_that_is_there_is_used(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    everything = {"pod_token_file": str(token), "token_command": "true", "issuer": "https://i", "client_id": "c"}
    assert isinstance(configured(**everything), Pod)
    del everything["pod_token_file"]
    assert isinstance(configured(**everything), Command)
    del everything["token_command"]
    assert isinstance(configured(**everything), Login)
    assert configured() is None


def test_a_configured_source_comes_before_all_others() -> None:
    everything = {"token_command": "true", "issuer": "https://i", "client_id": "c"}
    assert isinstance(configured(token_source="login", **everything), Login)
    assert configured(token_source="none", **everything) is None
    gcloud = configured(token_source="gcloud")
    assert gcloud is not None and gcloud.remedy == "run `gcloud auth login`"
    with pytest.raises(MisconfiguredError, match="is 'gclod': set it to one of pod, command, gcloud, login, none"):
        configured(token_source="gclod")
    with pytest.raises(MisconfiguredError, match="TOKEN_COMMAND is not set"):
        configured(token_source="command")
    with pytest.raises(MisconfiguredError, match="cannot be split into words"):
        configured(token_command="a 'b")


def test_gcloud_is_asked_for_an_identity_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text('#!/bin/sh\n[ "$*" = "auth print-identity-token" ] && echo token\n')
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    source = configured(token_source="gcloud")
    assert source is not None
    assert source.token().text == "token"
