"""Metaflow's `SERVICE_HEADERS`, with a token that is always fresh and never written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping

# Headers that are never written into a pod or a template: what the webhook removes too, and that of METAFLOW_SERVICE_AUTH_KEY.
SECRETS = ("authorization", "proxy-authorization", "cookie", "x-goog-iap-jwt-assertion", "x-api-key")


class ServiceHeaders(dict[str, str]):
    """A dict of the headers that are not secret; a copy of it has the others too.

    Metaflow copies it for each call to the metadata service and each heartbeat, updates another dict with it to publish an event,
    and writes it into pods and templates as JSON.
    """

    def __init__(self, configured: Mapping[str, str], token: Callable[[], str | None]) -> None:
        """Hold the configured headers, and how to get a token."""
        super().__init__({name: value for name, value in configured.items() if name.lower() not in SECRETS})
        self._secret = {name: value for name, value in configured.items() if name.lower() in SECRETS}
        self._token = token

    def copy(self) -> dict[str, str]:
        """Return all headers, with a fresh token. Without one, the service answers what is wrong."""
        token = self._token()
        headers = dict(self.items()) | self._secret
        if token is not None:
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            headers["Authorization"] = f"Bearer {token}"
        return headers

    # `other.update(headers)` takes these two if there is an `__iter__` of its own, and would otherwise read the dict itself.
    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """Return the names of all headers."""
        return self.copy().keys()

    def __getitem__(self, name: str) -> str:
        """Return a header, secret or not."""
        return self.copy()[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the headers that are not secret."""
        return super().__iter__()
