//! Bodies as Google documents them, or as several users reported them; gcp-emulator/README.md says which.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::Error;

fn error(http: u16, body: &Value) -> Error {
    Answer::parse(http, body.to_string().as_bytes(), None).error("try it")
}

fn refusal(http: u16, body: &Value) -> Refusal {
    let found = error(http, body);
    assert!(!found.is_retryable(), "{found}");
    let refusal = found.refusal().cloned();
    refusal.unwrap_or_else(|| panic!("{} {found}", found.kind()))
}

fn envelope(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}

fn precondition(kind: &str, subject: &str, description: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.PreconditionFailure",
        "violations": [{"type": kind, "subject": subject, "description": description}]})
}

fn info(reason: &str, metadata: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata})
}

fn organization_policy(constraint: &str, members: &[&str]) -> Refusal {
    Refusal::OrganizationPolicy {
        constraints: vec![constraint.to_owned()],
        members: members.iter().map(|&member| member.to_owned()).collect(),
    }
}

const NOT_PERMITTED_TEXT: &str =
    "One or more users named in the policy do not belong to a permitted customer.";
const VIOLATION: &str = "eYhDkfYCu-dOCjuj8X4Am9-spkxs0-kX5YnhAJmc3PZ7pmNNfSsqtQ";

#[test]
fn domain_restricted_sharing_names_constraint_and_member_if_google_does() {
    let said = "User agent@billing.iam.gserviceaccount.com is not in permitted organization.";
    let subject = "orgpolicy:projects/acme?configvalue=agent%40billing.iam.gserviceaccount.com";
    let body = |description| {
        let details = json!([precondition(ALLOWED_DOMAINS, subject, description)]);
        envelope(400, "FAILED_PRECONDITION", NOT_PERMITTED_TEXT, &details)
    };
    let expected = organization_policy(ALLOWED_DOMAINS, &["agent@billing.iam.gserviceaccount.com"]);
    assert_eq!(refusal(400, &body(said)), expected);
    // Google's knowledge base shows a description without the name.
    assert_eq!(
        refusal(400, &body("User is not in permitted organization.")),
        expected
    );
    let text = error(400, &body(said)).to_string();
    for part in [
        "iam.allowedPolicyMemberDomains",
        "agent@billing.iam.gserviceaccount.com is not in permitted organization",
        "Google checks the whole policy: remove agent@billing",
        "gcloud org-policies describe",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_412_of_storage_is_a_conflict_only_if_it_is_about_an_etag() {
    let storage = |message: &str| {
        json!({"error": {"code": 412, "message": message, "errors": [
            {"message": message, "domain": "global", "reason": "conditionNotMet", "locationType": "header", "location": "If-Match"}]}})
    };
    let sharing = storage(NOT_PERMITTED_TEXT);
    assert_eq!(
        refusal(412, &sharing),
        organization_policy(ALLOWED_DOMAINS, &[])
    );
    let keys =
        storage("Request violates constraint 'constraints/iam.disableServiceAccountKeyCreation'");
    let expected = organization_policy("constraints/iam.disableServiceAccountKeyCreation", &[]);
    assert_eq!(refusal(412, &keys), expected);
    let stale = storage("At least one of the pre-conditions you specified did not hold.");
    assert_eq!(error(412, &stale).kind(), "Conflict");
    assert_eq!(
        error(412, &storage("Something else is not so.")).kind(),
        "Invalid"
    );
}

#[test]
fn disabled_account_creation_names_the_constraint_and_the_alternatives() {
    let said = "Service account creation is not allowed on this project.";
    let kind = "constraints/iam.disableServiceAccountCreation";
    let subject = "projects/acme/serviceAccounts/?configvalue=";
    let body = envelope(
        400,
        "FAILED_PRECONDITION",
        said,
        &json!([precondition(kind, subject, said)]),
    );
    assert_eq!(refusal(400, &body), organization_policy(kind, &[]));
    let text = error(400, &body).to_string();
    assert_eq!(
        text.matches(said.trim_end_matches('.')).count(),
        1,
        "{text}"
    );
    assert!(text.contains("mode: direct"), "{text}");
}

#[test]
fn managed_and_custom_constraints_are_organization_policies() {
    let managed = "constraints/iam.managed.allowedPolicyMembers";
    let said = format!(
        "Operation denied by org policy on resource 'projects/acme': [\"{managed}\": \"Who may be in a policy.\"]."
    );
    let details = json!([info(
        "CUSTOM_ORG_POLICY_VIOLATION",
        &json!({"customConstraints": managed, "resource": "projects/acme"})
    )]);
    let body = envelope(400, "FAILED_PRECONDITION", &said, &details);
    let found = refusal(400, &body);
    assert_eq!(found, organization_policy(managed, &[]));
    assert!(found.is_about_members());
    let custom = "customConstraints/custom.noGrantsOnProjects";
    let said = format!("Operation denied by org policy: [\"{custom}\": \"No.\"].");
    let body = envelope(400, "FAILED_PRECONDITION", &said, &json!([]));
    let found = refusal(400, &body);
    assert_eq!(found, organization_policy(custom, &[]));
    assert!(!found.is_about_members());
    let said = "Request is disallowed by organization's constraints/gcp.restrictServiceUsage constraint for 'projects/1' attempting to use service 'iam.googleapis.com'.";
    let details = json!([info(
        "RESOURCE_USAGE_RESTRICTION_VIOLATED",
        &json!({"consumer": "projects/1"})
    )]);
    let body = envelope(403, "PERMISSION_DENIED", said, &details);
    let expected = organization_policy("constraints/gcp.restrictServiceUsage", &[]);
    assert_eq!(refusal(403, &body), expected);
}

#[test]
fn a_perimeter_violation_is_reported_with_its_id() {
    let said = format!(
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: {VIOLATION}"
    );
    let metadata =
        json!({"uid": VIOLATION, "service": "iam.googleapis.com", "consumer": "projects/acme"});
    let details = json!([
        precondition("VPC_SERVICE_CONTROLS", "", VIOLATION),
        info("SECURITY_POLICY_VIOLATED", &metadata)
    ]);
    let body = envelope(403, "PERMISSION_DENIED", &said, &details);
    let found = refusal(403, &body);
    let expected = |service: &str| Refusal::Perimeter {
        violation: VIOLATION.to_owned(),
        service: service.to_owned(),
    };
    assert_eq!(found, expected("iam.googleapis.com"));
    assert_eq!(found.changing_id(), Some(VIOLATION));
    let text = error(403, &body).to_string();
    assert!(text.contains("ingress rule"), "{text}");
    // Storage's form has no details.
    let storage = json!({"error": {"code": 403, "message": said, "errors": [{"message": said, "reason": "forbidden"}]}});
    assert_eq!(refusal(403, &storage), expected(""));
}

#[test]
fn the_error_for_a_disabled_api_has_the_command_that_enables_it() {
    let said = "Identity and Access Management (IAM) API has not been used in project 123 before or it is disabled. Enable it by visiting \
        https://console.developers.google.com/apis/api/iam.googleapis.com/overview?project=123 then retry.";
    let metadata = json!({"service": "iam.googleapis.com", "consumer": "projects/123"});
    let body = envelope(
        403,
        "PERMISSION_DENIED",
        said,
        &json!([info("SERVICE_DISABLED", &metadata)]),
    );
    let older = json!({"error": {"code": 403, "message": said, "errors": [{"reason": "accessNotConfigured"}]}});
    for body in [body, older] {
        let text = error(403, &body).to_string();
        assert!(
            text.contains("gcloud services enable iam.googleapis.com --project=123;"),
            "{text}"
        );
        assert_eq!(error(403, &body).kind(), "ApiDisabled");
    }
    // The older form names the API in the message only, and not always.
    let bare = json!({"error": {"code": 403, "message": "", "errors": [{"reason": "accessNotConfigured"}]}});
    assert!(
        error(403, &bare)
            .to_string()
            .contains("enable SERVICE --project=PROJECT")
    );
}

#[test]
fn a_rejected_credential_names_pool_and_provider() {
    let body = json!({"error": "unauthorized_client", "error_description": "The given credential is rejected by the attribute condition."});
    assert_eq!(error(400, &body).kind(), "CredentialRejected");
    let of = |audience| of_audience(audience).remedy().into_owned();
    let cluster = of("identitynamespace:acme.svc.id.goog:https://container.googleapis.com/c");
    assert!(
        cluster.contains("pool acme.svc.id.goog ")
            && cluster.contains("provider https://container.googleapis.com/c:"),
        "{cluster}"
    );
    let named =
        of("//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q");
    assert!(
        named.contains("pool p ") && named.contains("provider q:"),
        "{named}"
    );
}

#[test]
fn a_plain_403_or_429_is_not_a_refusal() {
    let denied =
        "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist).";
    let metadata = json!({"permission": "iam.serviceAccounts.create"});
    let details = json!([info("IAM_PERMISSION_DENIED", &metadata)]);
    let body = envelope(403, "PERMISSION_DENIED", denied, &details);
    assert_eq!(error(403, &body).kind(), "PermissionDenied");
    let details =
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}]);
    let body = envelope(
        429,
        "RESOURCE_EXHAUSTED",
        "constraints/a.b is no reason here",
        &details,
    );
    assert_eq!(
        error(429, &body).retry_after(),
        Some(Duration::from_secs(60))
    );
}
