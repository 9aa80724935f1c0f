//! The error of this crate: what failed, and what to do about it.

/// Error of this crate. No variant holds a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("{what}: {}", kubernetes(source))]
    Kubernetes {
        /// Which request, on which object.
        what: String,
        /// The client's error.
        #[source]
        source: Box<kube::Error>,
    },
    /// One of our Secrets has an invalid entry.
    #[error("secret {namespace}/{name}: {key}: {problem}: {remedy}")]
    BrokenSecret {
        /// The Secret's namespace.
        namespace: String,
        /// The Secret's name.
        name: &'static str,
        /// The key (or annotation) that is wrong.
        key: String,
        /// What is wrong; never the value.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A bundle of certificates that cannot be used.
    #[error("bundle of authorities: {0}")]
    Bundle(String),
    /// A certificate that cannot be issued.
    #[error("certificate for {names:?}: {problem}")]
    Issue {
        /// The DNS names and addresses that it was for.
        names: Vec<String>,
        /// Why not.
        problem: String,
    },
    /// The system returned no random bytes.
    #[error("cannot get random bytes from the system: check the kernel's getrandom")]
    Random,
}

impl Error {
    pub(crate) fn kubernetes(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kubernetes {
            what: what.into(),
            source: Box::new(source),
        }
    }
}

// Shorter than kube's own text, which prints the status twice. A response that does not parse is not quoted, because it
// may be a Secret.
fn kubernetes(source: &kube::Error) -> String {
    match source {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        kube::Error::SerdeError(_) => "the API server's response has an unexpected form".to_owned(),
        other => other.to_string(),
    }
}
