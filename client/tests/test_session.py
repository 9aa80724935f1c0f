"""Settings, the proven user, and what is said about refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ALICE, KEY, token_command
from support import jwt
from support.gateway import Gateway
from support.server import Answer, Server

from metaflow_extensions.namesake.auth import settings
from metaflow_extensions.namesake.auth.errors import MisconfiguredError, NotAllowedError, NotLoggedInError, UnavailableError
from metaflow_extensions.namesake.auth.session import Session
from metaflow_extensions.namesake.auth.settings import Settings


def session(gateway: Gateway, subject: str = ALICE, lifetime: float = 600) -> Session:
    return Session(Settings(service=gateway.url, token_command=token_command(subject, lifetime)))


def test_the_gateway_is_asked_once_for_a_user_and_the_next_process_knows_it(gateway: Gateway) -> None:
    first = session(gateway)
    assert first.known_user() is None
    assert first.user() == ALICE and first.user() == ALICE
    second = session(gateway)
    assert second.known_user() == ALICE and second.user() == ALICE
    assert len(gateway.paths("/whoami")) == 1


def test_where_nothing_can_be_kept_the_gateway_is_asked_again(gateway: Gateway, home: Path) -> None:
    (home / ".cache").write_text("not a folder")
    for _ in range(2):
        assert session(gateway).known_user() is None
        assert session(gateway).user() == ALICE
    assert len(gateway.paths("/whoami")) == 2


def test_in_a_pod_nobody_is_asked(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(jwt.mint(KEY, ALICE, 600))
    monkeypatch.setenv("METAFLOW_KUBERNETES_WORKLOAD", "1")
    pod = Session(Settings(service=gateway.url, pod_token_file=str(token)))
    assert pod.user() is None and pod.known_user() is None
    assert gateway.server.requests == []


def test_a_service_without_a_gateway_proves_nobody() -> None:
    plain = Server(lambda _: Answer(404, {}))
    try:
        assert Session(Settings(service=plain.url, token_command=token_command(ALICE, 600))).user() is None
    finally:
        plain.close()


def test_refusals_say_what_to_do(gateway: Gateway) -> None:
    with pytest.raises(NotLoggedInError, match=f"Not logged in at {gateway.url}: correct METAFLOW_NAMESAKE_TOKEN_COMMAND"):
        session(gateway, lifetime=-1).user()
    none = Session(Settings(service=gateway.url))
    assert "set METAFLOW_NAMESAKE_ISSUER" in str(none.refusal(gateway.url, 401, {}))
    refused = none.refusal(gateway.url, 403, {"message": "ask the platform team"})
    assert isinstance(refused, NotAllowedError) and str(refused) == f"Not allowed at {gateway.url}: ask the platform team"
    assert "does not say why" in str(none.refusal(gateway.url, 403, {}))


def test_a_gateway_that_is_down_is_not_a_missing_login(gateway: Gateway) -> None:
    down = session(gateway)
    gateway.server.close()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        down.user()


@pytest.mark.parametrize("url", ["http://metaflow.acme.com", "http://127.0.0.1.evil.test", "ftp://metaflow.acme.com", "metaflow"])
def test_nobodys_token_is_sent_unencrypted(url: str) -> None:
    with pytest.raises(MisconfiguredError, match="https:// addresses only"):
        Session(Settings(service=url, token_command=token_command(ALICE, 600))).token()


def test_a_pod_may_call_a_service_in_its_cluster(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    pod = Session(Settings(service="http://metadata-service.default:8080", pod_token_file=str(token)))
    found = pod.token()
    assert found is not None and found.text == "t"


def test_settings_come_from_variables_or_metaflows_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from metaflow import metaflow_config_funcs

    folder = home / ".metaflowconfig"
    folder.mkdir()
    keys = {"METAFLOW_NAMESAKE_ISSUER": "https://file.test", "METAFLOW_NAMESAKE_CLIENT_ID": "file"}
    (folder / "config.json").write_text(json.dumps(keys))
    monkeypatch.setattr(metaflow_config_funcs, "METAFLOW_CONFIG", None)
    monkeypatch.setenv("METAFLOW_NAMESAKE_CLIENT_ID", "variable")
    monkeypatch.setenv("NAMESAKE_TOKEN_SOURCE", "login")
    loaded = settings.load()
    assert (loaded.issuer, loaded.client_id, loaded.token_source) == ("https://file.test", "variable", "login")
