"""Stock Metaflow with the installed distribution, a metadata service, and a gateway that checks each call."""

from __future__ import annotations

import json
import tarfile
import threading
from pathlib import Path

from conftest import ALICE, KEY, run, token_command
from support import jwt
from support.gateway import Gateway

FLOW = Path(__file__).parent / "flows" / "hello.py"
# In seconds; a token is renewed after four fifths of it.
LIFETIME = 5
# What Metaflow's command for a pod exports after unpacking the package; a colon says that the value replaces an earlier one.
POST_EXTRACT = """
import json
from metaflow.package import MetaflowPackage
exports = MetaflowPackage.get_post_extract_env_vars('{"mfcontent_version": 1}', ".")
print(json.dumps({name.rstrip(":"): value for name, value in exports.items()}))
"""


def environment(distribution: Path, gateway: Gateway, command: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(distribution),
        "METAFLOW_SERVICE_URL": gateway.url,
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_NAMESAKE_TOKEN_COMMAND": command,
    }


def test_a_flow_outlives_its_tokens_and_its_run_is_the_proven_users(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    settings = {**environment(distribution, stack, token_command(ALICE, LIFETIME)), "SECONDS": "8"}
    done = run([str(FLOW), "run"], settings, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert None not in stack.tokens, "a call without a token"
    assert len(stack.tokens) >= 3
    heartbeats = {request.bearer for request in stack.paths("/heartbeat")}
    assert len(heartbeats) >= 2, "heartbeats take new tokens too"
    (created,) = stack.paths("/run")
    assert f'"user_name": "{ALICE}"' in created.body.decode()


def test_after_a_login_commands_name_the_proven_user_without_a_call(distribution: Path, gateway: Gateway, tmp_path: Path) -> None:
    settings = environment(distribution, gateway, token_command(ALICE, 600))
    assert run(["-m", "metaflow_namesake", "login"], settings, tmp_path).stdout == f"{ALICE}\n"
    calls = len(gateway.server.requests)
    done = run([str(FLOW), "show"], settings, tmp_path)
    assert f"for user:{ALICE}" in done.stderr
    assert len(gateway.server.requests) == calls


def test_a_run_is_the_users_whose_token_it_is_not_the_one_known_before(
    distribution: Path, stack: Gateway, tmp_path: Path
) -> None:
    # As with gcloud, the command stays the same, and who is logged in changes.
    script = tmp_path / "token.sh"
    settings = environment(distribution, stack, str(script))
    for user, command in ((ALICE, ["-m", "metaflow_namesake", "login"]), ("bob@acme.com", [str(FLOW), "run"])):
        script.write_text(f"#!/bin/sh\nexec {token_command(user, 600)}\n")
        script.chmod(0o755)
        done = run(command, settings, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    (created,) = stack.paths("/run")
    assert '"user_name": "bob@acme.com"' in created.body.decode()
    assert '"user:bob@acme.com"' in created.body.decode()


def test_a_refused_token_is_said_at_once(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    done = run([str(FLOW), "run"], environment(distribution, stack, token_command(ALICE, -60)), tmp_path)
    assert done.returncode == 1
    shown = " ".join(done.stderr.split())
    assert f"Not logged in at {stack.url}: correct METAFLOW_NAMESAKE_TOKEN_COMMAND" in shown
    assert "(the gateway says: the token is missing or has expired)" in shown
    assert len(stack.server.requests) == 1, "nothing is tried again"


def test_without_a_login_the_error_says_how_to_log_in(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    settings = environment(distribution, stack, "")
    settings |= {"METAFLOW_NAMESAKE_ISSUER": "https://issuer.test", "METAFLOW_NAMESAKE_CLIENT_ID": "c"}
    done = run([str(FLOW), "run"], settings, tmp_path)
    assert done.returncode == 1
    assert f"Not logged in at {stack.url}: run `python -m metaflow_namesake login`" in " ".join(done.stderr.split())
    assert stack.server.requests == []


def test_a_403_shows_the_gateways_message(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    done = run([str(FLOW), "run"], environment(distribution, stack, token_command("mallory@acme.com", 600)), tmp_path)
    assert done.returncode == 1
    shown = " ".join(done.stderr.split())
    assert f"Not allowed at {stack.url}: mallory@acme.com may not read: ask the platform team" in shown


def test_the_client_api_says_who_is_refused_instead_of_unreachable(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    program = f"import metaflow; metaflow.metadata('service@{stack.url}')"
    settings = environment(distribution, stack, token_command("mallory@acme.com", 600))
    done = run(["-c", program], settings, tmp_path)
    assert "may not read: ask the platform team" in done.stderr and "unreachable" not in done.stderr
    assert len(stack.server.requests) == 1, "nothing is tried again"


def test_importing_metaflow_and_help_need_no_network(distribution: Path, tmp_path: Path) -> None:
    settings = {
        "PYTHONPATH": str(distribution),
        "METAFLOW_SERVICE_URL": "https://192.0.2.1",
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_NAMESAKE_TOKEN_COMMAND": "false",
    }
    for arguments in (["-c", "import metaflow"], [str(FLOW), "--help"], [str(FLOW), "run", "--help"]):
        done = run(arguments, settings, tmp_path, seconds=20)
        assert done.returncode == 0, done.stderr


def test_metaflow_can_be_imported_before_requests_is_installed(distribution: Path, tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('not installed')")
    program = "import metaflow_extensions.namesake.auth.session as session; print(session.WHOAMI_PATH)"
    done = run(["-c", program], {"PYTHONPATH": f"{tmp_path}:{distribution}"}, tmp_path)
    assert done.stdout == "/namesake/whoami\n", done.stderr


def test_pods_use_the_packaged_extension_with_the_token_of_the_pod(distribution: Path, stack: Gateway, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(FLOW.read_text())
    package = tmp_path / "job.tar"
    laptop = environment(distribution, stack, token_command(ALICE, 600))
    done = run(["hello.py", "package", "save", str(package)], laptop, tmp_path)
    assert done.returncode == 0, done.stderr
    pod = tmp_path / "pod"
    with tarfile.open(package) as archive:
        archive.extractall(pod, filter="data")
    exports = run(["-c", POST_EXTRACT], {}, pod).stdout

    # What the webhook gives the pod; the kubelet renews the file.
    token = tmp_path / "token"
    token.write_text(jwt.mint(KEY, ALICE, LIFETIME))
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(LIFETIME / 2):
            fresh = token.with_suffix(".new")
            fresh.write_text(jwt.mint(KEY, ALICE, LIFETIME))
            fresh.replace(token)

    settings = {
        **json.loads(exports),
        "METAFLOW_KUBERNETES_WORKLOAD": "1",
        "METAFLOW_SERVICE_URL": stack.url,
        "METAFLOW_SERVICE_HEADERS": "{}",
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_USER": ALICE,
        "NAMESAKE_GATEWAY_TOKEN_FILE": str(token),
        "SECONDS": "7",
    }
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        done = run(["hello.py", "run"], settings, pod)
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"the extension is {pod}" in done.stdout
    assert None not in stack.tokens and len(stack.tokens) >= 2
