"""Policies of service accounts, permissions and custom roles: what is answered, and what is refused."""

from __future__ import annotations

from typing import Any

from calls import Run
from cleanup import NotRemovedError
from rows import row
from world import WORKLOAD_IDENTITY, World, binding

KEY = "policy"


def write(world: World, run: Run, *bindings: dict[str, Any], **more: Any) -> None:
    """Tries to replace the policy; only the first answer counts, once the account can be used."""
    run.call("iam", "POST", f"{world.path(KEY)}:setIamPolicy", {"policy": {"version": 3, "bindings": list(bindings), **more}})


@row(
    "policy-etag",
    '`{"etag":"ACAB"}` for a policy never set',
    "a policy that was emptied has an etag",
    "409 ABORTED for a stale etag",
)
def policy_etag(world: World, run: Run) -> None:
    """A policy that was never set, the order of what was written, a stale etag, and a policy that was emptied."""
    world.account("etag")
    path = f"{world.path('etag')}:setIamPolicy"
    read = f"{world.path('etag')}:getIamPolicy?options.requestedPolicyVersion=3"
    run.call("iam", "POST", read, expect=200)
    members = [world.member(name) for name in ("b", "c", "a")]
    bindings = [binding(WORKLOAD_IDENTITY, *members), binding("roles/iam.serviceAccountTokenCreator", world.member("a"))]
    run.call("iam", "POST", path, {"policy": {"version": 3, "bindings": bindings}}, expect=200)
    run.call("iam", "POST", read)
    run.call("iam", "POST", path, {"policy": {"version": 3, "etag": "ACAB", "bindings": []}})
    run.call("iam", "POST", path, {"policy": {}, "updateMask": "bindings,etag"})
    run.call("iam", "POST", read)


@row("policy-version", "version 1 unless a condition exists", "writing version < 3 over a conditional policy")
def policy_version(world: World, run: Run) -> None:
    """Version 2, and version 1 written over a policy with a condition."""
    world.account(KEY)
    path = f"{world.path(KEY)}:setIamPolicy"
    bound = binding(WORKLOAD_IDENTITY, world.member("a"), condition='request.time < timestamp("2036-12-01T00:00:00Z")')
    etag = run.call("iam", "POST", path, {"policy": {"version": 3, "bindings": [bound]}}, expect=200).body.get("etag")
    run.call("iam", "POST", f"{world.path(KEY)}:getIamPolicy?options.requestedPolicyVersion=1", compare="status")
    plain = binding(WORKLOAD_IDENTITY, world.member("a"))
    run.call("iam", "POST", path, {"policy": {"version": 1, "etag": etag, "bindings": [plain]}})
    run.call("iam", "POST", path, {"policy": {"version": 2, "bindings": [plain]}})


@row(
    "policy-bad-members",
    "texts for a missing account, pool, wrong member type, unknown role, role of another resource",
    "whether a person, group or domain in a policy exists is not checked",
    "`allUsers`, `allAuthenticatedUsers` are refused",
    "role is supported by a resource if",
)
def policy_bad_members(world: World, run: Run) -> None:
    """Members and roles that cannot be: each with its body."""
    world.account(KEY)
    other = world.account("other")
    for member in (
        f"serviceAccount:{world.email('none')}",
        "serviceAccount:nsa-no-such-project.svc.id.goog[a/b]",
        f"user:{other}",
        f"user:x@nsa-{world.id}.example.com",
        "allUsers",
        "nobody",
    ):
        write(world, run, binding(WORKLOAD_IDENTITY, member))
    member = world.member("a")
    for role in (f"projects/{world.names.project}/roles/none", "roles/storage.objectViewer", "roles/viewer"):
        write(world, run, binding(role, member))


@row("member-without-account", "a KSA in a member need not exist")
def member_without_account(world: World, run: Run) -> None:
    """Whether a Kubernetes service account in a member must exist."""
    world.account(KEY)
    no_such = f"serviceAccount:{world.names.pool}[no-such-namespace/no-such-account]"
    run.call(
        "iam",
        "POST",
        f"{world.path(KEY)}:setIamPolicy",
        {"policy": {"bindings": [binding(WORKLOAD_IDENTITY, no_such)]}},
        expect=200,
    )
    subject = world.principal("subject/ns/no-such-namespace/sa/no-such-account")
    write(world, run, binding(WORKLOAD_IDENTITY, subject))


@row("policy-conditions", "a condition needs a title", "1,500 members; 20 conditions per role and member; 12 logic operators")
def policy_conditions(world: World, run: Run) -> None:
    """Conditions that cannot be: without a title, an unknown variable, 13 operators, 21 for the same role and member."""
    world.account(KEY)
    member = world.member("a")
    time = 'request.time < timestamp("2036-12-01T00:00:00Z")'
    write(world, run, binding(WORKLOAD_IDENTITY, member, condition=time, title=""))
    write(world, run, binding(WORKLOAD_IDENTITY, member, condition='request.colour == "red"'))
    write(world, run, binding(WORKLOAD_IDENTITY, member, condition=" && ".join([time] * 14)))
    several = [binding(WORKLOAD_IDENTITY, member, condition=time, title=f"t{number}") for number in range(21)]
    write(world, run, *several)


@row("policy-size", "1,500 members; 20 conditions per role and member; 12 logic operators", "policy size of 64 KiB")
def policy_size(world: World, run: Run) -> None:
    """Bodies for 1,501 members, and for a policy of about 200 kB with fewer."""
    world.account(KEY)
    many = {"role": WORKLOAD_IDENTITY, "members": [{"repeat": world.member("k#"), "times": 1501}]}
    write(world, run, many)
    long = {"role": WORKLOAD_IDENTITY, "members": [{"repeat": world.member("k" * 150 + "#"), "times": 1000}]}
    write(world, run, long)


@row("test-permissions", "wildcards in testIamPermissions are refused")
def test_permissions(world: World, run: Run) -> None:
    """TestIamPermissions with an unknown permission, and with a wildcard."""
    world.account(KEY)
    for permission in ("iam.serviceAccounts.dance", "iam.serviceAccounts.*"):
        permissions = {"permissions": ["iam.serviceAccounts.get", permission]}
        run.call("iam", "POST", f"{world.path(KEY)}:testIamPermissions", permissions)


@row(
    "custom-role", "only the form of a role's permissions is checked", "409 for a taken role id, 400 for that of a deleted role"
)
def custom_role(world: World, run: Run) -> None:
    """A custom role with an unknown permission; a role id that is taken, and one whose role was deleted."""
    roles = f"/v1/projects/{world.names.project}/roles"
    odd, good = f"nsa_{world.id}_odd", f"nsa_{world.id}_good"

    def create(name: str, permission: str, compare: str = "all") -> None:
        command = f"gcloud iam roles delete {name} --project={world.names.project}"
        world.cleanup.add(f"role {name}", lambda: remove_role(world, f"{roles}/{name}"), command)
        role = {"title": "Acceptance", "includedPermissions": [permission], "stage": "GA"}
        run.call("iam", "POST", roles, {"roleId": name, "role": role}, compare=compare)

    create(odd, "iam.serviceAccounts.dance")
    create(good, "iam.serviceAccounts.get", "status")
    create(good, "iam.serviceAccounts.get")
    run.call("iam", "DELETE", f"{roles}/{good}", expect=200, compare="status")
    create(good, "iam.serviceAccounts.get")


def remove_role(world: World, path: str) -> None:
    """Deletes a custom role, which may not exist. The deletion of a deleted role is refused."""
    answer = world.google.send("iam", "DELETE", path)
    if not answer.ok and answer.status not in (400, 404):
        raise NotRemovedError(f"{answer.status} {answer.message}")
