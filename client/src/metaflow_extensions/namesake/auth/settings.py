"""What is configured: variables of the environment, or keys of Metaflow's file `~/.metaflowconfig/config.json`."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import MisconfiguredError

POD = "pod"
COMMAND = "command"
GCLOUD = "gcloud"
LOGIN = "login"
NONE = "none"
SOURCES = (POD, COMMAND, GCLOUD, LOGIN, NONE)

# In a pod, Namesake's webhook sets the variable and mounts the file (api/src/names/gateway.rs).
POD_TOKEN_FILE_VARIABLE = "NAMESAKE_GATEWAY_TOKEN_FILE"  # noqa: S105 - the name of a variable
POD_TOKEN_FILE = "/var/run/secrets/namesake.dev/gateway/token"  # noqa: S105 - a path


@dataclass(frozen=True)
class Settings:
    """What is configured. Empty settings are `None`."""

    service: str | None = None
    token_source: str | None = None
    token_command: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    scopes: str | None = None
    pod_token_file: str = POD_TOKEN_FILE

    @property
    def is_pod(self) -> bool:
        """Whether this process runs in a task pod."""
        return os.environ.get("METAFLOW_KUBERNETES_WORKLOAD") is not None or self.has_pod_token

    @property
    def has_pod_token(self) -> bool:
        """Whether the pod has a token for the gateway."""
        return POD_TOKEN_FILE_VARIABLE in os.environ or os.path.exists(self.pod_token_file)  # noqa: PTH110 - false, not an error

    @property
    def source(self) -> str:
        """Where tokens come from: what `NAMESAKE_TOKEN_SOURCE` says, or else what is there."""
        if self.token_source is not None:
            if self.token_source not in SOURCES:
                raise MisconfiguredError(
                    f"METAFLOW_NAMESAKE_TOKEN_SOURCE is {self.token_source!r}: set it to one of {', '.join(SOURCES)}"
                )
            return self.token_source
        if self.has_pod_token:
            return POD
        if self.token_command:
            return COMMAND
        return LOGIN if self.issuer or self.client_id else NONE

    def check_transport(self) -> None:
        """Refuse to send somebody's token over a network unencrypted; in a cluster the admin decides.

        Raises:
            MisconfiguredError: the service's URL begins with `http:` and is not on this machine.
        """
        if self.service and self.source != POD:
            check_https("METAFLOW_SERVICE_URL", self.service)


def check_https(name: str, url: str) -> None:
    """Check that what is sent to this URL can only be read by its server.

    Raises:
        MisconfiguredError: it cannot be sent safely.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_this_machine(host):
        return
    raise MisconfiguredError(f"{name} is {url}: tokens are sent to https:// addresses only (http:// only on this machine)")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load() -> Settings:
    """Read the settings. `METAFLOW_` may be left out of the names of variables."""
    from metaflow.metaflow_config import SERVICE_URL
    from metaflow.metaflow_config_funcs import from_conf

    def setting(name: str) -> str | None:
        value = os.environ.get(f"NAMESAKE_{name}") or from_conf(f"NAMESAKE_{name}")
        return str(value) if value else None

    return Settings(
        service=SERVICE_URL.rstrip("/") if SERVICE_URL else None,
        token_source=setting("TOKEN_SOURCE"),
        token_command=setting("TOKEN_COMMAND"),
        issuer=setting("ISSUER"),
        client_id=setting("CLIENT_ID"),
        client_secret=setting("CLIENT_SECRET"),
        scopes=setting("SCOPES"),
        pod_token_file=os.environ.get(POD_TOKEN_FILE_VARIABLE, POD_TOKEN_FILE),
    )
