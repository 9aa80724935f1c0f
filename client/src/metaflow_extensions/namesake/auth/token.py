"""A bearer token, with what can be read of it: the gateway verifies it, not the client."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

# A token is renewed this long before it expires, in seconds, or after four fifths of a shorter lifetime.
MARGIN = 60.0


@dataclass(frozen=True)
class Token:
    """A token that was received at some time; times are in seconds since the epoch."""

    text: str = field(repr=False)
    subject: str | None
    renew_at: float
    expires_at: float

    @staticmethod
    def received(text: str, at: float) -> Token:
        """Read a token. One that is not a JWT is used once, because nobody knows how long it is valid."""
        claims = _claims(text)
        expires, issued = claims.get("exp"), claims.get("iat")
        if not isinstance(expires, (int, float)):
            return Token(text, None, at, at)
        lifetime = float(expires) - (float(issued) if isinstance(issued, (int, float)) else at)
        # The clock of this machine may be slow: then the token ends after its lifetime, before `exp` comes.
        expires_at = min(float(expires), at + lifetime)
        subject = f"{claims.get('iss', '')} {claims.get('sub', '')}"
        return Token(text, subject, expires_at - min(MARGIN, lifetime / 5), expires_at)


def _claims(text: str) -> dict[str, Any]:
    try:
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
