"""Why the gateway cannot be called, as it is shown to people. No message contains a token."""

from __future__ import annotations

LOG_IN = "run `python -m metaflow_namesake login`"


class NamesakeError(Exception):
    """Anything that keeps the client from calling the gateway; its text says what to do."""


class MisconfiguredError(NamesakeError):
    """A setting is missing or wrong."""


class NotLoggedInError(NamesakeError):
    """There is no token, or the gateway does not accept it."""


class NotAllowedError(NamesakeError):
    """The gateway knows who it is, and refuses the request."""


class UnavailableError(NamesakeError):
    """A server cannot be reached, or fails: the same call may work later."""
