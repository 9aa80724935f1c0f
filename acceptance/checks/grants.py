"""What an account without rights is told, and grants under conditions."""

from __future__ import annotations

from calls import Call, Run
from rows import row
from world import WORKLOAD_IDENTITY, World, binding

ONLY = 'api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly(["{}"])'


@row(
    "denied",
    "a 403 names the resource as the request did",
    "`x-goog-user-project`, `userProject`: 403",
    "storage errors without `status`",
    beside=True,
)
def denied(world: World, run: Run) -> None:
    """Bodies for an account without rights: IAM, Resource Manager v1 and v3, storage, and with x-goog-user-project."""
    caller = world.impersonated("denied")
    world.account("policy")
    bucket = world.bucket()
    run.call("iam", "GET", world.path("policy"), caller=caller)
    run.call("iam", "GET", world.path("none"), caller=caller)
    run.call("iam", "GET", f"/v1/projects/-/serviceAccounts/{world.email('policy')}", caller=caller)
    world.enter_account("refused")
    run.call("iam", "POST", world.accounts, {"accountId": world.account_id("refused")}, caller=caller)
    run.call("iam", "POST", f"{world.path('policy')}:setIamPolicy", {"policy": {}}, caller=caller)
    run.call("projects", "GET", f"/v1/projects/{world.names.project}", caller=caller)
    run.call("projects", "GET", f"/v3/projects/{world.names.project}", caller=caller)
    run.call("storage", "GET", bucket, caller=caller)
    run.call("storage", "GET", f"{bucket}/iam", caller=caller)
    billed = (("x-goog-user-project", world.names.project),)
    run.call("iam", "GET", world.path("policy"), caller=caller, headers=billed)
    run.call("storage", "GET", bucket, caller=caller, headers=billed)


@row("conditional-grant", "`modifiedGrantsByRole` in setIamPolicy of a project; of a service account", beside=True)
def conditional_grant(world: World, run: Run) -> None:
    """A grant limited by modifiedGrantsByRole in the policy of a service account: what its holder may and may not write."""
    caller = world.impersonated("limited")
    world.account("target")
    admin = f"serviceAccount:{world.email('limited')}"
    limited = binding("roles/iam.serviceAccountAdmin", admin, condition=ONLY.format(WORKLOAD_IDENTITY))
    allowed = [limited, binding(WORKLOAD_IDENTITY, world.member("a"))]
    write = world.set_policy("target", [limited])
    effect = world.set_policy("target", allowed, caller=caller)
    run.measure("seconds until the limited grant works", write, effect, lambda answer: answer.ok)
    more = [*allowed, binding("roles/iam.serviceAccountTokenCreator", world.member("a"))]
    answer = run.call("iam", "POST", effect.path, {"policy": {"version": 3, "bindings": more}}, caller=caller)
    run.fact("another role is refused", answer.status, assumed=403)


@row(
    "project-conditional-grant",
    "`modifiedGrantsByRole` in setIamPolicy of a project; of a service account",
    needs="project_policy",
    beside=True,
)
def project_conditional_grant(world: World, run: Run) -> None:
    """The same in the policy of the project, which this changes and restores."""
    caller = world.impersonated("limitedp")
    member = f"serviceAccount:{world.email('limitedp')}"
    limited = binding("roles/resourcemanager.projectIamAdmin", member, condition=ONLY.format("roles/browser"))
    allowed, refused = binding("roles/browser", member), binding("roles/iam.securityReviewer", member)
    path = f"/v1/projects/{world.names.project}"
    for bound in (refused, allowed, limited):
        world.enter_project_binding(bound)
    # Everything else in a project's policy is the owner's, and is not recorded.
    write = Call("projects", "EDIT", path, {"add": limited}, compare="status")
    effect = Call("projects", "EDIT", path, {"add": allowed}, caller=caller, compare="status")
    run.measure("seconds until the limited grant works", write, effect, lambda answer: answer.ok)
    answer = run.call("projects", "EDIT", path, {"add": refused}, caller=caller, compare="status")
    run.fact("another role is refused", answer.status, assumed=403)
