"""How long Google takes to apply a change. Each row has its own accounts, and runs beside the others."""

from __future__ import annotations

from calls import Call, Run
from rows import row
from world import WORKLOAD_IDENTITY, World, binding


@row("time-of-new-account", "each delay separately; policies 2 to 7 minutes", "course of the delay", beside=True)
def time_of_new_account(world: World, run: Run) -> None:
    """Seconds until a new account can be read, and until it can be a member of a policy."""
    world.account("host")
    for key, effect in (
        ("fresh", Call("iam", "GET", world.path("fresh"), compare="status")),
        ("newcomer", world.set_policy("host", [binding(WORKLOAD_IDENTITY, f"serviceAccount:{world.email('newcomer')}")])),
    ):
        world.enter_account(key)
        create = Call("iam", "POST", world.accounts, {"accountId": world.account_id(key)}, compare="status")
        use = "can be read" if effect.method == "GET" else "can be a member"
        run.measure(f"seconds until a new account {use}", create, effect, lambda answer: answer.ok)


@row("time-of-binding", "each delay separately; policies 2 to 7 minutes", "course of the delay", beside=True)
def time_of_binding(world: World, run: Run) -> None:
    """Seconds until a binding gives a token, and until its removal refuses one."""
    world.account("bind")
    generate = world.generate("bind", world.federated("bind"), compare="status")
    bound = world.set_policy("bind", [binding(WORKLOAD_IDENTITY, world.member("bind"))])
    run.measure("seconds until a binding gives a token", bound, generate, lambda answer: answer.ok)
    removed = world.set_policy("bind", [])
    run.measure("seconds until a removed binding is refused", removed, generate, lambda answer: not answer.ok)


@row(
    "time-of-bucket-grant",
    "each delay separately; policies 2 to 7 minutes",
    "course of the delay",
    "principals: subject, KSA uid, namespace, cluster, whole pool",
    beside=True,
)
def time_of_bucket_grant(world: World, run: Run) -> None:
    """Seconds until a grant on a bucket to a Kubernetes service account works, and until its removal is refused."""
    bucket = world.bucket("timed")
    caller = world.federated("reader")
    read = Call("storage", "GET", bucket, caller=caller, compare="status")
    granted = world.bucket_grant(bucket, world.principal(f"subject/ns/{world.cluster.namespace}/sa/reader"))
    run.measure("seconds until a bucket grant works", granted, read, lambda answer: answer.ok)
    run.measure(
        "seconds until a removed bucket grant is refused", world.bucket_grant(bucket), read, lambda answer: not answer.ok
    )
