"""Removes tokens from whatever is recorded. Also runs in pods, so that no token leaves them."""

from __future__ import annotations

import re
from typing import Any

# The first seven characters say of which kind a token is, and are kept.
TOKEN = re.compile(r"(ya29\.[\w.-]{2})[\w.-]+")
JWT = re.compile(r"eyJ[\w-]+\.[\w-]*\.?[\w-]*")
# Whatever such a field of an answer holds is a secret, in any form.
SECRET_FIELDS = {"accessToken", "access_token", "id_token", "token", "signedBlob", "signedJwt", "privateKeyData", "key"}


class Scrubber:
    """Replaces each token by a text, the same token always by the same text."""

    def __init__(self) -> None:
        """Knows no token yet."""
        self.known: dict[str, int] = {}

    def scrub(self, value: Any, field: str = "") -> Any:
        """The value without tokens."""
        if isinstance(value, dict):
            return {key: self.scrub(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.scrub(inner, field) for inner in value]
        if not isinstance(value, str):
            return value
        clean = JWT.sub("<jwt>", TOKEN.sub(self._named, value))
        return "<secret>" if field in SECRET_FIELDS and clean == value and not value.startswith("<") else clean

    def _named(self, match: re.Match[str]) -> str:
        number = self.known.setdefault(match.group(), len(self.known) + 1)
        return f"<token {match.group(1)} {number}>"
