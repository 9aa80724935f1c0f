"""Google's REST APIs by urllib, so that whole error bodies can be recorded."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cleanup import check_stopped

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
FORM = "application/x-www-form-urlencoded"
TIMEOUT_SECONDS = 60
# Service → gcloud's name for an override of its URL, its own URL.
SERVICES = {
    "iam": ("IAM", "https://iam.googleapis.com"),
    "credentials": ("IAMCREDENTIALS", "https://iamcredentials.googleapis.com"),
    "sts": ("STS", "https://sts.googleapis.com"),
    "projects": ("CLOUDRESOURCEMANAGER", "https://cloudresourcemanager.googleapis.com"),
    "storage": ("STORAGE", "https://storage.googleapis.com"),
    "oauth2": ("OAUTH2", "https://oauth2.googleapis.com"),
}


class PreconditionError(Exception):
    """What must be changed before the script can run."""


@dataclass
class Answer:
    """Status and body of an answer; a body that is not JSON is a text."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The text of an error."""
        error = self.body.get("error", "") if isinstance(self.body, dict) else self.body
        return str(error.get("message", "")) if isinstance(error, dict) else str(error)


def base_urls() -> dict[str, str]:
    """The URL of each service. gcloud's override of storage ends in a path that our paths contain already."""
    urls = {}
    for service, (name, default) in SERVICES.items():
        url = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}") or default
        urls[service] = url.rstrip("/").removesuffix("/storage/v1")
    return urls


def owner_token() -> str:
    """The access token of whoever runs the script."""
    if token := os.environ.get("CLOUDSDK_AUTH_ACCESS_TOKEN"):
        return token
    if file := os.environ.get("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    command = ["gcloud", "auth", "print-access-token"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", "") or error
        raise PreconditionError(
            f"no access token: run `gcloud auth login`, or set CLOUDSDK_AUTH_ACCESS_TOKEN ({detail})"
        ) from error
    return done.stdout.strip()


@dataclass
class Google:
    """Sends requests as callers whose tokens are known."""

    tokens: dict[str, str]
    urls: dict[str, str] = field(default_factory=base_urls)

    def send(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        caller: str = "owner",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; repeated only if nothing answered, or with a 503."""
        check_stopped()
        if method == "EDIT":
            return self._edit(service, path, body, caller)
        for wait in (1, 3, 9, 0):
            try:
                answer = self._send_once(service, method, path, body, caller, headers or {})
            except OSError as error:
                if not wait:
                    raise
                answer = Answer(0, str(error))
            if answer.status not in (0, 503) or not wait:
                return answer
            time.sleep(wait)
        raise AssertionError

    def _send_once(self, service: str, method: str, path: str, body: Any, caller: str, headers: dict[str, str]) -> Answer:
        headers = {"Content-Type": "application/json"} | headers
        if headers["Content-Type"] == FORM:
            data: bytes | None = urllib.parse.urlencode(body).encode()
        else:
            data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.urls[service] + path, data=data, method=method)  # noqa: S310 - Google, or an override
        for name, value in headers.items():
            request.add_header(name, value)
        if caller != "none":
            request.add_header("Authorization", f"Bearer {self.tokens[caller]}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return Answer(answer.status, _parse(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _parse(error.read()))

    def _edit(self, service: str, path: str, body: Any, caller: str) -> Answer:
        """Adds or removes one binding of a policy. The rest of the policy is the owner's, and never returned."""
        for _ in range(5):
            options = {"options": {"requestedPolicyVersion": 3}}
            read = self.send(service, "POST", f"{path}:getIamPolicy", options, caller)
            if not read.ok:
                return read
            bindings = [bound for bound in read.body.get("bindings", []) if bound != body.get("remove")]
            bindings += [body["add"]] if "add" in body else []
            policy = read.body | {"version": 3, "bindings": bindings}
            written = self.send(service, "POST", f"{path}:setIamPolicy", {"policy": policy}, caller)
            if written.status != 409:
                return Answer(written.status, {}) if written.ok else written
        return written


def _parse(data: bytes) -> Any:
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


def quoted(name: str) -> str:
    """A name as one segment of a path."""
    return urllib.parse.quote(name, safe="")
