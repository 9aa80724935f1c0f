"""The cluster, by kubectl: a namespace of our own, service accounts, their tokens, and pods that run the probe."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api import PreconditionError
from cleanup import Cleanup, NotRemovedError, check_stopped

TIMEOUT_SECONDS = 120
POD_SECONDS = 300
METADATA_LABEL = "iam.gke.io/gke-metadata-server-enabled"
PROBE = ("probe.py", "scrub.py")


class KubectlError(Exception):
    """What kubectl printed."""


@dataclass(frozen=True)
class Ksa:
    """A Kubernetes service account."""

    namespace: str
    name: str
    uid: str
    annotations: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass
class Cluster:
    """One cluster, and the namespace that everything is created in."""

    context: str
    namespace: str
    image: str
    cleanup: Cleanup
    node_selector: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The command line of kubectl for this cluster."""
        return ["kubectl", *(["--context", self.context] if self.context else [])]

    def kubectl(self, *args: str, given: Any = None) -> str:
        """Runs kubectl, with an object as its input."""
        check_stopped()
        text = None if given is None else json.dumps(given)
        try:
            done = subprocess.run(
                [*self.command, *args], input=text, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except OSError as error:
            raise PreconditionError(f"kubectl cannot be run: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl {args[0]} did not finish within {TIMEOUT_SECONDS} s") from error
        if done.returncode:
            raise KubectlError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def read(self, *args: str) -> Any:
        """Runs kubectl, and parses what it prints."""
        return json.loads(self.kubectl(*args))

    def apply(self, obj: dict[str, Any]) -> Any:
        """Creates an object, or changes it."""
        return json.loads(self.kubectl("apply", "--filename=-", "--output=json", given=obj))

    def remove(self, kind: str, name: str, *, namespaced: bool = False, wait: bool = False) -> None:
        """Deletes an object, which may not exist."""
        place = ["--namespace", self.namespace] if namespaced else []
        try:
            self.kubectl("delete", kind, name, *place, "--ignore-not-found", f"--wait={'true' if wait else 'false'}")
        except KubectlError as error:
            raise NotRemovedError(str(error)) from error

    def add(self, obj: dict[str, Any]) -> Any:
        """Creates an object of the whole cluster, which is removed at the end."""
        kind, name = obj["kind"], obj["metadata"]["name"]
        command = " ".join([*self.command, "delete", kind.lower(), name])
        place = f" in {self.context}" if self.context else ""
        self.cleanup.add(f"{kind} {name}{place}", lambda: self.remove(kind, name), command)
        return self.apply(obj)

    def start(self) -> None:
        """Creates the namespace, with the probe in it."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        here = Path(__file__).parent
        data = {name: (here / name).read_text(encoding="utf-8") for name in PROBE}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._named("probe"), "data": data})
        nodes = self.read("get", "nodes", "--output=json")["items"]
        labelled = [METADATA_LABEL in node["metadata"].get("labels", {}) for node in nodes]
        # Autopilot refuses this selector: there, all nodes have the label.
        if any(labelled) and not all(labelled):
            self.node_selector = {METADATA_LABEL: "true"}

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": self.namespace}

    def account(self, name: str, annotations: dict[str, str] | None = None) -> Ksa:
        """Creates a service account, or replaces its annotations."""
        metadata = self._named(name) | {"annotations": annotations or {}}
        made = self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        return Ksa(self.namespace, name, made["metadata"]["uid"], annotations or {})

    def token(self, ksa: Ksa, audience: str) -> str:
        """A token of a service account."""
        return self.kubectl("create", "token", ksa.name, "--namespace", ksa.namespace, "--audience", audience).strip()

    def probe(
        self, name: str, ksa: Ksa, requests: list[dict[str, Any]], labels: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Runs the probe in a pod of this service account, and returns the answers."""
        self.apply(self._pod(name, ksa, requests, labels or {}))
        deadline = time.monotonic() + POD_SECONDS
        phase = ""
        while phase not in ("Succeeded", "Failed"):
            if time.monotonic() > deadline:
                raise KubectlError(
                    f"pod {name} is {phase} after {POD_SECONDS} s: see kubectl describe pod, or choose another --image"
                )
            time.sleep(1)
            phase = (
                self.read("get", "pod", name, "--namespace", self.namespace, "--output=json").get("status", {}).get("phase", "")
            )
        printed = self.kubectl("logs", name, "--namespace", self.namespace)
        if phase == "Failed":
            raise KubectlError(f"pod {name} failed: {printed[-500:]}")
        self.remove("pod", name, namespaced=True)
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def _pod(self, name: str, ksa: Ksa, requests: list[dict[str, Any]], labels: dict[str, str]) -> dict[str, Any]:
        container = {
            "name": "probe",
            "image": self.image,
            "command": ["python3", "/probe/probe.py"],
            "env": [{"name": "REQUESTS", "value": json.dumps(requests)}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
            "volumeMounts": [{"name": "probe", "mountPath": "/probe"}],
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        spec = {
            "serviceAccountName": ksa.name,
            # The metadata server is then the only one that requests tokens of the account.
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "nodeSelector": self.node_selector,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "probe", "configMap": {"name": "probe"}}],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": self._named(name) | {"labels": labels}, "spec": spec}
