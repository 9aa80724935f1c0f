//! What an administrator can do about a refusal. Pure.

use std::borrow::Cow;

use super::Refusal;

pub(super) fn of(refusal: &Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::OrganizationPolicy {
            constraints,
            members,
        } => organization_policy(constraints, members).into(),
        Refusal::Perimeter { violation, service } => perimeter(violation, service).into(),
        Refusal::ApiDisabled { service, project } => api_disabled(service, project).into(),
        Refusal::CredentialRejected { pool, provider } => format!(
            "workload identity pool {pool} rejects the token by the attribute condition of its provider {provider}: \
             change the condition, or correct cluster in the rules"
        )
        .into(),
    }
}

fn organization_policy(constraints: &[String], members: &[String]) -> String {
    let Some(constraint) = constraints.first() else {
        return "an organization policy forbids it: ask an administrator of organization policies which one, and for an exemption"
            .to_owned();
    };
    let name = constraint
        .strip_prefix("constraints/")
        .unwrap_or(constraint);
    let all = constraints.join(" and ");
    let advice = if name.contains("isableServiceAccountCreation") {
        "exempt the project from it, name another project in the class, or set mode: direct in the class".to_owned()
    } else if name.contains("llowedPolicyMember") && !members.is_empty() {
        let members = members.join(", ");
        format!(
            "Google checks the whole policy: remove {members} from it, or allow them in the constraint"
        )
    } else if name.contains("llowedPolicyMember") {
        "Google checks the whole policy, and all its members must be allowed: remove those that are not, or allow them in \
         the constraint"
            .to_owned()
    } else {
        "exempt the project from it, or correct the class in the rules".to_owned()
    };
    format!(
        "organization policy {all} forbids it: {advice} (gcloud org-policies describe {name} --effective \
         --project=PROJECT shows what is allowed)"
    )
}

fn perimeter(violation: &str, service: &str) -> String {
    let service = if service.is_empty() {
        "Google's API"
    } else {
        service
    };
    let find = if violation.is_empty() {
        String::new()
    } else {
        format!(
            " (they find it with gcloud logging read 'protoPayload.metadata.vpcServiceControlsUniqueId=\"{violation}\"')"
        )
    };
    format!(
        "a VPC Service Controls perimeter refuses calls to {service}: ask its administrators for an ingress rule{find}"
    )
}

fn api_disabled(service: &str, project: &str) -> String {
    let service = if service.is_empty() {
        "SERVICE"
    } else {
        service
    };
    let project = if project.is_empty() {
        "PROJECT"
    } else {
        project
    };
    format!(
        "enable the API: gcloud services enable {service} --project={project}; it takes a few minutes to take effect"
    )
}
