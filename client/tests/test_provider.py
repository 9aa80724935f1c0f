"""A certified identity provider, if one runs: NAMESAKE_TEST_ISSUER is its URL, and alice may log in as client metaflow-cli."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from support.browser import enter_code

from metaflow_extensions.namesake.auth import oidc
from metaflow_extensions.namesake.auth.errors import NotLoggedInError
from metaflow_extensions.namesake.auth.settings import Settings
from metaflow_extensions.namesake.auth.sources import Login
from metaflow_extensions.namesake.auth.store import Store

# Read here, because the tests remove such variables from their environment.
ISSUER = os.environ.get("NAMESAKE_TEST_ISSUER")
CONFIGURED = Settings(issuer=ISSUER, client_id="metaflow-cli")


@pytest.mark.skipif(ISSUER is None, reason="NAMESAKE_TEST_ISSUER is not set")
def test_a_person_logs_in_and_stays_logged_in_until_they_log_out(tmp_path: Path) -> None:
    def browse(prompt: oidc.Prompt) -> None:
        assert prompt.address_with_code
        threading.Thread(target=enter_code, args=(prompt.address_with_code, "alice")).start()

    tokens = oidc.Provider(CONFIGURED).log_in(browse)
    login = Login(CONFIGURED, Store(tmp_path / "login.json"))
    login.keep(tokens)
    first = login.token()
    assert first.subject == f"{ISSUER} alice"
    time.sleep(max(0.0, first.renew_at - time.time()))
    second = login.token()
    assert second.text != first.text and second.expires_at > first.expires_at
    assert login.forget()
    with pytest.raises(NotLoggedInError):
        login.token()
