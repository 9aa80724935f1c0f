//! Principals: who the holder of a token is to IAM.

use std::sync::Arc;

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A caller without a token, to whom only `allUsers` applies.
    Anonymous,
    /// A person.
    User {
        /// Lower-case e-mail.
        email: String,
    },
    /// A Google service account. Its identity is the uid, not the e-mail.
    ServiceAccount { email: String, uid: String },
    /// A Kubernetes service account, or another subject of a workload identity pool.
    Federated(Arc<Federated>),
}

/// The principal of a verified subject token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Federated {
    /// `principal://…/subject/…`
    pub(crate) id: String,
    /// Every member by which a policy may name it.
    pub(crate) members: Vec<String>,
}

impl Federated {
    /// A KSA of the pool `PROJECT.svc.id.goog`; `cluster` is the token's issuer.
    pub(crate) fn kubernetes(
        pool: &str,
        number: u64,
        namespace: &str,
        account: &str,
        uid: &str,
        cluster: &str,
    ) -> Self {
        let one = format!("principal://{}", pool_name(number, pool));
        let set = format!("principalSet://{}", pool_name(number, pool));
        let id = format!("{one}/subject/ns/{namespace}/sa/{account}");
        let members = vec![
            id.clone(),
            // The older member for the same principal.
            format!("serviceAccount:{pool}[{namespace}/{account}]"),
            format!("{one}/kubernetes.serviceaccount.uid/{uid}"),
            format!("{set}/namespace/{namespace}"),
            format!("{set}/kubernetes.cluster/{cluster}"),
            format!("{set}/*"),
        ];
        Self { id, members }
    }

    /// A subject of a pool with an OIDC provider, as for a cluster outside of GKE.
    pub(crate) fn subject(pool: &str, number: u64, subject: &str) -> Self {
        let id = format!("principal://{}/subject/{subject}", pool_name(number, pool));
        let set = format!("principalSet://{}/*", pool_name(number, pool));
        Self {
            members: vec![id.clone(), set],
            id,
        }
    }
}

/// `iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL`
pub(crate) fn pool_name(number: u64, pool: &str) -> String {
    format!("iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{pool}")
}

impl Principal {
    /// The name in logs, error messages and tokeninfo.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User { email } | Self::ServiceAccount { email, .. } => email,
            Self::Federated(federated) => &federated.id,
            Self::Anonymous => "Anonymous caller",
        }
    }

    /// The e-mail of a person or a service account.
    pub(crate) fn email(&self) -> Option<&str> {
        match self {
            Self::User { email } | Self::ServiceAccount { email, .. } => Some(email),
            Self::Federated(_) | Self::Anonymous => None,
        }
    }
}
