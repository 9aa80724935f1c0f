//! Refusals by organization policies at Google: the Identity, one Event and the pod report them with the remedy, and an admin can
//! request an immediate retry after lifting the policy.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use namesake_api::{
    Identity, conditions,
    names::{READY, RETRY_ANNOTATION, WAITING_ANNOTATION},
};
use namesake_gcp_emulator::{Denied, Refusals};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::Google,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::Options,
};
use serde_json::json;

/// A refusal, and the expected report.
struct Case {
    user: &'static str,
    refuse: fn(&mut Refusals),
    /// The path of the refused call at Google.
    path: &'static str,
    reason: &'static str,
    says: &'static [&'static str],
}

const CASES: [Case; 4] = [
    Case {
        user: "creates@acme.com",
        refuse: |refusals| {
            let projects = &mut refusals.disable_service_account_creation;
            projects.insert("acme-identities".to_owned());
        },
        path: "/v1/projects/acme-identities/serviceAccounts",
        reason: "OrganizationPolicy",
        says: &[
            "constraints/iam.disableServiceAccountCreation",
            "exempt the project",
        ],
    },
    Case {
        user: "shares@acme.com",
        refuse: |refusals| {
            let allowed = ["acme.com", "acme"].map(str::to_owned);
            refusals.allowed_policy_member_domains = Some(allowed.into());
        },
        path: "/iam",
        reason: "OrganizationPolicy",
        says: &[
            "constraints/iam.allowedPolicyMemberDomains",
            "all its members must be allowed",
        ],
    },
    Case {
        user: "exchanges@acme.com",
        refuse: |refusals| refusals.attribute_condition = vec!["*".to_owned()],
        path: "/v1/token",
        reason: "CredentialRejected",
        says: &[
            "workload identity pool acme.svc.id.goog",
            "attribute condition",
        ],
    },
    Case {
        user: "impersonates@acme.com",
        refuse: |refusals| {
            let services = &mut refusals.perimeter;
            services.insert("iamcredentials.googleapis.com".to_owned());
        },
        path: ":generateAccessToken",
        reason: "Perimeter",
        says: &["ingress rule", "iamcredentials.googleapis.com"],
    },
];

/// A refusal that cannot be distinguished from slow propagation until it has lasted too long.
const DENIED: Case = Case {
    user: "denied@acme.com",
    refuse: |refusals| {
        refusals.denied = vec![Denied {
            principal: "mf-*".to_owned(),
            permission: "storage.objects.*".to_owned(),
        }];
    },
    path: "/iam/testPermissions",
    reason: "DeadlineExceeded",
    says: &[
        "not verified within",
        "a deny policy or a principal access boundary may forbid it",
        "gcloud iam policies list --kind=denypolicies",
        "gcloud policy-intelligence troubleshoot-policy iam RESOURCE --principal-email=mf-",
    ],
};

/// The number of refused calls at this path; for testIamPermissions, of all calls.
fn refused(google: &Google, path: &str) -> usize {
    let asks = path.ends_with("/testPermissions");
    let all = google.state().requests(0).into_iter();
    all.filter(|r| r.path.ends_with(path) && (asks || (r.method != "GET" && r.status >= 400)))
        .count()
}

fn set(google: &Google, refuse: fn(&mut Refusals)) -> Result<()> {
    google.change_settings(|settings| {
        settings.refusals = Refusals::default();
        refuse(&mut settings.refusals);
    })
}

async fn request_retry(ns: &TestNamespace, name: &str, value: &str) -> Result<()> {
    let all: Api<Identity> = ns.admin().await?.all();
    let patch = json!({"metadata": {"annotations": {RETRY_ANNOTATION: value}}});
    let params = PatchParams::default();
    all.patch(name, &params, &Patch::Merge(patch)).await?;
    Ok(())
}

/// The warning Events about the Identity with this reason, including repetitions.
async fn warnings(ns: &TestNamespace, name: &str, reason: &str) -> Result<Vec<String>> {
    let events: Api<Event> = ns.admin().await?.all();
    let about = format!("involvedObject.name={name}");
    let found = events.list(&ListParams::default().fields(&about)).await?;
    let ours = found
        .items
        .into_iter()
        .filter(|event| event.reason.as_deref() == Some(reason));
    Ok(ours
        .flat_map(|event| {
            let series = event.series.and_then(|series| series.count);
            let times = usize::try_from(series.unwrap_or(1)).unwrap_or(1);
            vec![event.message.unwrap_or_default(); times]
        })
        .collect())
}

async fn check_case(ns: &TestNamespace, case: &Case) -> Result<()> {
    let google = ns.stack.google();
    let admin = ns.admin().await?;
    set(google, case.refuse)?;
    let person = ns.person(case.user).await?;
    let job = person.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    let name = account_of(&pod).to_owned();
    let has_all = |text: &str| case.says.iter().all(|part| text.contains(part));
    let is_said = async || {
        let identity: Identity = admin.all().get(&name).await?;
        let all = identity.status.unwrap_or_default().conditions;
        let ready = conditions::get(&all, READY).with_context(|| format!("{all:?}"))?;
        ensure!(
            ready.reason == case.reason && has_all(&ready.message),
            "{ready:?}"
        );
        let pod: Pod = person.all().get(&pod.name_any()).await?;
        let waits = pod.annotations().get(WAITING_ANNOTATION).cloned();
        let waits = waits.unwrap_or_default();
        ensure!(waits.starts_with(case.reason) && has_all(&waits), "{waits}");
        let warned = warnings(ns, &name, case.reason).await?;
        ensure!(warned.len() == 1 && has_all(&warned[0]), "{warned:?}");
        Ok(())
    };
    eventually("Identity, pod and one Event say it", is_said).await?;
    let before = refused(google, case.path);
    request_retry(ns, &name, "1").await?;
    eventually("it is tried again at once", async || {
        let now = refused(google, case.path);
        ensure!(now > before, "{now} refusals");
        Ok(())
    })
    .await?;
    eventually("nothing more is said", is_said).await?;
    set(google, |_| {})?;
    request_retry(ns, &name, "2").await?;
    ns.wait_until_ungated(&pod).await
}

#[test]
fn a_refusal_by_the_organization_is_reported_once_and_retried_at_once_when_an_admin_asks()
-> Result<()> {
    let options = Options {
        tune: |config| {
            // No automatic retries, and no pod fails at its gate.
            config.timings.refused = Duration::from_mins(30);
            config.timings.patience.lasting = Duration::from_mins(10);
        },
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        for case in &CASES {
            let went = check_case(&ns, case).await;
            went.map_err(|error| error.context(case.user))?;
        }
        Ok(())
    })
}

#[test]
fn a_grant_blocked_by_a_deny_policy_ends_in_a_reason_that_names_deny_policies() -> Result<()> {
    let options = Options {
        tune: |config| {
            // Google propagates each change at once here.
            config.timings.deadline = Duration::from_secs(1);
            config.timings.refused = Duration::from_mins(30);
            config.timings.patience.lasting = Duration::from_mins(10);
        },
        ..Options::default()
    };
    with_own_stack(options, |ns| async move { check_case(&ns, &DENIED).await })
}
