"""The rows: what each records, and which claims of this repository it tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calls import Run
    from world import World


@dataclass(frozen=True)
class Row:
    """One row."""

    id: str
    record: Callable[[World, Run], None]
    # The first words of rows of gcp-emulator/README.md.
    claims: list[str]
    # What else must be given for it, as an argument of the script.
    needs: str
    # Runs beside the others, because it waits for minutes.
    beside: bool

    @property
    def about(self) -> str:
        """What is recorded."""
        return " ".join((self.record.__doc__ or "").split())


ROWS: list[Row] = []


def row(
    name: str, *claims: str, needs: str = "", beside: bool = False
) -> Callable[[Callable[[World, Run], None]], Callable[[World, Run], None]]:
    """Registers a row. `needs` is an argument of the script without which it is skipped; with `beside` it runs in a thread."""

    def register(record: Callable[[World, Run], None]) -> Callable[[World, Run], None]:
        ROWS.append(Row(name, record, list(claims), needs, beside))
        return record

    return register
