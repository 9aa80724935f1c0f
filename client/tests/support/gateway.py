"""A gateway: it lets valid tokens through to a metadata service, and only runs of the token's user."""

from __future__ import annotations

import json
from typing import Any

import requests

from .jwt import verify
from .server import Answer, Request, Server


class Gateway:
    """Checks each call, as Namesake's gateway does."""

    def __init__(self, key: str, service: str | None = None) -> None:
        self._key = key
        self._service = service
        self.server = Server(self._answer)

    @property
    def url(self) -> str:
        """Its address."""
        return self.server.url

    @property
    def tokens(self) -> set[str | None]:
        """All tokens that came."""
        return {request.bearer for request in self.server.requests}

    def paths(self, end: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.server.requests if request.path.endswith(end)]

    def _answer(self, request: Request) -> Answer:
        claims = verify(self._key, request.bearer) if request.bearer else None
        if claims is None:
            return Answer(401, {"message": "the token is missing or has expired", "reason": "Unauthenticated"})
        user = claims["sub"]
        if request.path == "/namesake/whoami":
            return Answer(200, {"user": user})
        if request.method == "POST" and request.path.endswith("/run"):
            refusal = _foreign(json.loads(request.body), user)
            if refusal:
                return Answer(403, {"message": refusal, "reason": "NotYourRun"})
        if user == "mallory@acme.com":
            return Answer(403, {"message": "mallory@acme.com may not read: ask the platform team", "reason": "NotAllowed"})
        if self._service is None:
            return Answer(200, {}, (("METADATA_SERVICE_VERSION", "2.5.0"),))
        return self._forwarded(request)

    def _forwarded(self, request: Request) -> Answer:
        headers = {"content-type": request.headers.get("content-type", "application/json")}
        url = f"{self._service}{request.path}"
        answer = requests.request(request.method, url, data=request.body, headers=headers, timeout=20)
        kept = [(n, v) for n, v in answer.headers.items() if n.lower() in ("metadata_service_version", "content-type")]
        body = answer.content
        if request.path.endswith("/heartbeat"):
            # More often than every ten seconds, so that a short flow has some.
            body = json.dumps(json.dumps({"wait_time_in_seconds": 1})).encode()
        return Answer(answer.status_code, body, tuple(kept))


def _foreign(body: dict[str, Any], user: str) -> str | None:
    says = [body["user_name"], *(tag[5:] for tag in body["system_tags"] if tag.startswith("user:"))]
    wrong = [name for name in says if name != user]
    return f"this run says that it is {wrong[0]}'s, and you are {user}" if wrong else None
