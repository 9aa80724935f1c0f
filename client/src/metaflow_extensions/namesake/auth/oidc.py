"""Logging in with an OpenID Connect provider: device authorization (RFC 8628), refresh and revocation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import web
from .errors import LOG_IN, MisconfiguredError, NamesakeError, NotLoggedInError, UnavailableError
from .settings import Settings, check_https

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# Between two polls, in seconds, if the provider says nothing, and what `slow_down` adds (RFC 8628, sections 3.2 and 3.5).
INTERVAL = 5.0


@dataclass(frozen=True)
class Tokens:
    """What a provider gave."""

    id_token: str
    refresh_token: str | None


@dataclass(frozen=True)
class Prompt:
    """What the person has to do."""

    address: str
    code: str
    address_with_code: str | None
    seconds: float


class Provider:
    """An identity provider, as its discovery document describes it."""

    def __init__(self, settings: Settings) -> None:
        """Read the discovery document.

        Raises:
            MisconfiguredError: issuer or client id are missing, or this is not the issuer's document.
            UnavailableError: the provider does not answer.
        """
        if not settings.issuer or not settings.client_id:
            missing = "CLIENT_ID" if settings.issuer else "ISSUER"
            raise MisconfiguredError(f"METAFLOW_NAMESAKE_{missing} is not set: your platform team knows its value")
        self._issuer, self._client_id, self._secret = settings.issuer, settings.client_id, settings.client_secret
        check_https("METAFLOW_NAMESAKE_ISSUER", self._issuer)
        url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        status, self._document = web.call("GET", url)
        if status != 200 or self._document.get("issuer") != self._issuer:
            said = f"is the document of {self._document['issuer']}" if "issuer" in self._document else f"has status {status}"
            raise MisconfiguredError(f"METAFLOW_NAMESAKE_ISSUER is {self._issuer}, but {url} {said}: correct the issuer")
        self._scopes = settings.scopes or self._default_scopes()

    def _default_scopes(self) -> str:
        # Most providers give a refresh token only for this scope; Google does not know the scope, and always gives one.
        offline = "offline_access" in self._document.get("scopes_supported", [])
        return "openid email offline_access" if offline else "openid email"

    def log_in(self, show: Callable[[Prompt], None], sleep: Callable[[float], None] = time.sleep) -> Tokens:
        """Let the person log in on any device; return when they have.

        Raises:
            NotLoggedInError: they refused, or took too long.
            MisconfiguredError: the provider has no device authorization, or does not know the client.
            UnavailableError: the provider does not answer.
        """
        status, body = self._post("device_authorization_endpoint", {"scope": self._scopes})
        if status != 200 or not isinstance(body.get("device_code"), str):
            raise self._refused("device authorization", body)
        prompt = Prompt(
            # Google's name for it is older than the RFC.
            address=str(body.get("verification_uri") or body.get("verification_url")),
            code=str(body.get("user_code")),
            address_with_code=body.get("verification_uri_complete"),
            seconds=float(body.get("expires_in", 600)),
        )
        show(prompt)
        form = {"grant_type": DEVICE_GRANT, "device_code": body["device_code"]}
        return self._poll(form, float(body.get("interval", INTERVAL)), prompt.seconds, sleep)

    def _poll(self, form: dict[str, str], interval: float, left: float, sleep: Callable[[float], None]) -> Tokens:
        while left > 0:
            sleep(interval)
            left -= interval
            try:
                status, body = self._post("token_endpoint", form)
            except UnavailableError:
                # RFC 8628, section 3.5: poll less often when the provider does not answer.
                interval *= 2
                continue
            error = body.get("error")
            if status == 200:
                return self._tokens(body, None)
            if error == "slow_down":
                interval += INTERVAL
            elif error == "access_denied":
                raise NotLoggedInError(f"{self._issuer} says that the login was refused: try again")
            elif error == "expired_token":
                break
            elif error != "authorization_pending":
                raise self._refused("the login", body)
        raise NotLoggedInError("the code has expired before anybody entered it: try again")

    def refresh(self, refresh_token: str) -> Tokens:
        """Get a new id token.

        Raises:
            NotLoggedInError: the login has ended.
            UnavailableError: the provider does not answer.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        status, body = self._post("token_endpoint", form)
        if body.get("error") == "invalid_grant":
            raise NotLoggedInError(f"{self._issuer} has ended the login: {LOG_IN}")
        if status != 200:
            raise self._refused("to renew the login", body)
        return self._tokens(body, refresh_token)

    def revoke(self, refresh_token: str) -> bool:
        """Tell the provider that the login has ended; false if it cannot be told."""
        if "revocation_endpoint" not in self._document:
            return False
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        status, _ = self._post("revocation_endpoint", form)
        return status == 200

    def _post(self, endpoint: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        url = self._document.get(endpoint)
        if not isinstance(url, str):
            raise MisconfiguredError(f"{self._issuer} has no {endpoint}: ask for a client that may use device authorization")
        check_https(endpoint, url)
        # In the form, as Google expects it from TV and desktop clients; other providers know no secret of such clients.
        secret = {"client_secret": self._secret} if self._secret else {}
        return web.call("POST", url, form={"client_id": self._client_id, **secret, **form})

    def _tokens(self, body: dict[str, Any], refresh_token: str | None) -> Tokens:
        if not isinstance(body.get("id_token"), str):
            raise MisconfiguredError(f"{self._issuer} gives no id token: METAFLOW_NAMESAKE_SCOPES must contain openid")
        # A provider that rotates refresh tokens sends another one.
        return Tokens(body["id_token"], body.get("refresh_token") or refresh_token)

    def _refused(self, what: str, body: dict[str, Any]) -> NamesakeError:
        said = body.get("error_description") or body.get("error") or "without a reason"
        return MisconfiguredError(f"{self._issuer} refuses {what} for client {self._client_id}: {said}")
