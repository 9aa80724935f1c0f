"""One row in progress: calls that are repeated while Google propagates a change, measured, and recorded."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from api import Answer, Google
from recording import Fact, Recorder, RowRecord

# How long a call is repeated that fails only because an earlier change is not visible yet.
PATIENCE_SECONDS = 90
NOT_VISIBLE_YET = (400, 401, 403, 404)
# So many answers in a row must show a change before it counts as applied.
STABLE_ANSWERS = 5
QUOTA_ROW = "quota"
# Several rows wait for the same quota.
TRIES_AFTER_429 = 8


@dataclass(frozen=True)
class Call:
    """A request, and how its answer is compared: `all` of it, its `status`, or `none` of it."""

    service: str
    method: str
    path: str
    body: Any = None
    caller: str = "owner"
    compare: str = "all"
    headers: tuple[tuple[str, str], ...] = ()
    # Whose token the answer has.
    saves: str = ""
    # Whose token the body has; `real` is the body with it.
    subject: Any = None
    real: Any = None

    def described(self, row: str) -> dict[str, Any]:
        """The call as it is recorded."""
        shown: dict[str, Any] = {
            "row": row,
            "service": self.service,
            "caller": self.caller,
            "method": self.method,
            "path": self.path,
        }
        optional = {"body": self.body, "headers": dict(self.headers), "saves": self.saves, "subject": self.subject}
        return shown | {name: value for name, value in optional.items() if value} | {"compare": self.compare}


def expanded(value: Any) -> Any:
    """A body with the lists that it only describes."""
    if isinstance(value, dict):
        return {key: expanded(inner) for key, inner in value.items()}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "repeat" in value[0]:
        return [value[0]["repeat"].replace("#", str(number)) for number in range(value[0]["times"])]
    return [expanded(inner) for inner in value] if isinstance(value, list) else value


class Run:
    """One row in progress."""

    def __init__(self, google: Google, recorder: Recorder, row: RowRecord, limit: float) -> None:
        """`limit` is how long a change may take, in seconds."""
        self._google = google
        self._recorder = recorder
        self._limit = limit
        self.row = row

    def fact(self, name: str, value: Any, assumed: Any = None) -> None:
        """Records something that was seen."""
        self.row.facts.append(Fact(name, self._recorder.scrub(value), assumed))

    def call(self, service: str, method: str, path: str, body: Any = None, *, expect: int = 0, **more: Any) -> Answer:
        """Sends a request and records it. It is repeated while the answer can be that of a change that is not visible yet.

        `expect` is the status to wait for; 0: the first answer counts.
        """
        call = Call(service, method, path, body, **more)
        exchange = self._recorder.begin(call.described(self.row.id))
        answer, tries = self._send_patiently(call, expect, exchange)
        if tries > 1:
            exchange["tries"] = tries
        self._finish(exchange, call, answer)
        return answer

    def measure(self, name: str, write: Call, effect: Call, reached: Callable[[Answer], bool]) -> bool:
        """Sends a change, then repeats another request until the change shows, and records how long that took."""
        exchange = self._recorder.begin(write.described(self.row.id))
        answer = self._send_patiently(write, 200, exchange)[0]
        began = time.monotonic()
        self._finish(exchange, write, answer)
        if not answer.ok:
            raise RowError(f"{write.method} {write.path}: {answer.status} {answer.message}")
        before: list[dict[str, Any]] = []
        shown: list[float] = []
        changes = 0
        while len(shown) < STABLE_ANSWERS:
            answer = self._send(effect, exchange)
            seconds = time.monotonic() - began
            if reached(answer):
                shown.append(seconds)
            else:
                changes += 1 if shown else 0
                shown = []
                self._add_before(before, answer)
                if seconds > self._limit:
                    break
            time.sleep(0.5 if seconds < 20 else 2)
        after = exchange["effect"] = effect.described(self.row.id)
        if before:
            after["before"] = before
        self._finish(after, effect, answer)
        self.fact(name, round(shown[0], 1) if shown else f"not within {self._limit:g} s")
        self.fact(f"{name}: times that it disappeared again", changes)
        return bool(shown)

    def _add_before(self, before: list[dict[str, Any]], answer: Answer) -> None:
        seen = {"status": answer.status, "answer": self._recorder.scrub(answer.body)}
        if seen not in before and len(before) < 5:
            before.append(seen)

    def _send_patiently(self, call: Call, expect: int, exchange: dict[str, Any]) -> tuple[Answer, int]:
        """The answer, and how often the request was sent."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for tries in itertools.count(1):
            answer = self._send(call, exchange)
            if not expect or answer.status == expect or answer.status not in NOT_VISIBLE_YET or time.monotonic() > deadline:
                return answer, tries
            time.sleep(2)
        raise AssertionError

    def _send(self, call: Call, exchange: dict[str, Any]) -> Answer:
        """Sends a request; after a 429 it is recorded as such, and sent again."""
        for _ in range(TRIES_AFTER_429):
            real = call.body if call.real is None else call.real
            answer = self._google.send(call.service, call.method, call.path, expanded(real), call.caller, dict(call.headers))
            if answer.status != 429 or self.row.id == QUOTA_ROW:
                break
            described = replace(call, saves="").described(QUOTA_ROW) | {
                "status": 429,
                "answer": self._recorder.scrub(answer.body),
            }
            self._recorder.insert_before(exchange, described)
            time.sleep(min(retry_delay(answer), 90))
        if answer.ok and call.saves:
            self._google.tokens[call.saves] = answer.body.get("accessToken") or answer.body["access_token"]
        return answer

    def _finish(self, exchange: dict[str, Any], call: Call, answer: Answer) -> None:
        exchange["status"] = answer.status
        # Where only the status is compared, the answer of a success may hold what is not ours to record.
        if call.compare == "all" or not answer.ok:
            exchange["answer"] = self._recorder.scrub(answer.body)

    def recorded(self) -> list[dict[str, Any]]:
        """Everything that was recorded so far."""
        return list(self._recorder.exchanges)

    def record(self, exchange: dict[str, Any]) -> None:
        """Records an exchange that was not sent from here."""
        self._recorder.begin({"row": self.row.id} | exchange)


class RowError(Exception):
    """Why a row could not be recorded."""


def retry_delay(answer: Answer) -> float:
    """How long Google asks to wait after a 429."""
    match = re.search(r'"retryDelay": *"([\d.]+)s"', str(answer.body).replace("'", '"'))
    return float(match.group(1)) if match else 5.0
