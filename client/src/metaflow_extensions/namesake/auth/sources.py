"""Where tokens come from: the pod, a command, or a login."""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import subprocess
import threading
import time
from pathlib import Path
from typing import Protocol

from . import oidc, settings
from .errors import LOG_IN, MisconfiguredError, NamesakeError, NotLoggedInError, UnavailableError
from .settings import Settings
from .store import Store, folder
from .token import Token

# How long a command may take, in seconds.
COMMAND_TIMEOUT = 60


class Source(Protocol):
    """Gives a valid token whenever one is needed."""

    # What the person does when the gateway does not accept the token.
    remedy: str

    def token(self) -> Token:
        """Return a token that is valid now.

        Raises:
            NamesakeError: there is none; the text says what to do.
        """


class Pod:
    """The projected token of the pod; the kubelet renews it, so it is read for each call."""

    remedy = "ask your platform team: the identity of this pod may be suspended, or the rules may not let its user in"

    def __init__(self, path: str) -> None:
        """Name the file."""
        self._path = Path(path)

    def token(self) -> Token:
        """Read the file."""
        try:
            return Token.received(self._path.read_text(encoding="utf-8").strip(), time.time())
        except OSError as error:
            raise MisconfiguredError(
                f"the token of this pod, {self._path}, cannot be read ({error.strerror}): ask your platform team whether the "
                "rules have endpoints.podTokens"
            ) from None


class Command:
    """A command that prints a token; run again when that token is about to expire."""

    def __init__(self, arguments: list[str], remedy: str) -> None:
        """Hold the command; it is run without a shell."""
        self._arguments = arguments
        self._kept: Token | None = None
        self._lock = threading.Lock()
        self.remedy = remedy

    def token(self) -> Token:
        """Run the command, if the last token is about to expire."""
        with self._lock:
            now = time.time()
            if self._kept is None or self._kept.renew_at <= now:
                try:
                    self._kept = Token.received(self._run(), now)
                except NamesakeError:
                    if self._kept is None or self._kept.expires_at <= now:
                        raise
            return self._kept

    def _run(self) -> str:
        command = shlex.join(self._arguments)
        try:
            done = subprocess.run(
                self._arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise NotLoggedInError(f"`{command}` has not ended after {COMMAND_TIMEOUT} s: {self.remedy}") from None
        except OSError as error:
            raise MisconfiguredError(f"`{command}` cannot be run ({error.strerror}): {self.remedy}") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
            raise NotLoggedInError(f"`{command}` failed with {done.returncode} ({said[0][:200]}): {self.remedy}")
        text = done.stdout.decode(errors="replace").strip()
        if not text or len(text.split()) != 1:
            raise NotLoggedInError(f"`{command}` does not print a token, and nothing else: {self.remedy}")
        return text


class Login:
    """A login at an identity provider, kept in a private file and renewed before its token expires."""

    remedy = LOG_IN

    def __init__(self, configured: Settings, store: Store) -> None:
        """Name the login; nothing is read yet."""
        self._settings = configured
        self._store = store
        self._kept: Token | None = None
        self._lock = threading.Lock()

    def token(self) -> Token:
        """Return the token of the login, renewed if it is about to expire."""
        with self._lock:
            if self._kept is None or self._kept.renew_at <= time.time():
                self._kept = self._stored() or self._renewed()
            return self._kept

    def keep(self, tokens: oidc.Tokens) -> None:
        """Keep a new login in place of any earlier one."""
        with self._store.locked():
            self._store.write(self._with({}, tokens))
        self._kept = None

    def forget(self) -> bool:
        """End the login, also at the provider, if that can be reached; false if there was none."""
        refresh_token = self._store.read().get("refresh_token")
        self._kept = None
        if refresh_token:
            # Without its file, the login cannot be used any more on this machine.
            with contextlib.suppress(MisconfiguredError, UnavailableError):
                oidc.Provider(self._settings).revoke(refresh_token)
        return self._store.remove()

    def _stored(self) -> Token | None:
        token = _token_in(self._store.read())
        return token if token and token.renew_at > time.time() else None

    def _renewed(self) -> Token:
        if not self._store.path.exists():
            raise NotLoggedInError(self.remedy)
        # Some providers end a login when its refresh token is used twice.
        with self._store.locked():
            by_another_process = self._stored()
            if by_another_process:
                return by_another_process
            content = self._store.read()
            try:
                fresh = self._refreshed(content.get("refresh_token"))
            except (NotLoggedInError, UnavailableError):
                token = _token_in(content)
                if token and token.expires_at > time.time():
                    return token
                raise
            self._store.write(self._with(content, fresh))
            return Token.received(fresh.id_token, time.time())

    def _refreshed(self, refresh_token: str | None) -> oidc.Tokens:
        if not refresh_token:
            raise NotLoggedInError(f"the login has expired, and the provider gave nothing to renew it with: {self.remedy}")
        return oidc.Provider(self._settings).refresh(refresh_token)

    @staticmethod
    def _with(content: dict[str, object], tokens: oidc.Tokens) -> dict[str, object]:
        kept = {"id_token": tokens.id_token, "refresh_token": tokens.refresh_token, "received_at": time.time()}
        return {**content, **kept}


def _token_in(content: dict[str, object]) -> Token | None:
    text, at = content.get("id_token"), content.get("received_at")
    return Token.received(text, at) if isinstance(text, str) and isinstance(at, float) else None


def store_of(configured: Settings) -> Store:
    """The private file of this service and this source."""
    parts = [configured.service, configured.source, configured.issuer, configured.client_id, configured.token_command]
    name = hashlib.sha256("\n".join(part or "" for part in parts).encode()).hexdigest()[:16]
    return Store(folder() / f"{name}.json")


def source_of(configured: Settings, store: Store) -> Source | None:
    """The configured source; `None` if there is none.

    Raises:
        MisconfiguredError: a setting is wrong.
    """
    kind = configured.source
    if kind == settings.POD:
        return Pod(configured.pod_token_file)
    if kind == settings.COMMAND:
        try:
            arguments = shlex.split(configured.token_command or "")
        except ValueError as error:
            raise MisconfiguredError(f"METAFLOW_NAMESAKE_TOKEN_COMMAND cannot be split into words: {error}") from None
        if not arguments:
            raise MisconfiguredError("METAFLOW_NAMESAKE_TOKEN_COMMAND is not set: set it to a command that prints a token")
        return Command(arguments, "correct METAFLOW_NAMESAKE_TOKEN_COMMAND, or log in with the program that it runs")
    if kind == settings.GCLOUD:
        return Command(["gcloud", "auth", "print-identity-token"], "run `gcloud auth login`")
    return Login(configured, store) if kind == settings.LOGIN else None
