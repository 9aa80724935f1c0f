//! Gaps in an installation: `kubectl namesake check` reports them, with the commands that close them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Namespace, rbac::v1::ClusterRoleBinding};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_cli::check::{Check, Report};
use namesake_sandbox::kubernetes::{
    argo::CARRIER_BINDING,
    users::{ADMIN, MALLORY},
};
use namesake_tests::{
    cluster::{ARGO_NAMESPACE, manifests},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::{
        Options,
        other_webhook::{OtherWebhook, Reinvocation},
    },
};
use serde_json::{Value, json};

use crate::cli::connection::session;

mod agreement;

const RBAC: &str = "rbac.authorization.k8s.io";

async fn report(ns: &TestNamespace) -> Result<Report> {
    let admin = ns.admin().await?;
    let check = Check::default();
    check.run(admin.client(), SYSTEM_NAMESPACE).await
}

fn role(name: &str, group: &str, resource: &str, verb: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}],
    })
}

/// A binding of a ClusterRole, in a namespace or in the whole cluster.
fn binding(namespace: Option<&str>, name: &str, role: &str, subject: &Value) -> Value {
    let kind = match namespace {
        Some(_) => "RoleBinding",
        None => "ClusterRoleBinding",
    };
    let mut binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}, "subjects": [subject],
    });
    if let Some(namespace) = namespace {
        binding["metadata"]["namespace"] = json!(namespace);
    }
    binding
}

fn user(name: &str) -> Value {
    json!({"apiGroup": RBAC, "kind": "User", "name": name})
}

/// The protection of the carriers in the shared rules, as in `docs/install.md`.
fn guarded_carriers() -> [Value; 2] {
    let of = |namespace: &str, name: &str| {
        let account = json!({"kind": "ServiceAccount", "namespace": namespace, "name": name});
        binding(
            None,
            &format!("check-{namespace}"),
            "namesake-carrier",
            &account,
        )
    };
    [
        of("jobset-system", "jobset-controller-manager"),
        of(ARGO_NAMESPACE, "argo"),
    ]
}

/// Runs the command with this kubeconfig, and returns exit code and output.
async fn program(kubeconfig: &std::path::Path, flags: &[&str]) -> (u8, String) {
    let session = session(kubeconfig, &[&["check"][..], flags].concat()).await;
    (session.code, session.out)
}

#[test]
fn a_new_installation_has_open_what_edit_opens_and_the_unguarded_carriers() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        // An earlier test on this cluster may have left the guarded controller of Argo.
        let bindings: Api<ClusterRoleBinding> = Api::all(ns.admin().await?.client().clone());
        match bindings
            .delete(CARRIER_BINDING, &DeleteParams::default())
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            left => drop(left?),
        }
        let report = eventually("the namespaces of tests before are gone", async || {
            let report = report(&ns).await?;
            let alone = report.namespaces == [ns.name.clone()];
            ensure!(alone, "{:?}", report.namespaces);
            Ok(report)
        })
        .await?;
        ensure!(
            report.not_looked_at.is_empty(),
            "{:?}",
            report.not_looked_at
        );
        let mut found: Vec<_> = report
            .findings
            .iter()
            .map(|f| (f.check, f.place.clone()))
            .collect();
        found.sort();
        let edit = |binding: &str| format!("RoleBinding {}/{binding}, ClusterRole edit", ns.name);
        let expected = [
            ("guarded-accounts", "ServiceAccounts argo/argo".to_owned()),
            (
                "guarded-accounts",
                "ServiceAccounts jobset-system/jobset-controller-manager".to_owned(),
            ),
            ("opted-in-rights", edit("everybody")),
            ("opted-in-rights", edit("people")),
        ];
        ensure!(found == expected, "{:#?}", report.findings);
        let people = report.findings.iter().find(|f| f.place == expected[3].1);
        let people = people.context("just seen")?;
        ensure!(
            people.subjects.contains(&format!("User {MALLORY}")),
            "{people:?}"
        );
        ensure!(
            people.what.contains("may impersonate service accounts"),
            "{people:?}"
        );
        Ok(())
    })
}

#[test]
fn once_carriers_are_guarded_and_people_trusted_the_program_says_that_nothing_is_open() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let control_plane = &ns.stack.cluster().control_plane;
        let admin = ns.admin().await?;
        let kubeconfig = control_plane.kubeconfig(ADMIN);
        let (code, text) = program(&kubeconfig, &[]).await;
        ensure!(
            code == 1 && text.contains("opted-in-rights"),
            "{code:?}\n{text}"
        );
        manifests::while_applied(admin.client(), &guarded_carriers(), "", async || {
            let trust = ["--trust", "*@acme.com", "--trust", "group:*@acme.com"];
            let (code, text) = program(&kubeconfig, &trust).await;
            ensure!(
                code == 0 && text.contains("nothing is open"),
                "{code:?}\n{text}"
            );
            let (code, text) = program(
                &kubeconfig,
                &["-o", "json", trust[0], trust[1], trust[2], trust[3]],
            )
            .await;
            let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            ensure!(
                code == 0 && report["findings"] == json!([]),
                "{code:?}\n{text}"
            );
            let who = report["trusted"].to_string();
            ensure!(
                who.contains(&format!("User {MALLORY}")) && who.contains("Group system:masters"),
                "{who}"
            );
            Ok(())
        })
        .await
    })
}

#[test]
fn missing_rights_are_reported_as_an_incomplete_check() -> Result<()> {
    with_namespace(|ns| async move {
        let cluster = ns.stack.cluster();
        let (code, text) = program(&cluster.control_plane.kubeconfig(MALLORY), &[]).await;
        ensure!(code == 3, "{code:?}\n{text}");
        for what in [
            "NOT SEEN  the rules",
            "NOT SEEN  who may do what",
            "NOT SEEN  the names of Secrets",
            MALLORY,
        ] {
            ensure!(text.contains(what), "{what}\n{text}");
        }
        Ok(())
    })
}

#[test]
fn what_was_created_before_the_opt_in_is_listed_and_what_is_stamped_is_not() -> Result<()> {
    with_namespace(|ns| async move {
        let later = ns.neighbour().await?;
        let mallory = later.mallory().await?;
        let early: Job = mallory.create(metaflow_job()).await?;
        let workflow = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 3 * * *", "workflowSpec": {"entrypoint": "start", "templates": [{"name": "start", "container": {"image": "busybox"}}]}},
        });
        manifests::apply(mallory.client(), &workflow, &later.name, false).await?;
        later.opt_in().await?;
        let stamped: Job = mallory.create(metaflow_job()).await?;
        let findings = report(&later).await?.findings;
        let listed = |kind: &str| {
            let place = format!("Namespace {}, {kind}", later.name);
            findings
                .iter()
                .find(|f| f.check == "no-proven-person" && f.place == place)
        };
        let jobs = listed("jobs").with_context(|| format!("{findings:#?}"))?;
        ensure!(jobs.what.contains(&early.name_any()), "{jobs:?}");
        ensure!(!jobs.what.contains(&stamped.name_any()), "{jobs:?}");
        ensure!(
            listed("cronworkflows").is_some_and(|f| f.what.contains("nightly")),
            "{findings:#?}"
        );
        later.delete().await
    })
}

/// The expected findings for [`rights_of`]: the check, and the beginning of the remedy.
const FOUND: [(&str, &str); 10] = [
    (
        "our-secrets",
        "kubectl -n namesake-system delete rolebinding check-reads",
    ),
    (
        "our-namespace",
        "kubectl -n namesake-system delete rolebinding check-reads",
    ),
    (
        "our-secrets",
        "kubectl delete clusterrolebinding check-edits",
    ),
    (
        "developers",
        "kubectl delete clusterrolebinding check-edits",
    ),
    ("tokens", "kubectl delete clusterrolebinding check-edits"),
    (
        "impersonation",
        "kubectl delete clusterrolebinding check-edits",
    ),
    (
        "impersonation",
        "kubectl delete clusterrolebinding check-impersonates",
    ),
    ("guards", "kubectl delete clusterrolebinding check-unguards"),
    (
        "escalation",
        "kubectl delete clusterrolebinding check-climbs",
    ),
    (
        "guarded-accounts",
        "kubectl -n argo delete rolebinding check-argo",
    ),
];

/// All kinds of rights with which a person can run as somebody else, given to one person.
fn rights_of(whom: &Value) -> [Value; 9] {
    [
        binding(Some(SYSTEM_NAMESPACE), "check-reads", "admin", whom),
        binding(None, "check-edits", "edit", whom),
        role("check-impersonates", "", "users", "impersonate"),
        binding(None, "check-impersonates", "check-impersonates", whom),
        role(
            "check-unguards",
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
            "delete",
        ),
        binding(None, "check-unguards", "check-unguards", whom),
        role("check-climbs", RBAC, "clusterroles", "escalate"),
        binding(None, "check-climbs", "check-climbs", whom),
        binding(Some(ARGO_NAMESPACE), "check-argo", "edit", whom),
    ]
}

#[test]
fn each_right_given_to_mallory_is_found_with_her_name_and_the_command_that_revokes_it() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let (mallory, admin) = (user("mallory@elsewhere.example"), ns.admin().await?);
        let objects = rights_of(&mallory);
        let report =
            manifests::while_applied(admin.client(), &objects, "", async || report(&ns).await)
                .await?;
        for (check, remedy) in FOUND {
            let mut of_it = report
                .findings
                .iter()
                .filter(|f| f.check == check && f.remedy.starts_with(remedy));
            let hers = of_it.any(|f| f.subjects == ["User mallory@elsewhere.example"]);
            ensure!(hers, "{check}, {remedy}: {:#?}", report.findings);
        }
        let after = self::report(&ns).await?;
        let left = after
            .findings
            .iter()
            .any(|f| f.subjects.iter().any(|s| s.contains("elsewhere")));
        ensure!(!left, "{:#?}", after.findings);
        Ok(())
    })
}

#[test]
fn a_missing_policy_a_namespace_without_pod_security_and_a_later_webhook_are_found() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let admin = ns.admin().await?;
        let client = admin.client();
        let shipped =
            manifests::objects(&manifests::file("cluster/policies/namespaces/opt-in.yaml")?)?;
        let guard = shipped.iter().find(|o| {
            o["kind"] == "ValidatingAdmissionPolicyBinding"
                && o["metadata"]["name"] == "namesake-opt-in"
        });
        let guard = guard.context("no binding")?.clone();
        let other_webhook = OtherWebhook::start(&ns, &json!([]), Reinvocation::Never).await?;
        // Deleted, so that the policy for opt-ins allows lowering the level; it is restored at the end.
        let found =
            manifests::while_applied(client, std::slice::from_ref(&guard), "", async || Ok(()))
                .await;
        let opened = async {
            found?;
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
            eventually("the API server has forgotten the guard", async || {
                let (params, patch) = (PatchParams::default(), Patch::Merge(&label));
                namespaces.patch(&ns.name, &params, &patch).await?;
                Ok(())
            })
            .await?;
            report(&ns).await
        }
        .await;
        manifests::apply(client, &guard, "", false).await?;
        other_webhook.delete().await?;
        let findings = opened?.findings;
        for (check, place) in [
            ("installation", "manifests/".to_owned()),
            ("pod-security", format!("Namespace {}", ns.name)),
            (
                "other-webhooks",
                format!(
                    "MutatingWebhookConfiguration zzz-{}, webhook other.example.com",
                    ns.name
                ),
            ),
        ] {
            let one = findings
                .iter()
                .find(|f| f.check == check && f.place == place);
            ensure!(
                one.is_some_and(|f| !f.remedy.is_empty()),
                "{check}: {findings:#?}"
            );
        }
        ensure!(
            findings
                .iter()
                .any(|f| f.what.contains("policy namesake-opt-in has no binding")),
            "{findings:#?}"
        );
        Ok(())
    })
}
