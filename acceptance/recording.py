"""The report: what was sent, what was answered, and which facts follow. No token is recorded."""

from __future__ import annotations

import datetime
import platform
import threading
from dataclasses import dataclass, field
from typing import Any

from scrub import Scrubber

FORMAT = 1


@dataclass
class Fact:
    """Something that was seen or measured. `assumed` is what this repository assumes, if it assumes anything."""

    name: str
    value: Any
    assumed: Any = None

    @property
    def agrees(self) -> bool:
        """Whether the value is as assumed."""
        return self.assumed is None or self.assumed == self.value


@dataclass
class RowRecord:
    """One row of the report."""

    id: str
    about: str
    claims: list[str]
    result: str = "not run"
    note: str = ""
    facts: list[Fact] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether a fact is not as assumed."""
        return any(not fact.agrees for fact in self.facts)


class Recorder:
    """Collects exchanges in the order in which they began. Used by several threads."""

    def __init__(self) -> None:
        """Nothing is recorded."""
        self.rows: list[RowRecord] = []
        self.exchanges: list[dict[str, Any]] = []
        self._scrubber = Scrubber()
        self._lock = threading.Lock()

    def begin(self, exchange: dict[str, Any]) -> dict[str, Any]:
        """Gives an exchange its place; the answer is added later."""
        with self._lock:
            self.exchanges.append(exchange)
        return exchange

    def insert_before(self, later: dict[str, Any], exchange: dict[str, Any]) -> None:
        """Adds an exchange that was answered before another one that had begun already."""
        with self._lock:
            place = next((n for n, each in enumerate(self.exchanges) if each is later), len(self.exchanges))
            self.exchanges.insert(place, exchange)

    def scrub(self, value: Any) -> Any:
        """The value without tokens."""
        with self._lock:
            return self._scrubber.scrub(value)

    def report(self, about: dict[str, Any], world: dict[str, Any]) -> dict[str, Any]:
        """Everything, as JSON."""
        rows = [
            {
                "id": row.id,
                "about": row.about,
                "claims": row.claims,
                "result": row.result,
                "note": row.note,
                "facts": [
                    {"name": fact.name, "value": fact.value}
                    | ({} if fact.assumed is None else {"assumed": fact.assumed, "agrees": fact.agrees})
                    for fact in row.facts
                ],
            }
            for row in self.rows
        ]
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        about = {"format": FORMAT, "time": now, "python": platform.python_version(), **about}
        answered = [exchange for exchange in self.exchanges if "status" in exchange]
        result = self._scrubber.scrub({"about": about, "world": world, "rows": rows, "exchanges": answered})
        assert isinstance(result, dict)  # noqa: S101 - for mypy
        return result
