//! Tokens of managed service accounts.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicyBinding,
    authentication::v1::TokenRequest,
    core::v1::{Binding, Pod, Secret, ServiceAccount},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use namesake_sandbox::{
    NODE, WORKLOAD_POOL,
    kubernetes::users::{NODE_USER, SCHEDULER},
};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{STOCK_ACCOUNT, TestNamespace, account_of, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::{create_account_of_bob, person_with_cluster_rights};

async fn request_token(person: &Person, account: &str, spec: Value) -> kube::Result<()> {
    let request: TokenRequest =
        serde_json::from_value(json!({"spec": spec})).map_err(kube::Error::SerdeError)?;
    let accounts: Api<ServiceAccount> = person.all();
    accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .map(drop)
}

async fn bind_cluster_role(ns: &TestNamespace, role: &str, subject: Value) -> Result<()> {
    let admin = ns.admin().await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{}-{role}", ns.name)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    });
    manifests::apply(admin.client(), &binding, &ns.name, false).await
}

fn account_subject(ns: &TestNamespace, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": ns.name})
}

#[test]
fn nobody_gets_a_token_of_bobs_account_and_bobs_own_pods_get_theirs_from_their_node() -> Result<()>
{
    with_namespace(|ns| async move {
        let bob = ns.bob().await?;
        let pod = ns.pod_of(&bob.create(metaflow_job()).await?).await?;
        ns.wait_until_ungated(&pod).await?;
        let name = account_of(&pod);
        let bound = |pod: &Pod| json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()});
        for person in [ns.mallory().await?, person_with_cluster_rights(&ns).await?] {
            for spec in [
                json!({"audiences": []}),
                json!({"audiences": [WORKLOAD_POOL]}),
                json!({"audiences": [], "boundObjectRef": bound(&pod)}),
            ] {
                refused(request_token(&person, name, spec).await)?
                    .with_code(403)?
                    .with_message(name)?
                    .with_message(&person.name)?
                    .with_message("namesake-token-requester")?;
            }
        }
        let control_plane = &ns.stack.cluster().control_plane;
        let binding: Binding = serde_json::from_value(json!({
            "metadata": {"name": pod.name_any()}, "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        }))?;
        let scheduler: Api<Pod> = Api::namespaced(control_plane.client(SCHEDULER).await?, &ns.name);
        scheduler
            .create_subresource::<Binding, Value>(
                "binding",
                &pod.name_any(),
                &PostParams::default(),
                &binding,
            )
            .await?;
        let node = Person::new(NODE_USER, control_plane.client(NODE_USER).await?, &ns.name);
        eventually("the node may ask for the pod on it", async || {
            let spec = json!({"audiences": [WORKLOAD_POOL], "boundObjectRef": bound(&pod)});
            Ok(request_token(&node, name, spec).await?)
        })
        .await?;
        let running = Patch::Merge(json!({"status": {"phase": "Running"}}));
        let pods: Api<Pod> = node.all();
        // The node authorizer learns the pod's node a moment later.
        eventually("the kubelet reports", async || {
            Ok(pods
                .patch_status(&pod.name_any(), &PatchParams::default(), &running)
                .await?)
        })
        .await?;
        refused(request_token(&node, name, json!({"audiences": []})).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn the_tokens_of_carriers_and_mapped_accounts_are_guarded_too_and_no_others() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        for controller in ["job-controller", "cronjob-controller"] {
            let there = somebody.in_namespace("kube-system");
            refused(request_token(&there, controller, json!({"audiences": []})).await)?
                .with_code(403)?
                .with_message(controller)?;
        }
        request_token(&somebody, STOCK_ACCOUNT, json!({"audiences": []})).await?;
        for role in ["namesake-guarded", "namesake-carrier"] {
            let name = format!("a-{role}");
            somebody
                .create::<ServiceAccount>(super::account(&name)?)
                .await?;
            request_token(&somebody, &name, json!({"audiences": []})).await?;
            bind_cluster_role(&ns, role, account_subject(&ns, &name)).await?;
            eventually("its tokens are guarded", async || {
                refused(request_token(&somebody, &name, json!({"audiences": []})).await)?
                    .with_message(&name)
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn an_account_authorized_by_an_admin_can_request_tokens() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        mallory
            .create::<ServiceAccount>(super::account("vault")?)
            .await?;
        bind_cluster_role(
            &ns,
            "namesake-token-requester",
            account_subject(&ns, "vault"),
        )
        .await?;
        bind_cluster_role(&ns, "edit", account_subject(&ns, "vault")).await?;
        let vault = ns
            .stack
            .cluster()
            .service_account(&ns.name, "vault", &ns.name)
            .await?;
        eventually("the vault may ask", async || {
            Ok(request_token(&vault, &name, json!({"audiences": []})).await?)
        })
        .await
    })
}

fn secret(name: &str, account: &str) -> Result<Secret> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": account}},
        "type": "kubernetes.io/service-account-token",
    }))?)
}

#[test]
fn a_token_secret_for_bobs_account_is_refused_and_filled_in_for_others() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        refused(mallory.create::<Secret>(secret("stolen", &name)?).await)?
            .with_code(403)?
            .with_message(&name)?
            .with_message("only admins")?;
        let there = person_with_cluster_rights(&ns)
            .await?
            .in_namespace("kube-system");
        let carriers = secret(&format!("{}-stolen", ns.name), "job-controller")?;
        refused(there.create::<Secret>(carriers).await)?.with_code(403)?;
        // Her own Secret, changed later to name another account.
        mallory
            .create::<Secret>(secret("own", STOCK_ACCOUNT)?)
            .await?;
        let filled = eventually("the token controller fills it in", async || {
            let secret: Secret = mallory.all().get("own").await?;
            let data = secret.data.clone().unwrap_or_default();
            ensure!(data.contains_key("token"), "not yet");
            Ok(secret)
        })
        .await?;
        ensure!(filled.type_.as_deref() == Some("kubernetes.io/service-account-token"));
        let turned =
            json!({"metadata": {"annotations": {"kubernetes.io/service-account.name": name}}});
        refused(mallory.patch::<Secret>("own", turned).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn a_token_secret_for_a_mapped_account_or_a_carrier_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        for role in ["namesake-guarded", "namesake-carrier"] {
            let name = format!("of-{role}");
            somebody
                .create::<ServiceAccount>(super::account(&name)?)
                .await?;
            bind_cluster_role(&ns, role, account_subject(&ns, &name)).await?;
            // The policy sees the binding a moment later.
            let stolen = secret(&format!("{name}-stolen"), &name)?;
            eventually("its Secrets are guarded", async || {
                refused(somebody.dry_run::<Secret>(stolen.clone()).await)?
                    .with_code(403)?
                    .with_message(&name)?
                    .with_message("only admins")
            })
            .await?;
            let turned =
                json!({"metadata": {"annotations": {"kubernetes.io/service-account.name": name}}});
            let own = format!("own-{role}");
            somebody
                .create::<Secret>(secret(&own, STOCK_ACCOUNT)?)
                .await?;
            refused(somebody.patch::<Secret>(&own, turned).await)?.with_code(403)?;
        }
        Ok(())
    })
}

#[test]
fn the_token_policy_as_shipped_warns_and_audits() -> Result<()> {
    let shipped = manifests::objects(&manifests::file("cluster/policies/accounts/tokens.yaml")?)?;
    let binding = shipped
        .iter()
        .find(|o| {
            o["kind"] == "ValidatingAdmissionPolicyBinding"
                && o["metadata"]["name"] == "namesake-tokens"
        })
        .context("no binding")?;
    let actions = binding["spec"]["validationActions"].clone();
    ensure!(actions == json!(["Warn", "Audit"]), "{actions}");
    with_own_stack(Options::default(), |ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        let bindings: Api<ValidatingAdmissionPolicyBinding> =
            Api::all(ns.admin().await?.client().clone());
        let become_ = async |actions: &Value| {
            let patch = Patch::Merge(json!({"spec": {"validationActions": actions}}));
            bindings
                .patch("namesake-tokens", &PatchParams::default(), &patch)
                .await
        };
        become_(&actions).await?;
        let passed = eventually("the guard only warns", async || {
            Ok(request_token(&mallory, &name, json!({"audiences": []})).await?)
        })
        .await;
        let events = ns.stack.cluster().audit_events()?;
        become_(&json!(["Deny", "Audit"])).await?;
        passed?;
        let told = events.iter().any(|event| {
            event["user"]["username"] == mallory.name
                && event["objectRef"]["subresource"] == "token"
                && event["annotations"]["validation.policy.admission.k8s.io/validation_failure"]
                    .to_string()
                    .contains("namesake-tokens")
        });
        ensure!(told, "the audit log does not have it");
        Ok(())
    })
}
