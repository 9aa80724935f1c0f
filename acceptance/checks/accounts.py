"""Service accounts: their answers, their lifecycle, and what a bad request is told."""

from __future__ import annotations

import time

from calls import Run
from rows import row
from world import WORKLOAD_IDENTITY, World, binding

# How long a policy may take to name a deleted member by its new name.
RENAME_SECONDS = 60


@row(
    "account-lifecycle",
    "answers of create, get, patch, disable and delete of an account",
    "`oauth2ClientId` is `uniqueId`",
    "answer of enable",
    "409 for a taken id",
)
def account_lifecycle(world: World, run: Run) -> None:
    """Answers of create, get, patch, disable, enable and delete; an id that is taken."""
    world.enter_account("life")
    described = {"displayName": "Acceptance", "description": "may be deleted"}
    run.call("iam", "POST", world.accounts, {"accountId": world.account_id("life"), "serviceAccount": described})
    run.call("iam", "GET", world.path("life"), expect=200)
    run.call("iam", "POST", world.accounts, {"accountId": world.account_id("life")})
    change = {"serviceAccount": {"description": "changed"}, "updateMask": "description"}
    run.call("iam", "PATCH", world.path("life"), change, expect=200)
    run.call("iam", "POST", f"{world.path('life')}:disable", {}, expect=200)
    run.call("iam", "POST", f"{world.path('life')}:enable", {}, expect=200)
    run.call("iam", "DELETE", world.path("life"), expect=200)


@row("account-bad-fields", "text of the 400 for a bad account id or an over-long field")
def account_bad_fields(world: World, run: Run) -> None:
    """Bodies for an account id that is too short or in upper case, and for an over-long display name and description."""
    for bad in ("ab", "UPPER-case-id"):
        run.call("iam", "POST", world.accounts, {"accountId": bad})
    for field, length in (("displayName", 101), ("description", 257)):
        world.enter_account("long")
        body = {"accountId": world.account_id("long"), "serviceAccount": {field: "x" * length}}
        run.call("iam", "POST", world.accounts, body)


@row(
    "account-unknown",
    "404 `Unknown service account`",
    "403 for an unknown account under",
    "404 for testIamPermissions on an unknown account",
)
def account_unknown(world: World, run: Run) -> None:
    """An account that never existed: get, get under `projects/-/`, testIamPermissions, getIamPolicy and delete."""
    run.call("iam", "GET", world.path("none"))
    run.call("iam", "GET", f"/v1/projects/-/serviceAccounts/{world.email('none')}")
    permissions = {"permissions": ["iam.serviceAccounts.get"]}
    run.call("iam", "POST", f"{world.path('none')}:testIamPermissions", permissions)
    run.call("iam", "POST", f"{world.path('none')}:getIamPolicy?options.requestedPolicyVersion=3")
    run.call("iam", "DELETE", world.path("none"))


@row("account-deleted-twice", "undelete when the name is taken")
def account_deleted_twice(world: World, run: Run) -> None:
    """Deleting an account that is already deleted, by e-mail and by unique id."""
    world.enter_account("twice")
    made = run.call("iam", "POST", world.accounts, {"accountId": world.account_id("twice")})
    run.call("iam", "DELETE", world.path("twice"), expect=200)
    time.sleep(2)
    run.call("iam", "DELETE", world.path("twice"))
    run.call("iam", "DELETE", f"{world.accounts}/{made.body['uniqueId']}")


@row("account-undelete", "undelete when the name is taken", "an account can be undeleted by its unique id")
def account_undelete(world: World, run: Run) -> None:
    """Undelete of an account that is not deleted, of one whose name is taken again, and then successfully."""
    key = "undel"
    world.enter_account(key)
    body = {"accountId": world.account_id(key)}
    first = world.must(run.call("iam", "POST", world.accounts, body)).body["uniqueId"]
    undelete = f"{world.accounts}/{first}:undelete"
    run.call("iam", "GET", world.path(key), expect=200, compare="status")
    run.call("iam", "POST", undelete, {})
    run.call("iam", "DELETE", world.path(key), expect=200)
    second = world.must(run.call("iam", "POST", world.accounts, body)).body["uniqueId"]
    run.fact("a new account of the name has another id", first != second, assumed=True)
    run.call("iam", "GET", world.path(key), expect=200, compare="status")
    run.call("iam", "POST", undelete, {})
    run.call("iam", "DELETE", world.path(key), expect=200)
    run.call("iam", "POST", undelete, {}, expect=200)


@row(
    "account-deleted-member",
    "members of deleted accounts become `deleted:…?uid=…` everywhere",
    "this does not change the policy's etag",
    "409 ABORTED for a stale etag; `deleted:` members accepted only as they were read",
)
def account_deleted_member(world: World, run: Run) -> None:
    """A policy whose member is deleted: the new name, whether the etag changes, and whether such a member can be written."""
    world.account("holder")
    member = world.account("gone")
    path = f"{world.path('holder')}:setIamPolicy"
    read = f"{world.path('holder')}:getIamPolicy?options.requestedPolicyVersion=3"
    policy = {"version": 3, "bindings": [binding(WORKLOAD_IDENTITY, f"serviceAccount:{member}")]}
    written = world.must(run.call("iam", "POST", path, {"policy": policy}, expect=200))
    run.call("iam", "DELETE", world.path("gone"), expect=200)
    began = time.monotonic()
    while time.monotonic() - began < RENAME_SECONDS:
        current = world.google.send("iam", "POST", read).body
        if "deleted:" in str(current):
            break
        time.sleep(1)
    run.fact("seconds until the member is `deleted:`", round(time.monotonic() - began, 1))
    policy = run.call("iam", "POST", read).body
    run.fact("the etag changes", policy.get("etag") != written.body.get("etag"), assumed=False)
    run.call("iam", "POST", path, {"policy": policy})
    never_read = binding(WORKLOAD_IDENTITY, f"deleted:serviceAccount:{world.email('none')}?uid=100000000000000000001")
    run.call("iam", "POST", path, {"policy": {"version": 3, "bindings": [never_read]}})
