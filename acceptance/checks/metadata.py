"""GKE's metadata server, asked from pods: with and without the annotation, and as whom it requests tokens."""

from __future__ import annotations

import re
import time
from typing import Any

from calls import RowError, Run
from cluster import Ksa, KubectlError
from rows import row
from world import World

GSA_ANNOTATION = "iam.gke.io/gcp-service-account"
PRINCIPAL_ANNOTATION = "iam.gke.io/return-principal-id-as-email"
ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
TOKEN = f"{ACCOUNT}/token"
IDENTITY = f"{ACCOUNT}/identity?audience=https%3A%2F%2Facceptance.example.com"
# The audience of the request by which we find out that the policy is enforced.
OURS = "acceptance"
ENFORCED_SECONDS = 90
NODE = "system:node:"


def ask(world: World, run: Run, pod: str, ksa: Ksa, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sends requests from a pod, and records them."""
    answers = world.cluster.probe(pod, ksa, requests)
    about = {"pod": pod, "namespace": ksa.namespace, "name": ksa.name, "uid": ksa.uid, "annotations": ksa.annotations}
    for request, answer in zip(requests, answers, strict=True):
        shown = {"service": "metadata", "caller": f"pod:{pod}", "pod": about, "method": "GET", "path": request["path"]}
        shown |= {"headers": request["headers"]} if "headers" in request else {}
        compare = request.get("compare", "all")
        # Where only the status is compared, the answer names the owner's machines.
        shown |= {"answer": answer["answer"]} if compare == "all" else {}
        run.record(shown | {"compare": compare, "status": answer["status"]})
    return answers


def tokens(answers: list[dict[str, Any]]) -> list[str]:
    """The placeholders of the tokens in some answers."""
    return [answer["answer"]["access_token"] for answer in answers if answer["status"] == 200]


@row(
    "metadata-unlinked",
    "metadata: paths, `Metadata-Flavor`, 403 without it",
    "metadata: no ID token for an unlinked KSA",
    "metadata: `/computeMetadata/v1/instance` redirects",
)
def metadata_unlinked(world: World, run: Run) -> None:
    """Without the annotation: e-mail, scopes, token and ID token; a request without the header; names and redirects."""
    paths = [f"{ACCOUNT}/email", f"{ACCOUNT}/scopes", TOKEN, TOKEN, IDENTITY, f"{ACCOUNT}/identity"]
    requests: list[dict[str, Any]] = [{"path": path} for path in paths]
    requests += [
        {"path": "/computeMetadata/v1/instance", "compare": "status"},
        {"path": f"{ACCOUNT}/email", "headers": {}},
        {"path": f"{ACCOUNT}/email", "headers": {"Metadata-Flavor": "Google", "X-Forwarded-For": "1.2.3.4"}},
        {"path": "/computeMetadata/v1/project/project-id"},
        {"path": "/computeMetadata/v1/project/numeric-project-id"},
        {"path": "/computeMetadata/v1/instance/attributes/cluster-name", "compare": "status"},
        {"path": "/computeMetadata/v1/instance/attributes/cluster-location", "compare": "status"},
        {"path": "/computeMetadata/v1/instance/zone", "compare": "status"},
        {"path": "/computeMetadata/v1/instance/attributes/cluster-uid", "compare": "status"},
    ]
    answers = ask(world, run, "unlinked", world.ksa("plain"), requests)
    run.fact("e-mail", answers[0]["answer"], assumed=world.names.pool)
    run.fact("a second token is the same", len(set(tokens(answers[2:4]))) == 1, assumed=True)


@row("metadata-principal", "metadata: paths, `Metadata-Flavor`, 403 without it")
def metadata_principal(world: World, run: Run) -> None:
    """The e-mail with the annotation `iam.gke.io/return-principal-id-as-email`."""
    ksa = world.cluster.account("principal", {PRINCIPAL_ANNOTATION: "true"})
    answers = ask(world, run, "principal", ksa, [{"path": f"{ACCOUNT}/email"}])
    run.fact("e-mail", answers[0]["answer"], assumed=world.principal(f"subject/ns/{ksa.namespace}/sa/principal"))


@row(
    "metadata-linked",
    "metadata: `/computeMetadata/v1/instance` redirects",
    "metadata: 500 if STS refuses; a cached token",
    beside=True,
)
def metadata_linked(world: World, run: Run) -> None:
    """With the annotation and a binding that works: e-mail, token, ID token, and whether a second token is the same."""
    world.impersonated("linked")
    ksa = world.cluster.account("linked", {GSA_ANNOTATION: world.email("linked")})
    requests = [
        {"path": f"{ACCOUNT}/email"},
        {"path": TOKEN},
        {"path": TOKEN},
        {"path": IDENTITY},
        {"path": f"{ACCOUNT}/scopes"},
    ]
    answers = ask(world, run, "linked", ksa, requests)
    seen = tokens(answers[1:3])
    run.fact("e-mail", answers[0]["answer"], assumed=world.email("linked"))
    run.fact("how its token begins", seen[0][7:14] if seen else "no token", assumed="ya29.c.")
    run.fact("a second token is the same", len(set(seen)) == 1, assumed=True)


@row("metadata-refused", "metadata: an error of IAM is passed on with its status")
def metadata_refused(world: World, run: Run) -> None:
    """With the annotation, but without a binding, and with an account that does not exist: what the pod is told."""
    world.account("policy")
    for name, key in (("unbound", "policy"), ("absent", "none")):
        ksa = world.cluster.account(name, {GSA_ANNOTATION: world.email(key)})
        ask(world, run, name, ksa, [{"path": f"{ACCOUNT}/email"}, {"path": TOKEN}, {"path": IDENTITY}])


@row("who-requests-tokens", "docs/trust.md: Namesake assumes the node (`system:node:…`,")
def who_requests_tokens(world: World, run: Run) -> None:
    """As whom the metadata server requests tokens: a policy refuses nodes for one account, and all others for another."""
    name = f"nsa-{world.id}-who"
    world.cluster.add(policy(name, world.cluster.namespace))
    bound = {"policyName": name, "validationActions": ["Deny"]}
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    world.cluster.add(meta | {"kind": "ValidatingAdmissionPolicyBinding", "spec": bound})
    no_nodes, nodes = world.cluster.account("no-nodes"), world.cluster.account("only-nodes")
    for ksa in (no_nodes, nodes):
        wait_until_refused(world, ksa)
    refused = ask(world, run, "no-nodes", no_nodes, [{"path": TOKEN, "compare": "none"}])[0]
    allowed = ask(world, run, "only-nodes", nodes, [{"path": TOKEN, "compare": "none"}])[0]
    who = {(False, True): "a node", (True, False): "somebody else"}.get(
        (refused["status"] == 200, allowed["status"] == 200), "unclear"
    )
    run.fact("who requests a pod's token", who, assumed="a node")
    said = re.search(r"requested by (\S+) for (\w+)", str(refused["answer"]))
    run.fact("as the refusal names it", said.group(1) if said else "the refusal does not reach the pod")
    if said:
        run.fact("the token is bound to", said.group(2), assumed="Pod")


def policy(name: str, namespace: str) -> dict[str, Any]:
    """Refuses tokens of `no-nodes` to nodes (and to us), and of `only-nodes` to everybody else; in our namespace only."""
    is_node = f'request.userInfo.username.startsWith("{NODE}")'
    is_ours = f'has(object.spec.audiences) && "{OURS}" in object.spec.audiences'
    ref = "object.spec.boundObjectRef"
    # kubectl sends null.
    bound = f'has({ref}) && {ref} != null ? {ref}.kind : "nothing"'
    message = f'"requested by " + request.userInfo.username + " for " + ({bound})'
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["serviceaccounts/token"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    validations = [
        {"expression": f'request.name != "no-nodes" || !({is_node} || ({is_ours}))', "messageExpression": message},
        {"expression": f'request.name != "only-nodes" || {is_node}', "messageExpression": message},
    ]
    spec = {"matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]}, "validations": validations}
    meta = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}}
    return meta | {"spec": spec | {"failurePolicy": "Fail"}}


def wait_until_refused(world: World, ksa: Ksa) -> None:
    """Waits until the policy refuses our own request."""
    deadline = time.monotonic() + ENFORCED_SECONDS
    while time.monotonic() < deadline:
        try:
            world.cluster.token(ksa, OURS)
        except KubectlError as error:
            if "requested by" in str(error):
                return
        time.sleep(1)
    raise RowError(f"the policy was not enforced within {ENFORCED_SECONDS} s")
