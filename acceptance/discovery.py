"""Finds the owner's projects and cluster, and what must be changed before anything is created."""

from __future__ import annotations

import re
from typing import Any

from api import FORM, Google, PreconditionError
from cluster import Cluster, KubectlError
from redaction import Redaction
from world import Names

ISSUER = re.compile(r"/projects/([^/]+)/(?:locations|zones)/([^/]+)/clusters/([^/]+)$")
# Permissions of the script's user on the project of the accounts.
NEEDED = (
    "iam.roles.create",
    "iam.roles.delete",
    "iam.serviceAccounts.create",
    "iam.serviceAccounts.delete",
    "iam.serviceAccounts.disable",
    "iam.serviceAccounts.enable",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccounts.undelete",
    "iam.serviceAccounts.update",
    "resourcemanager.projects.get",
    "storage.buckets.create",
    "storage.buckets.delete",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
    "storage.managedFolders.create",
)


def project_number(google: Google, project: str) -> str:
    """The number of a project."""
    answer = google.send("projects", "GET", f"/v1/projects/{project}")
    if not answer.ok:
        raise PreconditionError(f"project {project} cannot be read: {answer.status} {answer.message}")
    return str(answer.body["projectNumber"])


def find_names(google: Google, cluster: Cluster, project: str, location: str) -> Names:
    """The names of projects and cluster: the issuer of the cluster's tokens has them."""
    try:
        issuer = cluster.read("get", "--raw", "/.well-known/openid-configuration")["issuer"]
    except KubectlError as error:
        raise PreconditionError(f"the cluster cannot be read: {error}") from error
    match = ISSUER.search(issuer)
    if not match:
        raise PreconditionError(f"{issuer} is not the issuer of a GKE cluster: choose another --context")
    project = project or match.group(1)
    form = {"Content-Type": FORM}
    info = google.send("oauth2", "POST", "/tokeninfo", {"access_token": google.tokens["owner"]}, "none", form).body
    return Names(
        project=project,
        project_number=project_number(google, project),
        cluster_project=match.group(1),
        cluster_number=project_number(google, match.group(1)),
        issuer=issuer,
        owner=info.get("email", "") if isinstance(info, dict) else "",
        location=location,
    )


def check_permissions(google: Google, cluster: Cluster, names: Names) -> None:
    """Refuses to begin if a permission is missing."""
    asked = {"permissions": list(NEEDED)}
    answer = google.send("projects", "POST", f"/v1/projects/{names.project}:testIamPermissions", asked)
    missing = sorted(set(NEEDED) - set(answer.body.get("permissions", [])) if answer.ok else [])
    if missing:
        raise PreconditionError(f"you lack permissions on project {names.project}: {', '.join(missing)}")
    try:
        cluster.kubectl("auth", "can-i", "create", "validatingadmissionpolicies", "--quiet")
    except KubectlError as error:
        raise PreconditionError(f"you are no cluster-admin of the cluster: {error}") from error


def redaction_of(names: Names) -> tuple[Redaction, dict[str, Any]]:
    """Placeholders for the owner's names, and the names as the report has them."""
    match = ISSUER.search(names.issuer)
    location, cluster = (match.group(2), match.group(3)) if match else ("", "")
    placeholders = {
        names.project: "identities-project",
        names.cluster_project: "cluster-project",
        f"{names.cluster_project}.svc.id.goog": "cluster-project.svc.id.goog",
        names.project_number: "222222222222",
        names.cluster_number: "111111111111",
        names.owner: "owner@example.com",
        f"locations/{location}": "locations/location-a",
        f"zones/{location}": "locations/location-a",
        f"clusters/{cluster}": "clusters/cluster-a",
    }
    return Redaction(placeholders), world_of(names)


def world_of(names: Names) -> dict[str, Any]:
    """What a replay must know."""
    return {
        "project": names.project,
        "projectNumber": names.project_number,
        "clusterProject": names.cluster_project,
        "clusterProjectNumber": names.cluster_number,
        "pool": names.pool,
        "issuer": names.issuer,
        "owner": names.owner,
    }
