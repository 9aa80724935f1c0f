"""Device authorization, and the login that it leaves."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.provider import CLIENT, Provider
from support.server import Answer

from metaflow_extensions.namesake.auth import oidc
from metaflow_extensions.namesake.auth.errors import MisconfiguredError, NotLoggedInError, UnavailableError
from metaflow_extensions.namesake.auth.settings import Settings
from metaflow_extensions.namesake.auth.sources import Login
from metaflow_extensions.namesake.auth.store import Store

PENDING = Answer(400, {"error": "authorization_pending"})
SLOW_DOWN = Answer(400, {"error": "slow_down"})


def settings(provider: Provider, **more: str) -> Settings:
    return Settings(**{"issuer": provider.issuer, "client_id": CLIENT, **more})


def log_in(provider: Provider, **more: str) -> tuple[oidc.Tokens, list[float], list[oidc.Prompt]]:
    slept: list[float] = []
    prompts: list[oidc.Prompt] = []
    tokens = oidc.Provider(settings(provider, **more)).log_in(prompts.append, slept.append)
    return tokens, slept, prompts


def test_a_login_waits_as_long_as_the_provider_says(provider: Provider) -> None:
    provider.polls = [PENDING, SLOW_DOWN, PENDING, Answer(503, {})]
    tokens, slept, (prompt,) = log_in(provider)
    assert slept == [1, 1, 6, 6, 12], "slow_down adds 5 s, an outage doubles"
    assert prompt.code == "ABCD-EFGH" and prompt.address == f"{provider.issuer}/enter"
    assert tokens.refresh_token == "refresh-0"
    assert provider.forms("/device") == [{"client_id": CLIENT, "scope": "openid email offline_access"}]
    assert provider.forms("/token")[0] == {"client_id": CLIENT, "grant_type": oidc.DEVICE_GRANT, "device_code": "device-code"}


def test_the_interval_is_five_seconds_unless_the_provider_says_another(provider: Provider) -> None:
    provider.device = {}
    _, slept, _ = log_in(provider)
    assert slept == [5]


def test_a_client_of_google_has_a_secret_and_no_offline_scope(provider: Provider) -> None:
    provider.document = {"scopes_supported": ["openid", "email", "profile"]}
    log_in(provider, client_secret="not-confidential")
    assert provider.forms("/device")[0]["scope"] == "openid email"
    assert provider.forms("/token")[0]["client_secret"] == "not-confidential"
    log_in(provider, scopes="openid groups")
    assert provider.forms("/device")[1]["scope"] == "openid groups"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("access_denied", "the login was refused"),
        ("expired_token", "the code has expired"),
        ("invalid_scope", "refuses"),
    ],
)
def test_a_login_that_fails_says_why(provider: Provider, error: str, text: str) -> None:
    provider.polls = [PENDING, Answer(400, {"error": error})]
    with pytest.raises((NotLoggedInError, MisconfiguredError), match=text):
        log_in(provider)


def test_a_login_ends_with_its_code(provider: Provider) -> None:
    provider.device = {"expires_in": 3, "interval": 1}
    provider.polls = [PENDING] * 10
    with pytest.raises(NotLoggedInError, match="the code has expired"):
        log_in(provider)


def test_wrong_settings_are_named(provider: Provider) -> None:
    with pytest.raises(MisconfiguredError, match="METAFLOW_NAMESAKE_ISSUER is not set"):
        oidc.Provider(Settings(client_id="c"))
    with pytest.raises(MisconfiguredError, match="METAFLOW_NAMESAKE_CLIENT_ID is not set"):
        oidc.Provider(Settings(issuer="https://i"))
    with pytest.raises(MisconfiguredError, match="refuses device authorization for client other: no such client"):
        log_in(provider, client_id="other")
    with pytest.raises(MisconfiguredError, match="tokens are sent to https:// addresses only"):
        oidc.Provider(Settings(issuer="http://issuer.test", client_id="c"))
    provider.document = {"issuer": "https://other.test"}
    with pytest.raises(MisconfiguredError, match=r"is the document of https://other\.test: correct the issuer"):
        log_in(provider)
    provider.document = {"device_authorization_endpoint": None}
    with pytest.raises(MisconfiguredError, match="has no device_authorization_endpoint"):
        log_in(provider)


def test_an_unreachable_provider_is_named_with_the_cause(provider: Provider) -> None:
    provider.server.close()
    with pytest.raises(UnavailableError, match=rf"{provider.issuer}/\S+ cannot be reached: .*refused"):
        log_in(provider)


def login(provider: Provider, folder: Path) -> Login:
    login = Login(settings(provider), Store(folder / "login.json"))
    login.keep(log_in(provider)[0])
    return login


def test_another_process_uses_the_kept_login(provider: Provider, tmp_path: Path) -> None:
    token = login(provider, tmp_path).token()
    other = Login(settings(provider), Store(tmp_path / "login.json"))
    assert other.token() == token
    assert provider.refreshes == 0


def test_a_login_is_renewed_before_its_token_expires(provider: Provider, tmp_path: Path) -> None:
    provider.lifetime = 2
    renewed = login(provider, tmp_path)
    tokens = set()
    end = time.time() + 4
    while (now := time.time()) < end:
        token = renewed.token()
        assert token.expires_at > now
        tokens.add(token.text)
        time.sleep(0.05)
    assert len(tokens) >= 3
    assert provider.refreshes == len(tokens) - 1 and not provider.ended


def test_of_many_at_once_one_renews_the_login(provider: Provider, tmp_path: Path) -> None:
    # Each of its own, as in processes of their own; this provider ends a login whose refresh token comes twice.
    provider.lifetime = 0
    login(provider, tmp_path)
    provider.lifetime = 600
    logins = [Login(settings(provider), Store(tmp_path / "login.json")) for _ in range(8)]
    got: list[str] = []
    threads = [threading.Thread(target=lambda one=one: got.append(one.token().text)) for one in logins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8 and len(set(got)) == 1
    assert provider.refreshes == 1


def test_while_the_provider_is_down_a_valid_token_goes_on(provider: Provider, tmp_path: Path) -> None:
    provider.lifetime = 4
    kept = login(provider, tmp_path)
    provider.down = True
    token = kept.token()
    time.sleep(max(0.0, token.renew_at - time.time()) + 0.01)
    assert kept.token() == token, "it is about to expire, and still valid"
    time.sleep(max(0.0, token.expires_at - time.time()) + 0.01)
    with pytest.raises(UnavailableError, match="status 503"):
        kept.token()
    provider.down = False
    assert kept.token() != token


def test_a_login_that_the_provider_ended_says_what_to_do(provider: Provider, tmp_path: Path) -> None:
    provider.lifetime = 0
    kept = login(provider, tmp_path)
    provider.ended = True
    with pytest.raises(NotLoggedInError, match="has ended the login: run `python -m metaflow_namesake login`"):
        kept.token()


def test_logging_out_revokes_and_forgets(provider: Provider, tmp_path: Path) -> None:
    kept = login(provider, tmp_path)
    assert kept.forget()
    assert provider.ended
    assert not (tmp_path / "login.json").exists()
    with pytest.raises(NotLoggedInError, match="run `python -m metaflow_namesake login`"):
        kept.token()
    assert not kept.forget()


def test_one_can_log_out_while_the_provider_is_down(provider: Provider, tmp_path: Path) -> None:
    kept = login(provider, tmp_path)
    provider.server.close()
    assert kept.forget()
