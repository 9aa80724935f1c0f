"""The command line: what to run, progress, and the table at the end."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import checks  # noqa: F401 - registers the rows
from api import Google, PreconditionError, base_urls, owner_token
from calls import Run
from cleanup import STOPPED, Cleanup
from cluster import Cluster, KubectlError
from discovery import check_permissions, find_names, redaction_of, world_of
from recording import Recorder, RowRecord
from rows import ROWS, Row
from world import World

DONE, ROW_FAILED, NOT_STARTED, NOT_REMOVED, INTERRUPTED = 0, 1, 2, 3, 130
CREATES = """It would create, and remove at the end (RUN is a random text):
  in the cluster:  the namespace nsa-RUN, with service accounts, about ten pods one after the other, and a network policy;
                   the ValidatingAdmissionPolicy nsa-RUN-who, which applies in that namespace only
  in the project:  about 25 service accounts nsa-RUN-…, two empty buckets nsa-RUN-…, custom roles nsa_RUN_…
  with --project-policy: three bindings in the project's policy
It changes nothing else."""


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    text = "Records on a GKE cluster what only Google can prove (docs/acceptance.md). It takes about ten minutes."
    codes = "exit codes: 0 recorded; 1 a row failed; 2 not started; 3 something was not removed; 130 interrupted"
    made = argparse.ArgumentParser("python3 acceptance", description=text, epilog=codes)
    made.add_argument("--context", default="", help="the cluster's context of kubectl; by default the current one")
    made.add_argument("--project", default="", help="project in which accounts are created; by default the cluster's")
    made.add_argument("--location", default="US", help="location of the buckets")
    made.add_argument("--other-context", default="", help="another cluster of the same project, for the row identity-sameness")
    made.add_argument("--project-policy", action="store_true", help="also run the row that changes the project's policy")
    made.add_argument("--image", default="python:3.13-alpine", help="image with Python 3, for the pods")
    made.add_argument("--limit", type=float, default=600, help="longest wait for one change, in seconds")
    made.add_argument("--only", action="append", metavar="ROW", help="run this row only; can be repeated")
    made.add_argument("--output", type=Path, default=Path("acceptance-report.json"), help="the report")
    made.add_argument("--keep-names", action="store_true", help="do not replace names of projects, cluster and people")
    made.add_argument("--list", action="store_true", help="list the rows, and exit")
    made.add_argument("--dry-run", action="store_true", help="say what would be created, and exit")
    return made


def say(text: str) -> None:
    """Progress, for people."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def chosen_rows(only: list[str] | None) -> list[Row]:
    """The rows to run."""
    known = {row.id for row in ROWS}
    if unknown := sorted(set(only or []) - known):
        raise PreconditionError(f"there is no row {', '.join(unknown)}: see --list")
    return [row for row in ROWS if not only or row.id in only]


def main() -> int:
    """Runs the script, and returns its exit code."""
    arguments = parser().parse_args()
    try:
        rows = chosen_rows(arguments.only)
        if arguments.list:
            for row in rows:
                print(json.dumps({"id": row.id, "about": row.about, "claims": row.claims, "needs": row.needs}))
            return DONE
        if arguments.dry_run:
            print(CREATES, "Rows: " + ", ".join(row.id for row in rows), sep="\n")
            return DONE
        return Acceptance(arguments, rows).run()
    except PreconditionError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_STARTED


def interrupt(*_: Any) -> None:
    """SIGTERM is as Ctrl-C."""
    raise KeyboardInterrupt


class Acceptance:
    """One run."""

    def __init__(self, arguments: argparse.Namespace, rows: list[Row]) -> None:
        """Finds projects and cluster; creates nothing."""
        self._arguments = arguments
        self._rows = rows
        self._threads: list[threading.Thread] = []
        self._recorder = Recorder()
        run_id = secrets.choice("abcdefghijklmnopqrstuvwxyz") + secrets.token_hex(3)[:5]
        google = Google({"owner": owner_token()})
        cleanup = Cleanup()
        cluster = Cluster(arguments.context, f"nsa-{run_id}", arguments.image, cleanup)
        names = find_names(google, cluster, arguments.project, arguments.location)
        check_permissions(google, cluster, names)
        setup = self._row("setup", "What the other rows need.", [])
        self._world = World(
            names, google, cluster, cleanup, run_id, Run(google, self._recorder, setup, arguments.limit), vars(arguments)
        )

    def _row(self, name: str, about: str, claims: list[str]) -> RowRecord:
        record = RowRecord(name, about, claims)
        self._recorder.rows.append(record)
        return record

    def run(self) -> int:
        """Runs the rows, removes everything, writes the report."""
        signal.signal(signal.SIGTERM, interrupt)
        code = DONE
        try:
            say(f"namespace nsa-{self._world.id}, project {self._world.names.project}")
            self._world.cluster.start()
            self._run_rows()
        except KubectlError as error:
            say(f"error: {error}")
            code = ROW_FAILED
        except KeyboardInterrupt:
            say("interrupted: removing what was created (a second Ctrl-C leaves it)")
            code = INTERRUPTED
            STOPPED.set()
            for thread in self._threads:
                thread.join()
        left = self._world.cleanup.run(say)
        self._write()
        code = code or self._table()
        for thing in left:
            print(f"NOT REMOVED  {thing.what}: {thing.command}")
        return NOT_REMOVED if left and code != INTERRUPTED else code

    def _run_rows(self) -> None:
        """Rows that wait run in threads, the others one after the other."""
        quota = [row for row in self._rows if row.id == "quota"]
        for row in sorted(self._rows, key=lambda row: not row.beside):
            if row in quota:
                continue
            if row.beside:
                thread = threading.Thread(target=self._run_row, args=(row,), daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._run_row(row)
        for thread in self._threads:
            thread.join()
        for row in quota:
            self._run_row(row)

    def _run_row(self, row: Row) -> None:
        record = self._row(row.id, row.about, row.claims)
        if row.needs and not self._world.arguments.get(row.needs):
            record.result, record.note = "skipped", f"needs --{row.needs.replace('_', '-')}"
            return
        say(f"{row.id} …")
        try:
            row.record(self._world, Run(self._world.google, self._recorder, record, self._arguments.limit))
            record.result = "differs" if record.differs else "recorded"
        except Exception as error:  # noqa: BLE001 - whatever happens in one row, the others run and everything is removed
            record.result, record.note = "failed", f"{type(error).__name__}: {error}"
        say(f"{row.id}: {record.result} {record.note}")

    def _write(self) -> None:
        """Writes the report."""
        world = world_of(self._world.names)
        overridden = sorted(name for name in os.environ if name.startswith("CLOUDSDK_API_ENDPOINT_OVERRIDES_"))
        about = {"redacted": not self._arguments.keep_names, "run": self._world.id, "overridden": overridden}
        if len(base_urls()) != len(overridden):
            about["services"] = "google"
        report = self._recorder.report(about, world)
        if not self._arguments.keep_names:
            report = redaction_of(self._world.names)[0].redact(report)
        self._arguments.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"the report is in {self._arguments.output}")

    def _table(self) -> int:
        """Prints what was recorded, and returns the exit code."""
        rows = self._recorder.rows
        for row in rows:
            if row.id != "setup":
                print(f"{row.result:<9}  {row.id:<26}  {row.note}")
            for fact in row.facts if row.id != "setup" else []:
                mark = "" if fact.agrees else f"  (assumed: {fact.assumed})"
                print(f"{'':<9}  {'':<26}  {fact.name}: {fact.value}{mark}")
        return ROW_FAILED if any(row.result == "failed" for row in rows) else DONE
