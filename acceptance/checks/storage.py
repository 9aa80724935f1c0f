"""Bucket policies and managed folders."""

from __future__ import annotations

from typing import Any

from calls import QUOTA_ROW, Run
from rows import row
from world import World, binding

READER = "roles/storage.objectViewer"


@row("bucket-policy", "storage policies: not wrapped", "storage errors without `status`")
def bucket_policy(world: World, run: Run) -> None:
    """A bucket policy with a stale etag, with a member that does not exist, and with a role of another resource."""
    world.bucket()
    path = f"{world.bucket_path()}/iam"
    read = run.call("storage", "GET", f"{path}?optionsRequestedPolicyVersion=3", expect=200, compare="status")
    old = read.body["bindings"]
    kind = {"kind": "storage#policy", "version": 3}
    mine = binding(READER, world.member("reader"))
    # The owner's own bindings of the new bucket are kept, and not recorded.
    hidden: dict[str, Any] = {"real": kind | {"bindings": [*old, mine]}, "compare": "status"}
    run.call("storage", "PUT", path, kind | {"bindings": [mine]}, **hidden)
    run.call("storage", "PUT", path, kind | {"etag": "CAE=", "bindings": [mine]})
    run.call("storage", "PUT", path, kind | {"bindings": [binding(READER, f"serviceAccount:{world.email('none')}")]})
    run.call("storage", "PUT", path, kind | {"bindings": [binding("roles/iam.workloadIdentityUser", world.member("reader"))]})


@row("managed-folders", "managed folders need uniform access, as do conditions on buckets")
def managed_folders(world: World, run: Run) -> None:
    """Managed folders: without uniform access, without a slash, 16 levels deep, twice, in use when deleted, absent."""
    world.bucket()
    switch = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}
    run.call("storage", "PATCH", world.bucket_path(), switch, compare="status")
    world.folder(run, "early/")
    switch = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    run.call("storage", "PATCH", world.bucket_path(), switch, expect=200, compare="status")
    world.folder(run, "outer/", expect=200)
    world.folder(run, "outer/inner/")
    world.folder(run, "outer/")
    world.folder(run, "noslash")
    world.folder(run, "a/" * 16)
    run.call("storage", "DELETE", world.folder_path("outer/"))
    run.call("storage", "GET", world.folder_path("none/"))
    run.call("storage", "GET", f"{world.folder_path('none/')}/iam")
    run.call("storage", "DELETE", world.folder_path("none/"))


@row(
    "bucket-update-rate",
    "bucket updates 1 a second",
    "429 texts and RetryInfo of creation rate",
    "`errors[].domain` of a 429 is",
)
def bucket_update_rate(world: World, run: Run) -> None:
    """How many updates of a bucket policy are accepted at once, and the body of the 429; other 429s of the run, too."""
    world.bucket()
    path = f"{world.bucket_path()}/iam"
    policy = world.google.send("storage", "GET", f"{path}?optionsRequestedPolicyVersion=3").body
    policy.pop("etag", None)
    accepted = 0
    while accepted < 12:
        answer = world.google.send("storage", "PUT", path, policy)
        if answer.status == 429:
            run.record(
                {
                    "row": QUOTA_ROW,
                    "service": "storage",
                    "caller": "owner",
                    "method": "PUT",
                    "path": path,
                    "compare": "all",
                    "status": 429,
                    "answer": answer.body,
                }
            )
            break
        accepted += 1
    run.fact("updates accepted one after the other", accepted)
