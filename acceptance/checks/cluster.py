"""Whether the cluster has what Namesake needs."""

from __future__ import annotations

from typing import Any

from calls import QUOTA_ROW, Run
from cluster import METADATA_LABEL, KubectlError
from rows import row
from world import World

OLDEST = (1, 30)
HTTPS = ["$KUBERNETES_SERVICE_HOST", "$KUBERNETES_SERVICE_PORT"]
EMAIL = "/computeMetadata/v1/instance/service-accounts/default/email"


@row("cluster-version")
def cluster_version(world: World, run: Run) -> None:
    """The API server's version, and whether it has ValidatingAdmissionPolicy v1."""
    version = world.cluster.read("get", "--raw", "/version")
    number = tuple(int(part.rstrip("+")) for part in (version["major"], version["minor"]))
    run.fact("version", version["gitVersion"])
    run.fact("1.30 or newer", number >= OLDEST, assumed=True)
    try:
        found = world.cluster.read("get", "--raw", "/apis/admissionregistration.k8s.io/v1")["resources"]
    except KubectlError:
        found = []
    names = [resource["name"] for resource in found]
    run.fact("ValidatingAdmissionPolicy v1", "validatingadmissionpolicies" in names, assumed=True)


@row("cluster-nodes")
def cluster_nodes(world: World, run: Run) -> None:
    """How many nodes have the GKE metadata server."""
    nodes = world.cluster.read("get", "nodes", "--output=json")["items"]
    with_server = [node for node in nodes if node["metadata"].get("labels", {}).get(METADATA_LABEL) == "true"]
    run.fact("nodes", len(nodes))
    run.fact("all have the GKE metadata server", bool(nodes) and len(with_server) == len(nodes), assumed=True)
    run.fact("kubelet", sorted({node["status"].get("nodeInfo", {}).get("kubeletVersion", "") for node in nodes}))


@row("network-policy")
def network_policy(world: World, run: Run) -> None:
    """Whether network policies are enforced, and the metadata server is reached by name under the broker's own."""
    ksa = world.ksa("plain")
    requests: list[dict[str, Any]] = [{"connect": HTTPS}, {"path": EMAIL}]
    before = world.cluster.probe("open", ksa, requests, {"acceptance": "open"})
    metadata = [{"ipBlock": {"cidr": f"169.254.169.{last}/32"}} for last in (252, 254)]
    kube_system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    dns = [kube_system | {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}]
    egress = [
        {"to": metadata, "ports": [{"protocol": "TCP", "port": port} for port in (80, 988)]},
        {"to": dns, "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
    ]
    spec = {"podSelector": {"matchLabels": {"acceptance": "closed"}}, "policyTypes": ["Egress"], "egress": egress}
    place = {"name": "closed", "namespace": world.cluster.namespace}
    world.cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": place, "spec": spec})
    after = world.cluster.probe("closed", ksa, requests, {"acceptance": "closed"})
    reached = (before[0]["reachable"], after[0]["reachable"])
    run.fact("network policies are enforced", {(True, False): True, (True, True): False}.get(reached, "unclear"), assumed=True)
    run.fact("the metadata server is reached by name under the broker's policy", after[1]["status"], assumed=200)


@row(QUOTA_ROW, "429 texts and RetryInfo of creation rate (60 s)", "creation rate: unlimited (Google's varies)")
def quota(world: World, run: Run) -> None:
    """Answers with status 429, if the run met any; it waited as long as each of them asked."""
    run.fact("429s in this run", sum(1 for exchange in world.recorded() if exchange.get("status") == 429))
