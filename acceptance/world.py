"""What rows use: accounts, service accounts, a bucket, and their tokens. Each is created when a row first needs it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from api import SCOPE, Answer, Google, quoted
from calls import Call, RowError, Run
from cleanup import Cleanup, NotRemovedError
from cluster import Cluster, Ksa
from scrub import Scrubber

WORKLOAD_IDENTITY = "roles/iam.workloadIdentityUser"
NOT_SIGNED = "signature"
# Pauses while waiting until Google shows a new account.
SECONDS_UNTIL_SHOWN = (1, 2, 4, 8, 15)


@dataclass
class Names:
    """The owner's projects and cluster."""

    project: str
    project_number: str
    cluster_project: str
    cluster_number: str
    issuer: str
    owner: str
    location: str

    @property
    def pool(self) -> str:
        """The workload pool of the cluster's project."""
        return f"{self.cluster_project}.svc.id.goog"


@dataclass
class World:
    """Names, clients and fixtures of one run."""

    names: Names
    google: Google
    cluster: Cluster
    cleanup: Cleanup
    # Six characters that are part of every name.
    id: str
    setup: Run
    arguments: dict[str, Any] = field(default_factory=dict)
    _made: dict[str, Any] = field(default_factory=dict)
    # Accounts whose creation was answered, whether or not they are shown already.
    _posted: set[str] = field(default_factory=set)
    _locks: dict[str, threading.RLock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # Names and paths.

    def account_id(self, key: str) -> str:
        """The id of an account of this run."""
        return f"nsa-{self.id}-{key}"

    def email(self, key: str) -> str:
        """Its e-mail."""
        return f"{self.account_id(key)}@{self.names.project}.iam.gserviceaccount.com"

    @property
    def accounts(self) -> str:
        """The path of all accounts."""
        return f"/v1/projects/{self.names.project}/serviceAccounts"

    def path(self, key: str) -> str:
        """The path of an account."""
        return f"{self.accounts}/{self.email(key)}"

    def bucket_path(self, key: str = "main") -> str:
        """The path of a bucket."""
        return f"/storage/v1/b/nsa-{self.id}-{key}"

    def folder_path(self, folder: str) -> str:
        """The path of a managed folder of the main bucket."""
        return f"{self.bucket_path()}/managedFolders/{quoted(folder)}"

    def member(self, name: str) -> str:
        """The member for a service account of our namespace."""
        return f"serviceAccount:{self.names.pool}[{self.cluster.namespace}/{name}]"

    def principal(self, rest: str) -> str:
        """The member for an identity of the pool in the newer form."""
        pool = f"projects/{self.names.cluster_number}/locations/global/workloadIdentityPools/{self.names.pool}"
        return f"principal://iam.googleapis.com/{pool}/{rest}"

    # Fixtures.

    def _locked(self, key: str) -> threading.RLock:
        """The lock of one fixture: rows in other threads may need it at the same time."""
        with self._lock:
            return self._locks.setdefault(key, threading.RLock())

    def enter_account(self, key: str, path: str = "") -> None:
        """Says that an account is about to be created."""
        email = self.email(key)
        command = f"gcloud iam service-accounts delete {email} --project={self.names.project} --quiet"
        self.cleanup.add(f"account {email}", lambda: self._delete_account(key, path or self.path(key)), command)

    def _delete_account(self, key: str, path: str) -> None:
        """Google shows a new account after some seconds only: until then it answers 404, also to whoever deletes it."""
        for wait in SECONDS_UNTIL_SHOWN:
            if key not in self._posted or key in self._made or self.google.send("iam", "GET", path).ok:
                break
            time.sleep(wait)
        self._delete("iam", path)

    def _delete(self, service: str, path: str) -> None:
        answer = self.google.send(service, "DELETE", path)
        if not answer.ok and answer.status not in (404, 410):
            raise NotRemovedError(str(Scrubber().scrub(f"{answer.status} {answer.message}")))

    def account(self, key: str) -> str:
        """An account that exists; its e-mail."""
        with self._locked(key):
            if key not in self._made:
                self.enter_account(key)
                self.must(self.setup.call("iam", "POST", self.accounts, {"accountId": self.account_id(key)}))
                self._posted.add(key)
                self.must(self.setup.call("iam", "GET", self.path(key), expect=200, compare="status"))
                self._made[key] = True
        return self.email(key)

    def must(self, answer: Answer) -> Answer:
        """An answer that must be a success, or the row cannot go on."""
        if not answer.ok:
            raise RowError(f"{answer.status} {answer.message}")
        return answer

    def bucket(self, key: str = "main") -> str:
        """A bucket that exists, with uniform access; its path."""
        path = self.bucket_path(key)
        name = path.rsplit("/", 1)[-1]
        with self._locked(path):
            if path not in self._made:
                command = f"gcloud storage rm --recursive gs://{name}"
                self.cleanup.add(f"bucket {name}", lambda: self._delete("storage", path), command)
                iam = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
                body = {"name": name, "location": self.names.location, "iamConfiguration": iam}
                body["softDeletePolicy"] = {"retentionDurationSeconds": "0"}
                project = f"?project={self.names.project}"
                self.must(self.setup.call("storage", "POST", f"/storage/v1/b{project}", body, compare="status"))
                self._made[path] = True
        return path

    def folder(self, run: Run, name: str, **more: Any) -> Answer:
        """Creates a managed folder."""
        bucket = self.bucket()
        path = self.folder_path(name)
        command = f"gcloud storage managed-folders delete gs://{bucket.rsplit('/', 1)[-1]}/{name}"
        self.cleanup.add(f"managed folder {name}", lambda: self._delete("storage", path), command)
        return run.call("storage", "POST", f"{bucket}/managedFolders", {"name": name}, **more)

    def ksa(self, name: str) -> Ksa:
        """A service account of our namespace that exists."""
        with self._locked(f"ksa {name}"):
            if f"ksa {name}" not in self._made:
                self._made[f"ksa {name}"] = self.cluster.account(name)
            made = self._made[f"ksa {name}"]
        assert isinstance(made, Ksa)  # noqa: S101 - for mypy
        return made

    # Tokens.

    def exchange(
        self, ksa: Ksa, *, audience: str = "", flaw: str = "", cluster: Cluster | None = None, issuer: str = ""
    ) -> dict[str, Any]:
        """The arguments of a call that exchanges a token of a service account at STS. `flaw`: what is wrong with the token."""
        audience = audience or self.names.pool
        token = (cluster or self.cluster).token(ksa, audience)
        if flaw == NOT_SIGNED:
            token = token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")
        body = {
            "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": f"identitynamespace:{self.names.pool}:{issuer or self.names.issuer}",
            "scope": SCOPE,
            "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
            "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
            "subjectToken": "<subject>",
        }
        subject = {"namespace": ksa.namespace, "name": ksa.name, "uid": ksa.uid, "audience": audience}
        return {
            "service": "sts",
            "method": "POST",
            "path": "/v1/token",
            "body": body,
            "real": body | {"subjectToken": token},
            "subject": subject | ({"flaw": flaw} if flaw else {}),
            "caller": "none",
        }

    def federated(self, name: str) -> str:
        """A caller with the federated token of a service account."""
        caller = f"ksa:{name}"
        ksa = self.ksa(name)
        with self._locked(caller):
            if caller not in self.google.tokens:
                call = self.exchange(ksa) | {"saves": caller, "compare": "status"}
                self.must(self.setup.call(**call))
        return caller

    def generate(self, key: str, caller: str, **more: Any) -> Call:
        """The call that gets a token of an account."""
        path = f"/v1/projects/-/serviceAccounts/{self.email(key)}:generateAccessToken"
        body = {"scope": [SCOPE], "lifetime": "600s"}
        return Call("credentials", "POST", path, body, caller=caller, **more)

    def impersonated(self, key: str) -> str:
        """A caller with a token of an account, which a service account of the same name gets. This waits for Google."""
        caller = f"account:{key}"
        with self._locked(caller):
            self.account(key)
            if caller not in self.google.tokens:
                federated = self.federated(key)
                write = self.set_policy(key, [binding(WORKLOAD_IDENTITY, self.member(key))])
                effect = self.generate(key, federated, saves=caller, compare="status")
                if not self.setup.measure(f"seconds until {key} has a token", write, effect, lambda answer: answer.ok):
                    raise RowError(f"no token of {key}")
        return caller

    def set_policy(self, key: str, bindings: list[dict[str, Any]], **more: Any) -> Call:
        """The call that replaces the policy of an account."""
        policy = {"version": 3, "bindings": bindings}
        return Call("iam", "POST", f"{self.path(key)}:setIamPolicy", {"policy": policy}, **({"compare": "status"} | more))

    def use(self, caller: str, key: str) -> Call:
        """A call that only shows whether the caller's token is accepted."""
        return Call("iam", "GET", self.path(key), caller=caller)

    def set_state(self, key: str, verb: str) -> Call:
        """The call that enables or disables an account."""
        return Call("iam", "POST", f"{self.path(key)}:{verb}", {}, compare="status")

    def bucket_grant(self, bucket: str, *members: str) -> Call:
        """The call that grants reading a bucket to these members only. The owner's own bindings stay, and are not recorded."""
        path = f"{bucket}/iam"
        role = "roles/storage.legacyBucketReader"
        mine = [binding(role, *members)] if members else []
        policy = self.google.send("storage", "GET", f"{path}?optionsRequestedPolicyVersion=3").body
        others = [bound for bound in policy["bindings"] if bound["role"] != role or "nsa-" not in str(bound)]
        kind = {"kind": "storage#policy", "version": 3}
        return Call(
            "storage", "PUT", path, kind | {"bindings": mine}, compare="status", real=kind | {"bindings": others + mine}
        )

    def enter_project_binding(self, bound: dict[str, Any]) -> None:
        """Says that a binding is about to be added to the project's policy."""
        role, member = bound["role"], bound["members"][0]
        condition = "--all" if "condition" in bound else "--condition=None"
        command = f"gcloud projects remove-iam-policy-binding {self.names.project} --role={role} --member={member} {condition}"

        def remove() -> None:
            answer = self.google.send("projects", "EDIT", f"/v1/projects/{self.names.project}", {"remove": bound})
            if not answer.ok:
                raise NotRemovedError(f"{answer.status} {answer.message}")

        self.cleanup.add(f"binding of {role} to {member}", remove, command)

    def other_cluster(self) -> tuple[Cluster, str]:
        """Another cluster of the project, with a namespace of the same name, and the issuer of its tokens."""
        other = Cluster(self.arguments["other_context"], self.cluster.namespace, self.cluster.image, self.cleanup)
        issuer = other.read("get", "--raw", "/.well-known/openid-configuration")["issuer"]
        other.start()
        return other, issuer

    def recorded(self) -> list[dict[str, Any]]:
        """What was recorded so far."""
        return self.setup.recorded()


def binding(role: str, *members: str, condition: str = "", title: str = "acceptance") -> dict[str, Any]:
    """A binding of a policy."""
    bound: dict[str, Any] = {"role": role, "members": list(members)}
    return bound | ({"condition": {"expression": condition, "title": title}} if condition else {})
