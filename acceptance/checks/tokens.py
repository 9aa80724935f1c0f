"""STS and IAM credentials: tokens, and what is refused."""

from __future__ import annotations

from typing import Any

from api import FORM, SCOPE
from calls import Run
from rows import row
from world import NOT_SIGNED, WORKLOAD_IDENTITY, World, binding


@row(
    "sts-refusals",
    "STS error names and texts for audience, type, scope, target",
    "STS: text for a bad signature",
    "STS: audience forms",
)
def sts_refusals(world: World, run: Run) -> None:
    """Bodies of STS: a bad signature, a token for another audience, no token, an unknown pool or cluster, no scope."""
    ksa = world.ksa("sts")
    run.call(**world.exchange(ksa, flaw=NOT_SIGNED))
    run.call(**world.exchange(ksa, audience="somebody-else"))
    good = world.exchange(ksa)
    no_pool = f"identitynamespace:nsa-no-such-project.svc.id.goog:{world.names.issuer}"
    for change in ({"subjectToken": "not-a-token"}, {"audience": no_pool}, {"audience": "somebody"}, {"scope": ""}):
        changed = good | {"body": good["body"] | change, "real": good["real"] | change}
        run.call(**changed)
    other = f"{world.names.issuer.rsplit('/', 1)[0]}/nsa-no-such-cluster"
    run.call(**world.exchange(ksa, issuer=other))


@row(
    "sts-token",
    "STS: audience forms",
    "tokens begin with `ya29.d.` (federated)",
    "STS introspection",
    "tokeninfo of a federated token",
)
def sts_token(world: World, run: Run) -> None:
    """The answer of STS, and what introspection and tokeninfo say about a federated token."""
    ksa = world.ksa("sts")
    caller = "ksa:sts"
    answer = world.must(run.call(**(world.exchange(ksa) | {"saves": caller})))
    token = answer.body["access_token"]
    run.fact("how a federated token begins", token[:7], assumed="ya29.d.")
    about: dict[str, Any] = {"caller": "none", "subject": {"caller": caller}}
    run.call("sts", "POST", "/v1/introspect", {"token": "<subject>"}, real={"token": token}, **about)
    run.call("sts", "POST", "/v1/introspect", {"token": "not-a-token"}, caller="none")
    form = (("Content-Type", FORM),)
    run.call("oauth2", "POST", "/tokeninfo", {"access_token": "<subject>"}, real={"access_token": token}, headers=form, **about)


@row("credentials-refusals", "generateAccessToken: `-` and a scope are required", "`Permission '…' denied on resource")
def credentials_refusals(world: World, run: Run) -> None:
    """Bodies of generateAccessToken: no grant, an unknown account, no scope, two hours, a project instead of `-`."""
    caller = world.federated("sts")
    email = world.account("policy")
    body = {"scope": [SCOPE], "lifetime": "600s"}
    path = "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
    run.call("credentials", "POST", path.format(email), body, caller=caller)
    run.call("credentials", "POST", path.format(world.email("none")), body, caller=caller)
    run.call("credentials", "POST", path.format(email), {"lifetime": "600s"}, caller=caller)
    run.call("credentials", "POST", path.format(email), body | {"lifetime": "7200s"}, caller=caller)
    run.call("credentials", "POST", path.replace("/-/", f"/{world.names.project}/").format(email), body, caller=caller)
    run.call("credentials", "POST", path.format(email), body, caller="none")


@row(
    "account-disabled",
    "generateAccessToken for a disabled account",
    "PUT changes displayName only; enabling twice is not an error; disabling makes existing tokens invalid",
    "tokens begin with `ya29.d.` (federated)",
    beside=True,
)
def account_disabled(world: World, run: Run) -> None:
    """A disabled account: the body for a new token, what its existing token is answered, and both after it is enabled."""
    caller = world.impersonated("off")
    run.fact("how an account's token begins", world.google.tokens[caller][:7], assumed="ya29.c.")
    disable, enable = (world.set_state("off", verb) for verb in ("disable", "enable"))
    generate = world.generate("off", world.federated("off"))
    use = world.use(caller, "off")
    run.measure("seconds until a disabled account gets no token", disable, generate, lambda answer: not answer.ok)
    run.call(use.service, use.method, use.path, caller=caller, expect=401)
    run.measure(
        "seconds until an enabled account gets one", enable, world.generate("off", "ksa:off", compare="status"), lambda a: a.ok
    )
    run.call(use.service, use.method, use.path, caller=caller, expect=403)


@row("members-by-uid-and-name", "principals: subject, KSA uid, namespace, cluster, whole pool", beside=True)
def members_by_uid_and_name(world: World, run: Run) -> None:
    """A service account that is created again: a member that names its uid is refused, one that names it by name is not."""
    ksa = world.ksa("again")
    caller = world.federated("again")
    members = {
        "byuid": world.principal(f"kubernetes.serviceaccount.uid/{ksa.uid}"),
        "byname": world.principal("subject/" + subject(world)),
    }
    for key, member in members.items():
        world.account(key)
        write = world.set_policy(key, [binding(WORKLOAD_IDENTITY, member)])
        run.measure(f"seconds until {key} gives a token", write, world.generate(key, caller, compare="status"), lambda a: a.ok)
    world.cluster.remove("serviceaccount", "again", namespaced=True, wait=True)
    successor = world.cluster.account("again")
    world.must(run.call(**(world.exchange(successor) | {"saves": "ksa:again-2", "compare": "status"})))
    for key, assumed in (("byuid", 403), ("byname", 200)):
        call = world.generate(key, "ksa:again-2", compare="status")
        answer = run.call(call.service, call.method, call.path, call.body, caller=call.caller, compare="status")
        run.fact(f"created again, {key}", answer.status, assumed=assumed)


def subject(world: World) -> str:
    """The account `again` as the subject of a principal."""
    return f"ns/{world.cluster.namespace}/sa/again"


@row("identity-sameness", "docs/trust.md: both have one identity, because they", needs="other_context", beside=True)
def identity_sameness(world: World, run: Run) -> None:
    """Whether a service account of the same names in another cluster of the project is the same identity at Google."""
    caller = world.impersonated("same")
    run.fact("this cluster's account has a token", bool(world.google.tokens[caller]), assumed=True)
    other, issuer = world.other_cluster()
    twin = other.account("same")
    world.must(run.call(**(world.exchange(twin, cluster=other, issuer=issuer) | {"saves": "ksa:twin", "compare": "none"})))
    call = world.generate("same", "ksa:twin", compare="none")
    answer = run.call(call.service, call.method, call.path, call.body, caller="ksa:twin", compare="none")
    run.fact("the other cluster's account gets the same account's token", answer.status, assumed=200)
