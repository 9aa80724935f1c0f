"""Calls to the identity provider and to the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

# To connect, and between two bytes, in seconds.
TIMEOUT = (5, 20)


def call(method: str, url: str, *, bearer: str | None = None, form: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Call a server; return the status and the JSON object of the answer, which is empty if the answer has none.

    Raises:
        UnavailableError: there is no answer, or it is that of a server that fails.
    """
    # Only now: Metaflow imports this package in pods before it has installed requests there.
    import requests

    auth = _authorized(bearer) if bearer else None
    try:
        # A redirect would send the form to another address.
        answer = requests.request(method, url, data=form, auth=auth, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise UnavailableError(f"{url} cannot be reached: {_cause(error)}") from None
    if answer.status_code >= 500 or answer.status_code == 429:
        raise UnavailableError(f"{url} answers with status {answer.status_code}: try again later")
    try:
        body = answer.json()
    except ValueError:
        body = {}
    return answer.status_code, body if isinstance(body, dict) else {}


def _authorized(bearer: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    # As an authentication of its own, the header is not replaced by an entry of ~/.netrc.
    def add_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {bearer}"
        return request

    return add_header


def _cause(error: BaseException) -> str:
    # The innermost cause says what happened; the outer ones repeat the request.
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        reason = getattr(error, "reason", None)
        inner = reason if isinstance(reason, Exception) else inner
        if not isinstance(inner, Exception):
            return str(error)
        error = inner
