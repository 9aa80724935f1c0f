"""Metaflow's provider `service`, with clear errors and the proven user."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import metaflow.metaflow_config as metaflow_config
from metaflow.exception import MetaflowException
from metaflow.plugins.metadata_providers.service import ServiceException, ServiceMetadataProvider
from metaflow.util import get_username

from ..auth import web
from ..auth.errors import NamesakeError, UnavailableError
from ..auth.session import current, name_user


class NamesakeException(MetaflowException):
    """Shown to the person who started the command."""

    headline = "Metaflow service"


class RefusedException(ServiceException):
    """The service answered 401 or 403."""

    headline = "Metaflow service"


class NamesakeMetadataProvider(ServiceMetadataProvider):
    """Metaflow's provider; what it adds calls the same methods with the same arguments."""

    TYPE = "service"

    @classmethod
    def compute_info(cls, val: str) -> str:
        """Check that the service lets this user in, which Metaflow would call unreachable."""
        service = val.rstrip("/")
        with _shown():
            token = _token()
            status, body = web.call("GET", f"{service}/ping", bearer=token)
            if status in (401, 403):
                raise current().refusal(service, status, body)
        return str(super().compute_info(val))

    def new_run_id(self, tags: Any = None, sys_tags: Any = None) -> Any:
        """Create a run of the proven user."""
        self._name_user()
        return super().new_run_id(tags=tags, sys_tags=sys_tags)

    def register_run_id(self, run_id: Any, tags: Any = None, sys_tags: Any = None) -> Any:
        """Register a run of the proven user."""
        self._name_user()
        return super().register_run_id(run_id, tags=tags, sys_tags=sys_tags)

    @classmethod
    def _request(cls, *args: Any, **kwargs: Any) -> Any:
        with _shown():
            _token()
        with _explained():
            answer = super()._request(*args, **kwargs)
            # A raw answer is tried again ten times.
            status = getattr(answer[0], "status_code", None)
            if status in (401, 403):
                raise ServiceException("refused", status, answer[0].text)
            return answer

    @classmethod
    def _version(cls, *args: Any, **kwargs: Any) -> Any:
        with _shown():
            _token()
        with _explained():
            return super()._version(*args, **kwargs)

    def _name_user(self) -> None:
        with _shown():
            user = _again(current().user)
        before = get_username()
        name_user(current(), user)
        if user and user != before:
            metaflow_config.USER = user
            # Metaflow has tagged the run already, before there was a call.
            self.sticky_sys_tags = {tag for tag in self.sticky_sys_tags if tag != f"user:{before}"} | {f"user:{user}"}


def _token() -> str | None:
    token = _again(current().token)
    return token.text if token else None


def _again(call: Any) -> Any:
    # As often as Metaflow tries again when the service itself does not answer.
    for tried in range(metaflow_config.SERVICE_RETRY_COUNT):
        try:
            return call()
        except UnavailableError:
            if tried + 1 >= metaflow_config.SERVICE_RETRY_COUNT:
                raise
            time.sleep(2**tried)
    return None


@contextlib.contextmanager
def _shown() -> Iterator[None]:
    try:
        yield
    except NamesakeError as error:
        raise NamesakeException(str(error)) from None


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ServiceException as error:
        if error.http_code not in (401, 403):
            raise
        try:
            body = json.loads(error.response)
        except (TypeError, ValueError):
            body = {}
        service = str(getattr(NamesakeMetadataProvider, "INFO"))  # noqa: B009 - a property of the metaclass
        refusal = current().refusal(service, error.http_code, body if isinstance(body, dict) else {})
        raise RefusedException(str(refusal), error.http_code, error.response) from None
