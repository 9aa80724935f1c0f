"""Google's clients for Python, unchanged, against the emulator: one function for each thing that is tested.

Usage: client.py NAME. Where the emulator is and whose token to use stand in the environment.
"""

import os
import sys

import requests
from google.api_core import exceptions
from google.auth import compute_engine
from google.auth.transport.requests import Request
from google.cloud import storage
from google.oauth2 import credentials as oauth2
from google.oauth2 import id_token
from googleapiclient import discovery, errors

URL = os.environ["EMULATOR_URL"]
BUCKET = "acme-mf"
PROJECT = "acme"


def credentials(token="ADMIN_TOKEN", quota_project=None):
    return oauth2.Credentials(os.environ[token], quota_project_id=quota_project)


def bucket(**options):
    client = storage.Client(
        project=PROJECT, credentials=credentials(**options), client_options={"api_endpoint": URL}
    )
    return client.bucket(BUCKET)


def api(name, version, **options):
    return discovery.build(
        name,
        version,
        credentials=credentials(**options),
        client_options={"api_endpoint": URL},
        static_discovery=True,
        cache_discovery=False,
    )


def refused(kind, call, status, words):
    """The call must fail with this status and these words."""
    try:
        call()
    except kind as error:
        found = error.status_code if isinstance(error, errors.HttpError) else error.code
        assert found == status, f"{found} instead of {status}: {error}"
        assert words in str(error), f"{words!r} is not in: {error}"
        return
    raise AssertionError(f"not refused: {words}")


def delete_object():
    blob = bucket().blob("deleted/by/python")
    blob.upload_from_string("x")
    blob.delete()
    missing = f"No such object: {BUCKET}/deleted/by/python"
    refused(exceptions.NotFound, blob.delete, 404, missing)
    refused(exceptions.NotFound, blob.reload, 404, missing)
    refused(exceptions.NotFound, blob.download_as_bytes, 404, missing)


def versions():
    with_versions = bucket().client.bucket("acme-state")
    with_versions.versioning_enabled = True
    with_versions.create(location="europe-west4")
    blob = with_versions.blob("default.tfstate")
    for content in ["first", "second"]:
        blob.upload_from_string(content)
    found = list(with_versions.list_blobs(versions=True))
    assert len(found) == 2, found
    with_versions.reload()
    assert with_versions.versioning_enabled, "the bucket lost its setting"


def preconditions():
    blob = bucket().blob("preconditions/by/python")
    blob.upload_from_string("x")
    generation = blob.generation
    wrong = {"if_generation_match": 12345}
    words = "At least one of the pre-conditions you specified did not hold."
    refused(exceptions.PreconditionFailed, lambda: blob.delete(**wrong), 412, words)
    refused(exceptions.PreconditionFailed, lambda: blob.reload(**wrong), 412, words)
    refused(exceptions.PreconditionFailed, lambda: blob.patch(**wrong), 412, words)
    refused(exceptions.PreconditionFailed, lambda: blob.reload(if_metageneration_match=9), 412, words)
    blob.reload(if_generation_match=generation, if_metageneration_match=1)
    assert blob.download_as_bytes(if_generation_match=generation) == b"x"
    blob.delete(if_generation_match=generation)


def folders_in_listings():
    blobs = bucket().list_blobs(delimiter="/", include_folders_as_prefixes=True)
    assert list(blobs) == []
    assert "empty/" in blobs.prefixes, blobs.prefixes


def accounts():
    service = api("iam", "v1").projects().serviceAccounts()
    body = {"accountId": "by-python", "serviceAccount": {"displayName": "Python"}}
    made = service.create(name=f"projects/{PROJECT}", body=body).execute()
    assert made["oauth2ClientId"] == made["uniqueId"], made
    assert made["etag"] == "MDEwMjE5MjA=", made

    def policy(member, condition=None):
        binding = {"role": "roles/iam.workloadIdentityUser", "members": [member]}
        if condition is not None:
            binding["condition"] = condition
        wanted = {"version": 3, "bindings": [binding]}
        return service.setIamPolicy(resource=made["name"], body={"policy": wanted}).execute

    refused(errors.HttpError, policy("allUsers"), 400, "Member allUsers is invalid")
    person = "user:alice@acme.com"
    unknown = {"title": "t", "expression": "nobody.knows == 1"}
    refused(errors.HttpError, policy(person, unknown), 400, "undeclared reference to 'nobody'")
    untitled = {"expression": "request.time < timestamp('2036-01-01T00:00:00Z')"}
    refused(errors.HttpError, policy(person, untitled), 400, "title")
    policy(person, {**untitled, "title": "t"})()


def roles():
    service = api("iam", "v1").projects().roles()
    permissions = ["storage.buckets.get", "storage.managedFolders.create"]
    role = {"title": "Folders", "includedPermissions": permissions, "stage": "GA"}
    body = {"roleId": "byPython", "role": role}
    made = service.create(parent=f"projects/{PROJECT}", body=body).execute()
    assert made["includedPermissions"] == permissions, made
    refused(
        errors.HttpError,
        service.create(parent=f"projects/{PROJECT}", body=body).execute,
        409,
        f"A role named byPython in projects/{PROJECT} already exists.",
    )
    listed = service.list(parent=f"projects/{PROJECT}").execute()["roles"]
    assert made["name"] in [role["name"] for role in listed], listed
    predefined = api("iam", "v1").roles().list(view="FULL").execute()["roles"]
    assert any("iam.roles.create" in role["includedPermissions"] for role in predefined)


def limited_grants():
    """bob may grant one role only, by a condition on the roles that a call changes."""
    role = "roles/bigquery.jobUser"
    admin = api("cloudresourcemanager", "v1").projects()
    options = {"options": {"requestedPolicyVersion": 3}}
    policy = admin.getIamPolicy(resource=PROJECT, body=options).execute()
    attribute = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"
    policy["version"] = 3
    policy["bindings"].append(
        {
            "role": "roles/resourcemanager.projectIamAdmin",
            "members": ["user:bob@acme.com"],
            "condition": {"title": "Job users only", "expression": f"{attribute}.hasOnly(['{role}'])"},
        }
    )
    admin.setIamPolicy(resource=PROJECT, body={"policy": policy}).execute()
    bob = api("cloudresourcemanager", "v1", token="BOB_TOKEN").projects()

    def grant(role):
        policy = bob.getIamPolicy(resource=PROJECT, body=options).execute()
        policy["bindings"].append({"role": role, "members": ["user:carol@acme.com"]})
        bob.setIamPolicy(resource=PROJECT, body={"policy": policy}).execute()

    grant(role)
    words = "Permission 'resourcemanager.projects.setIamPolicy' denied"
    refused(errors.HttpError, lambda: grant("roles/owner"), 403, words)


def quota_project():
    project = {"token": "ALICE_TOKEN", "quota_project": PROJECT}
    get = api("cloudresourcemanager", "v1", **project).projects().get(projectId=PROJECT)
    words = "Caller does not have required permission to use project acme."
    refused(errors.HttpError, get.execute, 403, words)
    objects = bucket(**project).list_blobs
    words = "does not have serviceusage.services.use access to the Google Cloud project"
    refused(exceptions.Forbidden, lambda: list(objects()), 403, words)


def signatures():
    """IAM credentials sign for the account that the caller may act as."""
    service = api("iamcredentials", "v1", token="ALICE_TOKEN").projects().serviceAccounts()
    name = f"projects/-/serviceAccounts/{os.environ['ACCOUNT']}"
    signed = service.signBlob(name=name, body={"payload": "eA=="}).execute()
    certificates = requests.get(f"{URL}/robot/v1/metadata/x509/{os.environ['ACCOUNT']}", timeout=10).json()
    from base64 import b64decode

    from google.auth import crypt

    certificate = certificates[signed["keyId"]]
    assert crypt.verify_signature(b"x", b64decode(signed["signedBlob"]), certificate)
    body = {"audience": "https://acme.com", "includeEmail": True}
    verify_id_token(service.generateIdToken(name=name, body=body).execute()["token"])


def verify_id_token(token):
    claims = id_token.verify_token(
        token, Request(), audience="https://acme.com", certs_url=f"{URL}/oauth2/v1/certs"
    )
    assert claims["email"] == os.environ["ACCOUNT"], claims


def metadata_server():
    """What a pod's library finds by itself: the linked account, its access token and its ID token."""
    found = compute_engine.Credentials()
    found.refresh(Request())
    assert found.service_account_email == os.environ["ACCOUNT"], found.service_account_email
    verify_id_token(id_token.fetch_id_token(Request(), "https://acme.com"))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("ok", sys.argv[1])
