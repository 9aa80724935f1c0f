//! Every refusal that the emulator can simulate, as the client classifies it, through the official crate and plain HTTP.

use super::world::{ISSUER, KSA, POOL, USE, World};
use super::*;
use crate::{Error, Refusal, Resource};

const ROLE: &str = "roles/storage.objectViewer";
const DOMAINS: &str = "constraints/iam.allowedPolicyMemberDomains";

async fn refused(world: &World, on: &Resource, role: &str, member: &str) -> Error {
    let gcp = world.gcp.within(Duration::from_secs(3));
    let before = world.emulator.state().requests(0).len();
    let add = |policy: &mut crate::Policy| policy.add(role, member, None);
    let error = gcp.modify_policy(on, add).await.unwrap_err();
    let sent = world.emulator.state().requests(0).len() - before;
    assert!(sent <= 2, "{sent} requests: it was retried");
    assert!(!error.is_retryable(), "{error}");
    error
}

fn policy_of(constraint: &str, members: &[&str]) -> Refusal {
    Refusal::OrganizationPolicy {
        constraints: vec![constraint.to_owned()],
        members: members.iter().map(|&member| member.to_owned()).collect(),
    }
}

#[tokio::test]
async fn an_older_member_that_is_not_allowed_blocks_the_policy_and_is_named_if_google_names_it() {
    let world = World::start().await;
    let account = world.create().await.unwrap();
    let account = Resource::ServiceAccount {
        email: account.email,
    };
    let project = Resource::Project { id: "acme".into() };
    let bucket = Resource::Bucket {
        name: "acme-mf".into(),
    };
    for on in [&account, &project, &bucket] {
        let role = if *on == account { USE } else { ROLE };
        let add = |policy: &mut crate::Policy| policy.add(role, "user:eve@other.com", None);
        world.gcp.modify_policy(on, add).await.unwrap();
    }
    world.settings(
        &json!({"refusals": {"allowedPolicyMemberDomains": ["acme.com", "acme", "acme-ids"]}}),
    );
    let ours = "serviceAccount:mf-alice@acme-ids.iam.gserviceaccount.com";
    for (on, role, member) in [(&account, USE, KSA), (&project, ROLE, ours)] {
        let error = refused(&world, on, role, member).await;
        let expected = policy_of(DOMAINS, &["eve@other.com"]);
        assert_eq!(error.refusal(), Some(&expected), "{error}");
    }
    let error = refused(&world, &bucket, ROLE, ours).await;
    assert_eq!(error.refusal(), Some(&policy_of(DOMAINS, &[])), "{error}");
    // Without the older member the write succeeds.
    let remove = |policy: &mut crate::Policy| {
        policy.remove_member("user:eve@other.com");
        policy.add(ROLE, ours, None);
    };
    world.gcp.modify_policy(&bucket, remove).await.unwrap();
}

#[tokio::test]
async fn a_managed_constraint_on_members_names_no_member() {
    let world = World::start().await;
    world.settings(&json!({"refusals": {"allowedPolicyMembers": ["acme.com"]}}));
    let project = Resource::Project { id: "acme".into() };
    let error = refused(&world, &project, ROLE, "user:eve@other.com").await;
    let expected = policy_of("constraints/iam.managed.allowedPolicyMembers", &[]);
    assert_eq!(error.refusal(), Some(&expected), "{error}");
}

#[tokio::test]
async fn a_forbidden_account_creation_is_tried_once() {
    let world = World::start().await;
    world.settings(&json!({"refusals": {"disableServiceAccountCreation": ["acme-ids"]}}));
    let error = world.create().await.unwrap_err();
    let expected = policy_of("constraints/iam.disableServiceAccountCreation", &[]);
    assert_eq!(error.refusal(), Some(&expected), "{error}");
    let created = world.emulator.state().requests(0).into_iter();
    assert_eq!(created.filter(|r| r.method == "POST").count(), 1);
}

/// One call of each API.
async fn called(world: &World) -> [Result<(), Error>; 5] {
    let gcp = world.gcp.within(Duration::from_secs(3));
    let email = "mf-alice@acme-ids.iam.gserviceaccount.com";
    let token = secrecy::SecretString::from("t");
    let bucket = Resource::Bucket {
        name: "acme-mf".into(),
    };
    let audience = format!("identitynamespace:{POOL}:{ISSUER}");
    let ksa = world.ksa_token();
    [
        gcp.get_service_account("acme-ids", email).await.map(drop),
        gcp.generate_access_token(&token, email).await.map(drop),
        gcp.exchange(&ksa, &audience, "s").await.map(drop),
        gcp.policy(&bucket).await.map(drop),
        gcp.project_number("acme").await.map(drop),
    ]
}

const APIS: [&str; 5] = [
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "sts.googleapis.com",
    "storage.googleapis.com",
    "cloudresourcemanager.googleapis.com",
];

#[tokio::test]
async fn the_error_for_a_disabled_api_says_how_to_enable_it() {
    let world = World::start().await;
    world.settings(&json!({"refusals": {"disabledApis": APIS}}));
    for (outcome, api) in called(&world).await.into_iter().zip(APIS) {
        let error = outcome.unwrap_err();
        let command = format!("gcloud services enable {api} --project=");
        assert!(error.to_string().contains(&command), "{error}");
        assert_eq!(error.kind(), "ApiDisabled");
    }
}

#[tokio::test]
async fn a_perimeter_around_any_api_is_reported_with_the_id_of_its_violation() {
    let world = World::start().await;
    world.settings(&json!({"refusals": {"perimeter": APIS}}));
    let mut ids = std::collections::BTreeSet::new();
    for (outcome, api) in called(&world).await.into_iter().zip(APIS) {
        let error = outcome.unwrap_err();
        let Some(Refusal::Perimeter { violation, service }) = error.refusal() else {
            panic!("{api}: {} {error}", error.kind());
        };
        assert!(service.is_empty() == (api == "storage.googleapis.com"));
        let command = format!("vpcServiceControlsUniqueId=\"{violation}\"");
        assert!(error.to_string().contains(&command), "{error}");
        ids.insert(violation.clone());
    }
    assert_eq!(ids.len(), APIS.len(), "each violation has its own id");
}

#[tokio::test]
async fn a_rejected_token_is_reported_with_pool_and_provider_without_retries() {
    let world = World::start().await;
    let subjects = ["system:serviceaccount:research:*"];
    world.settings(&json!({"refusals": {"attributeCondition": subjects}}));
    let audience = format!("identitynamespace:{POOL}:{ISSUER}");
    let token = world.ksa_token();
    let exchanged = world.gcp.exchange(&token, &audience, "s").await;
    let error = exchanged.unwrap_err();
    let expected = Refusal::CredentialRejected {
        pool: POOL.to_owned(),
        provider: ISSUER.to_owned(),
    };
    assert_eq!(error.refusal(), Some(&expected), "{error}");
    assert_eq!(world.emulator.state().requests(0).len(), 1);
}

#[tokio::test]
async fn a_deny_policy_looks_like_a_missing_grant() {
    let world = World::start().await;
    let created = world.create().await.unwrap();
    world.bind(&created.email).await.unwrap();
    let federated = world.federated().await;
    let token = || world.gcp.generate_access_token(&federated, &created.email);
    token().await.unwrap();
    let denied =
        [json!({"principal": "*/sa/mf-alice", "permission": "iam.serviceAccounts.getAccessToken"})];
    world.settings(&json!({"refusals": {"denied": denied}}));
    assert_eq!(token().await.unwrap_err().kind(), "PermissionDenied");
}
