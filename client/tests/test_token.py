"""What is read of a token."""

from __future__ import annotations

import time

import pytest
from support import jwt

from metaflow_extensions.namesake.auth.token import Token


@pytest.mark.parametrize(("lifetime", "margin"), [(3600, 60), (300, 60), (10, 2)])
def test_a_token_is_renewed_before_it_expires(lifetime: float, margin: float) -> None:
    now = time.time()
    token = Token.received(jwt.mint("key", "alice", lifetime), now)
    assert token.renew_at == pytest.approx(now + lifetime - margin, abs=1)
    assert token.subject == "https://issuer.test alice"


def test_a_slow_clock_does_not_lengthen_a_token() -> None:
    behind = time.time() - 600
    token = Token.received(jwt.mint("key", "alice", 300), behind)
    assert token.expires_at == pytest.approx(behind + 300, abs=1)


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "a.W10.c", ""])
def test_what_is_not_a_jwt_is_used_once(text: str) -> None:
    token = Token.received(text, 100.0)
    assert token.renew_at == token.expires_at == 100.0
    assert token.subject is None


def test_a_token_is_not_in_its_representation() -> None:
    assert "secret" not in repr(Token.received("secret", 0.0))
