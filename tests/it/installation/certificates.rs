//! Rotation of the certificate authority while everything runs: no request is refused.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    batch::v1::Job,
    core::v1::Secret,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use namesake_api::names::{
    AUTHORITY_SECRET, FIELD_MANAGER_WEBHOOK, SYSTEM_NAMESPACE, WEBHOOK_CONFIGURATION,
};
use namesake_certs::Authority;
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::{Options, https_trusting},
};
use serde_json::json;
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Concurrent requests: more than the API server keeps connections for, so that each wave needs new TLS handshakes.
const AT_ONCE: usize = 40;

/// The certificate and the key of an authority, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

async fn read(person: &Person) -> Result<Pair> {
    let secret = person.all::<Secret>().get(AUTHORITY_SECRET).await?;
    let data = secret.data.context("an empty Secret")?;
    let text = |key: &str| {
        let bytes = data.get(key).context("half a Secret")?;
        Ok::<_, anyhow::Error>(String::from_utf8(bytes.0.clone())?)
    };
    Ok(Pair {
        certificate: text("tls.crt")?,
        key: text("tls.key")?,
    })
}

async fn write(system: &Person, bundle: &str, key: &str) -> Result<()> {
    let pair = json!({"stringData": {"tls.crt": bundle, "tls.key": key}});
    system.patch::<Secret>(AUTHORITY_SECRET, pair).await?;
    Ok(())
}

/// Waits until every webhook of both configurations has this bundle.
async fn wait_until_published(ns: &TestNamespace, bundle: &str) -> Result<()> {
    let client = ns.admin().await?.client().clone();
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client);
    eventually("the caBundle is everywhere", async || {
        let mutating = mutating.get(WEBHOOK_CONFIGURATION).await?.webhooks;
        let validating = validating.get(WEBHOOK_CONFIGURATION).await?.webhooks;
        let mutating = mutating.into_iter().flatten();
        let validating = validating.into_iter().flatten();
        let all = mutating.map(|w| (w.name, w.client_config));
        let all = all.chain(validating.map(|w| (w.name, w.client_config)));
        for (name, config) in all {
            let has = config.ca_bundle.map(|b| b.0);
            ensure!(
                has.as_deref() == Some(bundle.as_bytes()),
                "{name} has another"
            );
        }
        Ok(())
    })
    .await
}

/// Waits until webhook and broker serve certificates of this authority.
async fn wait_until_served(ns: &TestNamespace, certificate: &str) -> Result<()> {
    for url in [ns.stack.webhook_url(), ns.stack.broker_url()] {
        eventually(&format!("{url} has a certificate of it"), async || {
            let https = https_trusting(certificate)?;
            let answer = https.get(format!("{url}/healthz")).send().await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Requests as alice without a pause, and the refused ones.
struct Requests {
    stop: CancellationToken,
    waves: Arc<Mutex<usize>>,
    task: JoinHandle<Vec<String>>,
}

impl Requests {
    async fn start(ns: &TestNamespace) -> Result<Self> {
        let (alice, stop) = (ns.alice().await?, CancellationToken::new());
        let waves = Arc::new(Mutex::new(0));
        let (until, count) = (stop.clone(), Arc::clone(&waves));
        let task = tokio::spawn(async move {
            let mut refused = Vec::new();
            while !until.is_cancelled() {
                let wave = (0..AT_ONCE).map(|_| alice.dry_run::<Job>(metaflow_job()));
                let failed = join_all(wave).await.into_iter().filter_map(Result::err);
                refused.extend(failed.map(|error| error.to_string()));
                *count.lock().await += 1;
            }
            refused
        });
        Ok(Self { stop, waves, task })
    }

    /// Waits until she has sent more requests, so that a problem would be noticed.
    async fn wait_for_more(&self) -> Result<()> {
        let before = *self.waves.lock().await;
        eventually("alice asks again", async || {
            let now = *self.waves.lock().await;
            ensure!(now > before + 2, "{now} waves");
            Ok(())
        })
        .await
    }

    async fn check_none_refused(self) -> Result<()> {
        self.stop.cancel();
        let refused = self.task.await?;
        ensure!(
            refused.is_empty(),
            "{} refused: {:?}",
            refused.len(),
            refused.first()
        );
        Ok(())
    }
}

/// Creates a Job as a new user, for which webhook and broker need to trust each other.
async fn check_new_user(ns: &TestNamespace, name: &str) -> Result<()> {
    let person = ns.person(name).await?;
    let job = person.create::<Job>(metaflow_job()).await?;
    ns.runs_as(&ns.pod_of(&job).await?, name).await?;
    Ok(())
}

#[test]
fn the_certificate_authority_is_replaced_without_a_refused_request() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        let admin = ns.admin().await?;
        let system = admin.in_namespace(SYSTEM_NAMESPACE);
        let old = read(&system).await?;
        Authority::ensure(admin.client(), &ns.name, Timestamp::now()).await?;
        let new = read(&admin).await?;
        ensure!(old.certificate != new.certificate);

        let requests = Requests::start(&ns).await?;
        let both = format!("{}{}", new.certificate, old.certificate);
        write(&system, &both, &new.key).await?;
        wait_until_published(&ns, &both).await?;
        requests.wait_for_more().await?;
        check_new_user(&ns, "first@acme.com").await?;
        wait_until_served(&ns, &new.certificate).await?;
        requests.wait_for_more().await?;
        check_new_user(&ns, "second@acme.com").await?;
        write(&system, &new.certificate, &new.key).await?;
        wait_until_published(&ns, &new.certificate).await?;
        requests.wait_for_more().await?;
        requests.check_none_refused().await?;
        check_new_user(&ns, "third@acme.com").await?;
        ensure!(
            read(&system).await?.certificate == new.certificate,
            "somebody made another"
        );
        Ok(())
    })
}

#[test]
fn a_removed_ca_bundle_is_restored() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let admin = ns.admin().await?;
        let system = admin.in_namespace(SYSTEM_NAMESPACE);
        let bundle = read(&system).await?.certificate;
        wait_until_published(&ns, &bundle).await?;
        let all: Api<MutatingWebhookConfiguration> = Api::all(admin.client().clone());
        let alice = ns.alice().await?;
        // Repeated, because it may be restored before the API server notices.
        eventually("the API server has seen it", async || {
            let mut taken = all.get(WEBHOOK_CONFIGURATION).await?;
            for webhook in taken.webhooks.iter_mut().flatten() {
                webhook.client_config.ca_bundle = None;
            }
            all.replace(WEBHOOK_CONFIGURATION, &PostParams::default(), &taken)
                .await?;
            refused(alice.dry_run::<Job>(metaflow_job()).await)?.with_message("x509")
        })
        .await?;
        wait_until_published(&ns, &bundle).await?;
        eventually("alice is served again", async || {
            alice.dry_run::<Job>(metaflow_job()).await?;
            Ok(())
        })
        .await
    })
}

/// Applies the configuration as kubectl does, with or without the caBundle.
async fn apply_as_kubectl(
    all: &Api<MutatingWebhookConfiguration>,
    shipped: &MutatingWebhookConfiguration,
    bundle: Option<&str>,
) -> Result<()> {
    let mut object = shipped.clone();
    object.metadata = kube::core::ObjectMeta {
        name: Some(WEBHOOK_CONFIGURATION.to_owned()),
        labels: object.metadata.labels,
        ..Default::default()
    };
    for webhook in object.webhooks.iter_mut().flatten() {
        let bytes = bundle.map(|text| ByteString(text.as_bytes().to_vec()));
        webhook.client_config.ca_bundle = bytes;
    }
    let params = PatchParams::apply("kubectl").force();
    all.patch(WEBHOOK_CONFIGURATION, &params, &Patch::Apply(&object))
        .await?;
    Ok(())
}

#[test]
fn a_ca_bundle_that_came_with_a_new_configuration_stays_when_it_is_applied_without() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let admin = ns.admin().await?;
        let bundle = read(&admin.in_namespace(SYSTEM_NAMESPACE))
            .await?
            .certificate;
        wait_until_published(&ns, &bundle).await?;
        let all: Api<MutatingWebhookConfiguration> = Api::all(admin.client().clone());
        // As docs/upgrade.md does it for a configuration that is new in a version.
        let shipped = all.get(WEBHOOK_CONFIGURATION).await?;
        all.delete(WEBHOOK_CONFIGURATION, &DeleteParams::default())
            .await?;
        apply_as_kubectl(&all, &shipped, Some(&bundle)).await?;
        eventually("the webhook has written it too", async || {
            let now = all.get(WEBHOOK_CONFIGURATION).await?;
            let fields = now.metadata.managed_fields.unwrap_or_default();
            let is_ours =
                |one: &ManagedFieldsEntry| one.manager.as_deref() == Some(FIELD_MANAGER_WEBHOOK);
            ensure!(fields.iter().any(is_ours), "{fields:?}");
            Ok(())
        })
        .await?;
        apply_as_kubectl(&all, &shipped, None).await?;
        let now = all.get(WEBHOOK_CONFIGURATION).await?;
        for webhook in now.webhooks.into_iter().flatten() {
            let has = webhook.client_config.ca_bundle.map(|bytes| bytes.0);
            ensure!(
                has.as_deref() == Some(bundle.as_bytes()),
                "{}",
                webhook.name
            );
        }
        Ok(())
    })
}
