"""JSON Web Tokens, signed with a key of the tests. As a program it prints one: KEY SUBJECT LIFETIME [COUNTER_FILE]."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any


def mint(key: str, subject: str, lifetime: float, **claims: Any) -> str:
    """Sign a token that is valid for so many seconds."""
    now = time.time()
    claims = {"iss": "https://issuer.test", "sub": subject, "iat": now, "exp": now + lifetime, "jti": str(uuid.uuid4()), **claims}
    signed = f"{_encoded(json.dumps({'alg': 'HS256'}))}.{_encoded(json.dumps(claims))}"
    return f"{signed}.{_signature(key, signed)}"


def verify(key: str, token: str) -> dict[str, Any] | None:
    """Return the claims of a token that is valid now."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _signature(key, signed)):
        return None
    payload = signed.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims if claims["exp"] > time.time() else None


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _signature(key: str, signed: str) -> str:
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        with Path(sys.argv[4]).open("a") as file:
            file.write("called\n")
    print(mint(sys.argv[1], sys.argv[2], float(sys.argv[3])))
