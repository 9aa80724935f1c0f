//! A namespace for one test: opted in, with people who may edit it. It is printed if the test fails, and deleted afterwards.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{Api, Client, api::DeleteParams};
use namesake_api::names::{BROKER_SERVICE_ACCOUNT, OPT_IN_LABEL, WEBHOOK_SERVICE_ACCOUNT};
use namesake_sandbox::{
    CLUSTER,
    kubernetes::users::{ADMIN, ALICE, BOB, MALLORY},
};
use serde_json::json;

use crate::{
    cluster::{Cluster, dump::dump, manifests, person::Person},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::runtime::runtime,
    stack::{Options, Stack},
};

mod accounts;
pub mod drafts;
mod google;
mod look;
pub mod node;
pub mod orphans;
pub mod runtime;

pub use look::is_gated;

/// The group with `edit` for everyone except alice, bob and mallory.
const EVERYBODY: &str = "everybody@acme.com";
/// The service account that every task names in a stock Metaflow installation.
pub const STOCK_ACCOUNT: &str = "metaflow";
/// The maximum length of the test's name within the name of its namespace.
const NAME_PART: usize = 40;

/// The namespace of one test, with clients for the people who work in it.
#[derive(Clone)]
pub struct TestNamespace {
    /// Its name.
    pub name: String,
    /// The webhook, the broker and Google for this namespace.
    pub stack: Arc<Stack>,
    admin: Client,
}

/// Runs a test in its own namespace, opted in to the stack that all tests share.
///
/// # Errors
/// The test fails: the objects in the namespace are printed.
pub fn with_namespace<F>(test: impl FnOnce(TestNamespace) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    runtime().block_on(async {
        let stack = Stack::shared().await?;
        in_namespace(stack, test).await
    })
}

/// Runs a test in its own namespace on its own stack, so that it can stop programs and change the rules.
///
/// # Errors
/// The test fails: the objects in the namespace are printed.
pub fn with_own_stack<F>(options: Options, test: impl FnOnce(TestNamespace) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    runtime().block_on(async {
        let lease = Cluster::lent().await?;
        let stack = Stack::start(lease, options).await?;
        let result = in_namespace(Arc::clone(&stack), test).await;
        stack.stop().await?;
        result
    })
}

/// Runs a test in its own namespace on its own cluster, so that it can change what all stacks of a cluster share.
///
/// # Errors
/// The test fails: the objects in the namespace are printed.
pub fn with_own_cluster<F>(test: impl FnOnce(TestNamespace) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    runtime().block_on(async {
        let cluster = Cluster::start(CLUSTER).await?;
        let stack = Stack::start_on(cluster, Options::default()).await?;
        in_namespace(stack, test).await
    })
}

pub(crate) async fn in_namespace<F>(
    stack: Arc<Stack>,
    test: impl FnOnce(TestNamespace) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let namespace = TestNamespace::create(stack).await?;
    let outcome = AssertUnwindSafe(test(namespace.clone()))
        .catch_unwind()
        .await;
    if !matches!(outcome, Ok(Ok(()))) {
        namespace.print_objects().await;
    }
    namespace.delete().await?;
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The test's name, shortened, and a number, so that no two tests share a namespace.
fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::current();
    let claim = thread
        .name()
        .unwrap_or("test")
        .rsplit("::")
        .next()
        .unwrap_or("test");
    let claim: String = claim.chars().take(NAME_PART).collect();
    format!("{}-{number}", claim.replace('_', "-").trim_end_matches('-'))
}

impl TestNamespace {
    async fn create(stack: Arc<Stack>) -> Result<Self> {
        Self::create_in(stack, &unique_name()).await
    }

    async fn create_without_opt_in(stack: Arc<Stack>, name: &str) -> Result<Self> {
        let control_plane = &stack.cluster().control_plane;
        control_plane.namespace(name, &[]).await?;
        let admin = control_plane.client(ADMIN).await?;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": STOCK_ACCOUNT}});
        manifests::apply(&admin, &account, name, false).await?;
        let everybody = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "everybody"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": EVERYBODY}],
        });
        manifests::apply(&admin, &everybody, name, false).await?;
        Ok(Self {
            name: name.to_owned(),
            stack,
            admin,
        })
    }

    /// Creates a namespace of the same name in another cluster of the same project, with its own stack and the same Google. The
    /// caller stops the stack.
    ///
    /// # Errors
    /// It does not start.
    pub async fn in_another_cluster(&self, cluster: &str, options: Options) -> Result<Self> {
        let cluster = Cluster::start(cluster).await?;
        let google = Arc::clone(self.stack.google());
        google.trust_cluster(&cluster).await?;
        let options = Options {
            google: Some(google),
            ..options
        };
        let stack = Stack::start_on(cluster, options).await?;
        let there = Self::create_without_opt_in(stack, &self.name).await?;
        there.opt_in().await?;
        Ok(there)
    }

    /// Creates a second namespace, opted in to another stack of the same cluster. The caller deletes it, and stops the stack.
    ///
    /// # Errors
    /// The API server refuses, or the webhook does not notice.
    pub async fn in_another_stack(&self, stack: Arc<Stack>) -> Result<Self> {
        let name = format!("{}-{}", self.name, stack.name());
        Self::create_in(stack, &name).await
    }

    /// Creates a namespace of this name, opted in to a stack. The caller deletes it.
    ///
    /// # Errors
    /// The API server refuses, or the webhook does not notice.
    pub async fn create_in(stack: Arc<Stack>, name: &str) -> Result<Self> {
        let namespace = Self::create_without_opt_in(stack, name).await?;
        namespace.opt_in().await?;
        Ok(namespace)
    }

    /// Creates a second namespace, not opted in ([`TestNamespace::opt_in`] does that). The caller deletes it.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn neighbour(&self) -> Result<Self> {
        let name = format!("{}-not-in", self.name);
        Self::create_without_opt_in(Arc::clone(&self.stack), &name).await
    }

    /// Opts in with `manifests/opt-in`, role bindings first, then the label; and waits until the webhook has noticed.
    ///
    /// # Errors
    /// The API server refuses, or the webhook does not notice.
    pub async fn opt_in(&self) -> Result<()> {
        let home = self.stack.home();
        for mut binding in manifests::objects(&manifests::file("opt-in/role-bindings.yaml")?)? {
            binding["subjects"][0]["namespace"] = json!(home);
            manifests::apply(&self.admin, &binding, &self.name, false).await?;
        }
        let label = manifests::objects(&manifests::file("opt-in/namespace.yaml")?)?;
        let mut label = label
            .into_iter()
            .next()
            .context("opt-in/namespace.yaml is empty")?;
        label["metadata"]["name"] = json!(self.name);
        label["metadata"]["labels"][OPT_IN_LABEL] = json!(self.stack.name());
        manifests::apply(&self.admin, &label, &self.name, false).await?;
        let alice = self.alice().await?;
        eventually("the webhook has noticed the namespace", async || {
            let job = alice.dry_run::<Job>(metaflow_job()).await?;
            let annotations = job.metadata.annotations.unwrap_or_default();
            let stamp = namesake_api::names::STAMP_ANNOTATION;
            ensure!(annotations.contains_key(stamp), "no stamp: {annotations:?}");
            Ok(())
        })
        .await
    }

    /// Opts out: removes the label.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn opt_out(&self) -> Result<()> {
        let patch = json!({"metadata": {"labels": {OPT_IN_LABEL: null}}});
        Api::<Namespace>::all(self.admin.clone())
            .patch(
                &self.name,
                &kube::api::PatchParams::default(),
                &kube::api::Patch::Merge(patch),
            )
            .await?;
        Ok(())
    }

    /// Alice, a data scientist in the group research@acme.com.
    ///
    /// # Errors
    /// The files of the control plane cannot be read.
    pub async fn alice(&self) -> Result<Person> {
        self.stack.cluster().user(ALICE, &self.name).await
    }

    /// Bob, another data scientist.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn bob(&self) -> Result<Person> {
        self.stack.cluster().user(BOB, &self.name).await
    }

    /// Mallory, an attacker with the same rights.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn mallory(&self) -> Result<Person> {
        self.stack.cluster().user(MALLORY, &self.name).await
    }

    /// The admin of the cluster.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn admin(&self) -> Result<Person> {
        self.stack.cluster().user(ADMIN, &self.name).await
    }

    /// Any other person, who also has `edit` here.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn person(&self, name: &str) -> Result<Person> {
        self.stack
            .cluster()
            .person(name, &[EVERYBODY], &self.name)
            .await
    }

    /// The broker's service account: the policies allow nobody else to write managed objects.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn broker(&self) -> Result<Person> {
        self.system_account(BROKER_SERVICE_ACCOUNT).await
    }

    /// The webhook's service account.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn webhook(&self) -> Result<Person> {
        self.system_account(WEBHOOK_SERVICE_ACCOUNT).await
    }

    async fn system_account(&self, account: &str) -> Result<Person> {
        let cluster = self.stack.cluster();
        cluster
            .service_account(&self.stack.home(), account, &self.name)
            .await
    }

    /// The service account of a controller in kube-system, with a real token.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn controller(&self, name: &str) -> Result<Person> {
        self.stack
            .cluster()
            .service_account("kube-system", name, &self.name)
            .await
    }

    /// Somebody in `system:masters` who impersonates this user.
    ///
    /// # Errors
    /// See [`TestNamespace::alice`].
    pub async fn impostor(&self, user: &str) -> Result<Person> {
        let groups = ["system:masters"];
        self.stack.cluster().person(user, &groups, &self.name).await
    }

    /// Prints the objects in the namespace, on the thread of the test.
    #[expect(clippy::print_stderr, reason = "explains the failure of a test")]
    async fn print_objects(&self) {
        eprintln!("{}", dump(&self.admin, &self.name).await);
        let folder = self.stack.cluster().folder();
        folder.keep();
        eprintln!("--- logs are in {}", folder.logs().display());
    }

    /// Deletes the namespace, without waiting until it is gone.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        namespaces
            .delete(&self.name, &DeleteParams::background())
            .await?;
        Ok(())
    }

    /// Waits until the namespace is gone.
    ///
    /// # Errors
    /// It stays: the message has its conditions.
    pub async fn wait_until_gone(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        eventually(&format!("namespace {} is gone", self.name), async || {
            let found = namespaces.get_opt(&self.name).await?;
            let status = found.and_then(|namespace| namespace.status);
            ensure!(status.is_none(), "{:?}", status.and_then(|s| s.conditions));
            Ok(())
        })
        .await
    }
}

/// The service account of a pod.
#[must_use]
pub fn account_of(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.service_account_name.as_deref())
        .unwrap_or_default()
}
