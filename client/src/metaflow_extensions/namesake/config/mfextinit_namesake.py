"""What the extension changes in Metaflow's configuration: `SERVICE_HEADERS`, and `USER` if it is known without a call."""

from __future__ import annotations

# The module is being imported and has read these two already; it takes over what this module defines.
from metaflow.metaflow_config import SERVICE_HEADERS as _CONFIGURED
from metaflow.metaflow_config import USER

from ..auth.errors import NamesakeError as _NamesakeError
from ..auth.headers import ServiceHeaders as _ServiceHeaders
from ..auth.session import current as _current
from ..auth.session import name_user as _name_user


def _token() -> str | None:
    # An error would end the thread of the heartbeats; without a token, the service answers 401, and the next one may be valid.
    try:
        token = _current().token()
    except _NamesakeError:
        return None
    return token.text if token else None


SERVICE_HEADERS = _ServiceHeaders(_CONFIGURED, _token)
_known = _current().known_user()
_name_user(_current(), _known)
USER = _known or USER
