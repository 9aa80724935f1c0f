"""An identity provider with device authorization (RFC 8628). It ends a login when a refresh token is used twice."""

from __future__ import annotations

import threading
from typing import Any

from .jwt import mint
from .server import Answer, Request, Server

CLIENT = "metaflow-cli"


class Provider:
    """A provider. `polls` are its answers to the first polls; then the login succeeds."""

    def __init__(self, key: str, subject: str, lifetime: float = 3600) -> None:
        self._key, self._subject = key, subject
        self.lifetime = lifetime
        self.polls: list[Answer] = []
        self.device: dict[str, Any] = {"interval": 1, "expires_in": 600}
        self.document: dict[str, Any] = {"scopes_supported": ["openid", "email", "offline_access"]}
        self.down = False
        self.refreshes = 0
        self.ended = False
        self._valid = "refresh-0"
        self._lock = threading.Lock()
        self.server = Server(self._answer)

    @property
    def issuer(self) -> str:
        """Its URL."""
        return self.server.url

    def forms(self, path: str) -> list[dict[str, str]]:
        """The forms that came to a path."""
        return [request.form for request in self.server.requests if request.path == path]

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            if self.down:
                return Answer(503, {})
            if request.path == "/.well-known/openid-configuration":
                endpoints = {
                    "device_authorization_endpoint": f"{self.issuer}/device",
                    "token_endpoint": f"{self.issuer}/token",
                    "revocation_endpoint": f"{self.issuer}/revoke",
                }
                return Answer(200, {"issuer": self.issuer, **endpoints, **self.document})
            if request.form.get("client_id") != CLIENT:
                return Answer(401, {"error": "invalid_client", "error_description": "no such client"})
            return {"/device": self._device, "/token": self._token, "/revoke": self._revoke}[request.path](request)

    def _device(self, _: Request) -> Answer:
        address = f"{self.issuer}/enter"
        codes = {"device_code": "device-code", "user_code": "ABCD-EFGH", "verification_uri": address}
        return Answer(200, {**codes, "verification_uri_complete": f"{address}?code=ABCD-EFGH", **self.device})

    def _token(self, request: Request) -> Answer:
        if request.form["grant_type"] == "refresh_token":
            if request.form["refresh_token"] != self._valid or self.ended:
                self.ended = True
                return Answer(400, {"error": "invalid_grant"})
            self.refreshes += 1
        elif self.polls:
            return self.polls.pop(0)
        self._valid = f"refresh-{self.refreshes}"
        return Answer(200, {"id_token": mint(self._key, self._subject, self.lifetime), "refresh_token": self._valid})

    def _revoke(self, request: Request) -> Answer:
        self.ended = request.form["token"] == self._valid
        return Answer(200, {})
