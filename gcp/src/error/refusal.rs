//! Refusals by the organization around a project, which last until an administrator changes something: organization
//! policies, perimeters of VPC Service Controls, disabled APIs, attribute conditions of a workload identity provider. Pure.

mod remedy;

use std::borrow::Cow;

use reqwest::Url;

use super::answer::Answer;
use super::details::Violation;

/// The constraint that Google's older APIs describe without its name.
const ALLOWED_DOMAINS: &str = "constraints/iam.allowedPolicyMemberDomains";
/// Part of their description.
const NOT_PERMITTED: &str = "permitted customer";
/// What precedes the id of a perimeter violation in a message.
const VIOLATION_ID: &str = "vpcServiceControlsUniqueIdentifier:";

/// Who refuses, and what an administrator needs to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An organization policy.
    OrganizationPolicy {
        /// The violated constraints, such as `constraints/iam.allowedPolicyMemberDomains`; empty if Google does not say.
        constraints: Vec<String>,
        /// Principals that the constraint does not allow, as Google names them; empty if Google does not say.
        members: Vec<String>,
    },
    /// A service perimeter of VPC Service Controls.
    Perimeter {
        /// Id under which its administrators find it in their logs; different for each request; empty if Google does not say.
        violation: String,
        /// The API that the perimeter protects; empty if Google does not say.
        service: String,
    },
    /// An API that is not enabled in the project.
    ApiDisabled {
        /// Such as `iam.googleapis.com`; empty if Google does not say.
        service: String,
        /// The project's id or number; empty if Google does not say.
        project: String,
    },
    /// A workload identity provider, by its attribute condition.
    CredentialRejected {
        /// The workload identity pool.
        pool: String,
        /// The provider, or the cluster that stands for it.
        provider: String,
    },
}

impl Refusal {
    /// The refusal that an answer contains, if it is one.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        api_disabled(answer)
            .or_else(|| perimeter(answer))
            .or_else(|| organization_policy(answer))
            .or_else(|| credential_rejected(answer))
    }

    /// What an administrator has to do.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        remedy::of(self)
    }

    /// Whether it is about the members of a policy. Google then checks all members of the policy, not only new ones.
    #[must_use]
    pub fn is_about_members(&self) -> bool {
        matches!(self, Self::OrganizationPolicy { constraints, .. }
            if constraints.iter().any(|constraint| constraint.contains("llowedPolicyMember")))
    }

    /// The principals that Google names as not allowed.
    #[must_use]
    pub fn members(&self) -> &[String] {
        match self {
            Self::OrganizationPolicy { members, .. } => members,
            _ => &[],
        }
    }

    /// The id that differs in each answer although nothing else has changed.
    #[must_use]
    pub fn changing_id(&self) -> Option<&str> {
        match self {
            Self::Perimeter { violation, .. } => Some(violation).filter(|id| !id.is_empty()),
            _ => None,
        }
        .map(String::as_str)
    }
}

fn api_disabled(answer: &Answer) -> Option<Refusal> {
    let details = &answer.details;
    if let Some(info) = details.info("SERVICE_DISABLED") {
        let consumer = info.get("consumer");
        return Some(Refusal::ApiDisabled {
            service: info.get("service").to_owned(),
            project: consumer
                .strip_prefix("projects/")
                .unwrap_or(consumer)
                .to_owned(),
        });
    }
    let older = "accessNotConfigured";
    if answer.reason != older && details.info(older).is_none() {
        return None;
    }
    // `… visiting https://console.developers.google.com/apis/api/SERVICE/overview?project=PROJECT then retry.`
    let part = |before: &str, ends: &[char]| {
        let (_, rest) = answer.message.split_once(before)?;
        rest.split(ends).next().map(str::to_owned)
    };
    Some(Refusal::ApiDisabled {
        service: part("/apis/api/", &['/', ' ']).unwrap_or_default(),
        project: part("?project=", &[' ', '&', '.']).unwrap_or_default(),
    })
}

fn perimeter(answer: &Answer) -> Option<Refusal> {
    let info = answer.details.info("SECURITY_POLICY_VIOLATED");
    let violations = &answer.details.violations;
    let violated = violations.iter().find(|v| v.kind == "VPC_SERVICE_CONTROLS");
    let said = answer.message.split_once(VIOLATION_ID);
    let older = "vpcServiceControls";
    let is_one = info.is_some()
        || violated.is_some()
        || said.is_some()
        || answer.reason == older
        || answer
            .message
            .contains("prohibited by organization's policy");
    if !is_one {
        return None;
    }
    let said = said.and_then(|(_, rest)| rest.split_whitespace().next());
    let ids = [
        info.map(|info| info.get("uid")),
        violated.map(|violation| violation.description.as_str()),
        said.map(|id| id.trim_end_matches(['.', ','])),
    ];
    let violation = ids.into_iter().flatten().find(|id| !id.is_empty());
    Some(Refusal::Perimeter {
        violation: violation.unwrap_or_default().to_owned(),
        service: info.map_or("", |info| info.get("service")).to_owned(),
    })
}

fn organization_policy(answer: &Answer) -> Option<Refusal> {
    let details = &answer.details;
    let violations = || {
        let all = details.violations.iter();
        all.filter(|v| v.kind.starts_with("constraints/"))
    };
    let mut constraints: Vec<String> = violations().map(|v| v.kind.clone()).collect();
    let custom = details.info("CUSTOM_ORG_POLICY_VIOLATION");
    if let Some(info) = custom {
        let all = info.get("customConstraints").split(',').map(str::trim);
        constraints.extend(all.filter(|c| !c.is_empty()).map(str::to_owned));
    }
    let not_permitted = answer.message.contains(NOT_PERMITTED);
    let usage = details.info("RESOURCE_USAGE_RESTRICTION_VIOLATED");
    if constraints.is_empty() {
        constraints.extend(named_constraints(&answer.message));
    }
    if constraints.is_empty() && not_permitted {
        constraints.push(ALLOWED_DOMAINS.to_owned());
    }
    if constraints.is_empty() && custom.is_none() && usage.is_none() {
        return None;
    }
    constraints.sort();
    constraints.dedup();
    let mut members: Vec<String> = violations().filter_map(member).collect();
    members.sort();
    members.dedup();
    Some(Refusal::OrganizationPolicy {
        constraints,
        members,
    })
}

/// Constraints named in a message: `… violates constraint 'constraints/iam.disableServiceAccountKeyCreation'`.
fn named_constraints(message: &str) -> impl Iterator<Item = String> {
    let words = message.split(|c: char| c.is_whitespace() || "'\"`[](),;:".contains(c));
    let words = words.map(|word| word.trim_end_matches('.'));
    let named = |word: &&str| {
        let name = word
            .strip_prefix("constraints/")
            .or_else(|| word.strip_prefix("customConstraints/"));
        name.is_some_and(|name| name.contains('.'))
    };
    words.filter(named).map(str::to_owned)
}

/// The member that a violation is about: `User a@b.com is not in permitted organization.`, or `…?configvalue=a%40b.com`.
fn member(violation: &Violation) -> Option<String> {
    if !violation.kind.contains("llowedPolicyMember") {
        return None;
    }
    let said = violation.description.strip_prefix("User ");
    let said = said.and_then(|rest| rest.split_once(" is not in permitted organization"));
    if let Some((name, _)) = said {
        return Some(name.to_owned());
    }
    let (_, query) = violation.subject.split_once('?')?;
    let url = Url::parse(&format!("orgpolicy:?{query}")).ok()?;
    let value = url.query_pairs().find(|(key, _)| key == "configvalue")?.1;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

fn credential_rejected(answer: &Answer) -> Option<Refusal> {
    (answer.status == "unauthorized_client").then(|| Refusal::CredentialRejected {
        pool: String::new(),
        provider: String::new(),
    })
}

/// A rejected credential for this audience: `identitynamespace:POOL:ISSUER`, or the name of a provider.
pub(crate) fn of_audience(audience: &str) -> Refusal {
    let form = audience.strip_prefix("identitynamespace:");
    if let Some((pool, issuer)) = form.and_then(|rest| rest.split_once(':')) {
        return Refusal::CredentialRejected {
            pool: pool.to_owned(),
            provider: issuer.to_owned(),
        };
    }
    let after = |name: &str| {
        let (_, rest) = audience.split_once(name)?;
        rest.split('/').next()
    };
    Refusal::CredentialRejected {
        pool: after("/workloadIdentityPools/")
            .unwrap_or(audience)
            .to_owned(),
        provider: after("/providers/").unwrap_or(audience).to_owned(),
    }
}

#[cfg(test)]
mod tests;
