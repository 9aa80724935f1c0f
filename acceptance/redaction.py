"""Replaces names of the owner's projects, cluster and people by placeholders that are valid names themselves."""

from __future__ import annotations

import re
from typing import Any

SOMEONE = "someone@example.com"
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# A node's name is also in the API server's messages.
NODE = re.compile(r"system:node:[\w.-]+")
# Accounts of this run and Google's own words, which stay.
KEPT = re.compile(r"^(?:nsa-[\w-]+|service-\d+|x)@|@(?:[\w-]+\.)?example\.com$")


class Redaction:
    """Text → placeholder."""

    def __init__(self, names: dict[str, str]) -> None:
        """Longer names come first, so that none is replaced inside another."""
        kept = {name: placeholder for name, placeholder in names.items() if name}
        ordered = sorted(kept, key=len, reverse=True)
        self._names = kept
        self._pattern = re.compile(r"(?<![\w-])(?:" + "|".join(re.escape(name) for name in ordered) + r")(?![\w-])")

    def redact(self, value: Any) -> Any:
        """The value with placeholders, in keys too."""
        if isinstance(value, dict):
            return {self._text(key): self.redact(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.redact(inner) for inner in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = NODE.sub("system:node:NODE", text)
        if self._names:
            text = self._pattern.sub(lambda match: self._names[match.group()], text)
        return EMAIL.sub(lambda match: match.group() if KEPT.search(match.group()) else SOMEONE, text)
