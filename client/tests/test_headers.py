"""SERVICE_HEADERS, as the parts of Metaflow use them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from conftest import ALICE, run, token_command

from metaflow_extensions.namesake.auth.headers import ServiceHeaders


def headers(configured: dict[str, str]) -> ServiceHeaders:
    counter = itertools.count(1)
    return ServiceHeaders(configured, lambda: f"token-{next(counter)}")


def test_each_copy_has_a_fresh_token_and_the_users_headers() -> None:
    fresh = headers({"x-team": "research", "authorization": "Basic old"})
    assert fresh.copy() == {"x-team": "research", "Authorization": "Bearer token-1"}
    assert fresh.copy() == {"x-team": "research", "Authorization": "Bearer token-2"}


def test_what_metaflow_writes_into_pods_and_templates_has_nothing_secret() -> None:
    assert json.dumps(headers({})) == "{}"
    configured = {"x-team": "research", "Authorization": "Bearer t", "cookie": "c", "X-Api-Key": "k"}
    assert json.dumps(headers(configured)) == '{"x-team": "research"}'
    assert json.dumps([headers(configured)], indent=1, sort_keys=True).count("research") == 1
    assert "Bearer" not in repr(headers(configured)) and dict(headers(configured).items()) == {"x-team": "research"}


def test_publishing_an_event_updates_its_headers_with_the_token() -> None:
    event = {"content-type": "application/json"}
    event.update(headers({"x-team": "research"}))
    assert event.keys() == {"content-type", "x-team", "Authorization"}
    assert event["Authorization"].startswith("Bearer token-")


def test_without_a_token_the_users_own_credentials_are_sent() -> None:
    plain = ServiceHeaders({"authorization": "Basic a", "x-api-key": "k"}, lambda: None)
    assert plain.copy() == {"authorization": "Basic a", "x-api-key": "k"}


def test_metaflows_configuration_has_them(distribution: Path, tmp_path: Path) -> None:
    program = (
        "import json; from metaflow.metaflow_config import SERVICE_HEADERS as headers\n"
        "assert headers.copy()['Authorization'].startswith('Bearer ey') and headers.copy()['x-api-key'] == 'k'\n"
        "print(json.dumps(headers))"
    )
    settings = {
        "PYTHONPATH": str(distribution),
        "METAFLOW_SERVICE_URL": "https://metaflow.test",
        "METAFLOW_SERVICE_HEADERS": '{"x-team": "research"}',
        "METAFLOW_SERVICE_AUTH_KEY": "k",
        "METAFLOW_NAMESAKE_TOKEN_COMMAND": token_command(ALICE, 600),
    }
    done = run(["-c", program], settings, tmp_path)
    assert done.stdout == '{"x-team": "research"}\n', done.stderr
