"""Runs in a pod: sends requests to its metadata server, and prints the answers without tokens, one JSON object a line."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from typing import Any

from scrub import Scrubber

# The metadata server refuses connections during the first seconds of a pod, as GKE documents.
PATIENCE_SECONDS = 40
SCRUBBER = Scrubber()


def metadata_host() -> str:
    """The metadata server: by its name, as Google's libraries find it."""
    return os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")


def ask(path: str, headers: dict[str, str]) -> dict[str, Any]:
    """One request, without following redirects."""
    connection = http.client.HTTPConnection(metadata_host(), timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        shown = {
            name: answer.headers[name] for name in ("Metadata-Flavor", "Content-Type", "Location") if name in answer.headers
        }
    finally:
        connection.close()
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    if not isinstance(body, dict):
        body = text
    return {"status": answer.status, "headers": shown, "answer": SCRUBBER.scrub(body)}


def ask_patiently(path: str, headers: dict[str, str]) -> dict[str, Any]:
    """One request, repeated while nothing answers."""
    began = time.monotonic()
    while True:
        try:
            return ask(path, headers)
        except OSError as error:
            if time.monotonic() - began > PATIENCE_SECONDS:
                return {"status": 0, "headers": {}, "answer": f"{type(error).__name__}: {error}"}
            time.sleep(1)


def is_reachable(host: str, port: int) -> bool:
    """Whether a connection is accepted."""
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except OSError:
        return False


def main() -> None:
    """Sends what the environment variable REQUESTS lists."""
    for request in json.loads(os.environ["REQUESTS"]):
        if "connect" in request:
            host, port = request["connect"]
            result: dict[str, Any] = {"reachable": is_reachable(os.path.expandvars(host), port)}
        else:
            time.sleep(request.get("after", 0))
            result = ask_patiently(request["path"], request.get("headers", {"Metadata-Flavor": "Google"}))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
