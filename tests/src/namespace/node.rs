//! A cluster with kube-scheduler and a node, for tests of where and when pods run. The other clusters have neither: their pods wait.

use std::sync::Arc;

use anyhow::Result;
use namesake_sandbox::{CLUSTER, Node, NodeOptions};
use tokio::sync::OnceCell;

use crate::{
    cluster::Cluster,
    google::Google,
    namespace::{TestNamespace, in_namespace, runtime::runtime},
    stack::{Options, Stack},
};

struct WithNode {
    stack: Arc<Stack>,
    _node: Node,
}

impl WithNode {
    /// The one of this process. It stops with the process.
    async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<WithNode> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        let cluster = Cluster::start(CLUSTER).await?;
        let google = Arc::new(Google::start(&cluster).await?);
        let node = NodeOptions {
            google: Some(google.base_url().to_owned()),
            ..NodeOptions::default()
        };
        let node = Node::start(&cluster.control_plane, cluster.folder(), node).await?;
        let options = Options {
            google: Some(google),
            ..Options::default()
        };
        let stack = Stack::start_on(cluster, options).await?;
        Ok(Self { stack, _node: node })
    }
}

/// Runs a test in its own namespace, on the cluster with a node that all such tests share.
///
/// # Errors
/// The test fails: the objects in the namespace are printed.
pub fn with_node<F>(test: impl FnOnce(TestNamespace) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    runtime().block_on(async {
        let shared = WithNode::shared().await?;
        in_namespace(Arc::clone(&shared.stack), test).await
    })
}
