"""The one place where this process gets its token and its user from."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any

from . import settings, web
from .errors import MisconfiguredError, NamesakeError, NotAllowedError, NotLoggedInError
from .settings import Settings
from .sources import Login, Source, source_of, store_of
from .token import Token

# Where the gateway says who the caller is (api/src/names/gateway.rs).
WHOAMI_PATH = "/namesake/whoami"


class Session:
    """Settings, and the source of tokens that follows from them."""

    def __init__(self, configured: Settings) -> None:
        """Hold the settings; wrong ones are an error only when a call is made."""
        self.settings = configured
        self._source: Source | None = None
        self._user: tuple[str | None, str | None] | None = None

    @property
    def source(self) -> Source | None:
        """The source of tokens; `None` if none is configured."""
        if self._source is None:
            self._source = source_of(self.settings, store_of(self.settings))
        return self._source

    def token(self) -> Token | None:
        """Return a token that is valid now; `None` if no source is configured.

        Raises:
            NamesakeError: there is none; the text says what to do.
        """
        if self.source is None:
            return None
        self.settings.check_transport()
        try:
            return self.source.token()
        except NotLoggedInError as error:
            raise NotLoggedInError(f"Not logged in at {self.settings.service}: {error}") from None

    def known_user(self) -> str | None:
        """Return the user that was proven the last time, without a call."""
        try:
            if self.settings.is_pod or self.settings.source == settings.NONE:
                return None
            user = store_of(self.settings).read().get("user")
        except NamesakeError:
            return None
        return user if isinstance(user, str) else None

    def user(self) -> str | None:
        """Return the user that the token proves; the gateway is asked once for each subject of a token.

        `None` in a pod, where the webhook sets the variable, and where no gateway answers.

        Raises:
            NamesakeError: there is no token, or the gateway refuses it.
        """
        if self.settings.is_pod:
            return None
        token = self.token()
        if token is None:
            return None
        if self._user is None or self._user[0] != token.subject:
            self._user = (token.subject, self._stored_user(token) or self.prove(token).get("user"))
        return self._user[1]

    def _stored_user(self, token: Token) -> str | None:
        kept = store_of(self.settings).read()
        is_same = token.subject is not None and kept.get("subject") == token.subject
        return kept.get("user") if is_same else None

    def prove(self, token: Token | None) -> dict[str, Any]:
        """Ask the gateway who the caller is, and keep the user for the next command.

        Raises:
            NamesakeError: the gateway refuses the token, or does not answer.
        """
        answer = self.who_am_i(token)
        if token and answer.get("user"):
            store = store_of(self.settings)
            # Where nothing can be kept, the next command asks again.
            with contextlib.suppress(MisconfiguredError), store.locked():
                store.write({**store.read(), "subject": token.subject, "user": answer["user"]})
        return answer

    def forget(self) -> bool:
        """Forget the user, and end the login, if there is one; false if there was nothing to forget."""
        if isinstance(self.source, Login):
            return self.source.forget()
        return store_of(self.settings).remove()

    def who_am_i(self, token: Token | None) -> dict[str, Any]:
        """Ask the gateway who the caller is; empty if there is no gateway of Namesake.

        Raises:
            NamesakeError: the gateway refuses the token, or does not answer.
        """
        if not self.settings.service:
            raise MisconfiguredError("METAFLOW_SERVICE_URL is not set: your platform team knows its value")
        url = self.settings.service + WHOAMI_PATH
        status, body = web.call("GET", url, bearer=token.text if token else None)
        if status in (401, 403):
            raise self.refusal(self.settings.service, status, body)
        return body if status == 200 else {}

    def refusal(self, service: str, status: int, body: dict[str, Any]) -> NamesakeError:
        """Describe an answer of status 401 or 403."""
        message = body.get("message")
        said = f" (the gateway says: {message})" if message else ""
        if status == 403:
            # The gateway's own words say what to do.
            return NotAllowedError(f"Not allowed at {service}: {message or 'the gateway does not say why'}")
        if self.source is None:
            remedy = "set METAFLOW_NAMESAKE_ISSUER and METAFLOW_NAMESAKE_CLIENT_ID as your platform team says, then log in"
        else:
            remedy = self.source.remedy
        return NotLoggedInError(f"Not logged in at {service}: {remedy}{said}")


@functools.cache
def current() -> Session:
    """The session of this process."""
    return Session(settings.load())


def name_user(session: Session, user: str | None) -> None:
    """Make this process, and those that it starts, name the proven user to Metaflow."""
    if user and not session.settings.is_pod:
        os.environ["METAFLOW_USER"] = user
