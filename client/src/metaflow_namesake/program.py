"""The commands `login`, `whoami` and `logout`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from metaflow_extensions.namesake.auth import oidc
from metaflow_extensions.namesake.auth.errors import MisconfiguredError, NamesakeError, NotLoggedInError
from metaflow_extensions.namesake.auth.session import Session, current
from metaflow_extensions.namesake.auth.sources import Login

FAILED = 1
NOT_LOGGED_IN = 3
EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong arguments, 3 not logged in"


def main(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    options = _parser().parse_args(arguments)
    # Only now, so that --help needs no configuration. Metaflow itself imports the extension, which reads the settings.
    import metaflow  # noqa: F401

    command: Callable[[Session], dict[str, Any]] = options.command
    try:
        result = command(current())
    except NamesakeError as error:
        print(error, file=sys.stderr)
        return NOT_LOGGED_IN if isinstance(error, NotLoggedInError) else FAILED
    except KeyboardInterrupt:
        return FAILED
    print(json.dumps(result) if options.output == "json" else _text(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m metaflow_namesake", description="Log in to Namesake's gateway.", epilog=EXIT_CODES
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command, text in (
        (login, "log in, in a browser on any device, and keep the login"),
        (whoami, "show the user as whom the gateway knows you"),
        (logout, "end the login, and forget it"),
    ):
        sub = commands.add_parser(command.__name__, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=EXIT_CODES)
        sub.add_argument("-o", "--output", choices=("text", "json"), default="text", help="the format of the answer (text)")
        sub.set_defaults(command=command)
    return parser


def login(session: Session) -> dict[str, Any]:
    """Log in, and keep the user that the gateway proves."""
    if session.source is None:
        raise NotLoggedInError(str(session.refusal(session.settings.service or "any service", 401, {})))
    session.settings.check_transport()
    if isinstance(session.source, Login):
        session.source.keep(oidc.Provider(session.settings).log_in(_show))
    return _of_user(session, session.prove(session.token()))


def whoami(session: Session) -> dict[str, Any]:
    """Ask the gateway."""
    return _of_user(session, session.who_am_i(session.token()))


def logout(session: Session) -> dict[str, Any]:
    """Forget the login and the user."""
    return {"loggedOut": session.forget()}


def _of_user(session: Session, answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("user"):
        return answer
    service = session.settings.service
    raise MisconfiguredError(
        f"{service} does not say who you are: METAFLOW_SERVICE_URL must be the address of Namesake's gateway"
    )


def _show(prompt: oidc.Prompt) -> None:
    if prompt.address_with_code:
        text = f"Open {prompt.address_with_code} in a browser, and check that it shows the code {prompt.code}"
    else:
        text = f"Open {prompt.address} in a browser, and enter the code {prompt.code}"
    print(f"{text}. The code is valid for {prompt.seconds / 60:.0f} minutes.", file=sys.stderr, flush=True)


def _text(result: dict[str, Any]) -> str:
    if "loggedOut" in result:
        return "Logged out." if result["loggedOut"] else "There was no login."
    return str(result["user"])
