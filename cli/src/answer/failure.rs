//! Why a command gave no answer.

use kube::Error;
use kube::core::Status;
use namesake_api::names;

use crate::answer::exit_status::ExitStatus;
use crate::answer::text::plain;

/// The status code for what does not exist.
const NOT_FOUND: u16 = 404;

/// Why a command gave no answer. Each says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line or a file is not valid.
    #[error("{0}")]
    Usage(String),
    /// No kubeconfig, or one that cannot be used.
    #[error("no kubeconfig: {0}; pass --kubeconfig FILE, set KUBECONFIG, or run it in a cluster")]
    NoKubeconfig(String),
    /// No API server answers.
    #[error(
        "no API server answers: {0}; check the kubeconfig, its context (--context) and the network"
    )]
    NoApiServer(String),
    /// The API server does not know the custom resources of Namesake.
    #[error(
        "this cluster has no Namesake: it does not serve {}; check --context, or install it (docs/install.md)",
        names::GROUP
    )]
    NotInstalled,
    /// It knows another version of them.
    #[error(
        "this cluster has another version of Namesake: it serves {} in {found}, and this program reads {}; install kubectl-namesake \
         of the same release",
        names::GROUP,
        names::VERSION
    )]
    OtherVersion {
        /// The versions that it serves.
        found: String,
    },
    /// What the command is about does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The API server does not allow the request.
    #[error("not allowed to {what}: {why}; run it as a user who may, or ask your admin")]
    Forbidden {
        /// What was asked.
        what: String,
        /// The API server's answer.
        why: String,
    },
    /// The API server refused the request for another reason.
    #[error("failed to {what}: {why}")]
    Refused {
        /// What was asked.
        what: String,
        /// The API server's answer.
        why: String,
    },
}

impl Failure {
    /// For `map_err`: a request to do `what` failed.
    pub(crate) fn to(what: impl Into<String>) -> impl FnOnce(Error) -> Self {
        let what = what.into();
        move |error| match error {
            Error::Api(status) if [401, 403].contains(&status.code) => Self::Forbidden {
                what,
                why: plain(&status.message),
            },
            Error::Api(status) if is_of_an_object(&status) => Self::NotFound(format!(
                "failed to {what}: {}; check the name and the namespace (-n)",
                plain(&status.message)
            )),
            Error::Api(status) => Self::Refused {
                what,
                why: plain(&status.message),
            },
            other => Self::NoApiServer(causes(&other)),
        }
    }

    /// Its exit status.
    #[must_use]
    pub(crate) const fn status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) => ExitStatus::Usage,
            Self::NotFound(_) => ExitStatus::Found,
            Self::Forbidden { .. } | Self::Refused { .. } => ExitStatus::Incomplete,
            Self::NoKubeconfig(_)
            | Self::NoApiServer(_)
            | Self::NotInstalled
            | Self::OtherVersion { .. } => ExitStatus::Unreachable,
        }
    }
}

/// Whether an object is not there. A kind that is not served, and a server that is not the API server, name none.
fn is_of_an_object(status: &Status) -> bool {
    let name = status.details.as_ref().map(|details| &details.name);
    status.code == NOT_FOUND && name.is_some_and(|name| !name.is_empty())
}

/// An error and its causes on one line, each once: clients print the same cause at several levels.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    plain(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, message: &str) -> Error {
        Error::Api(Box::new(Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn a_refusal_by_rights_is_incomplete_and_says_who_can_help() {
        let failure = Failure::to("list identities")(api(403, "alice cannot\u{1b} list"));
        assert_eq!(failure.status(), ExitStatus::Incomplete);
        let text = failure.to_string();
        assert_eq!(
            text,
            "not allowed to list identities: alice cannot\\u{1b} list; run it as a user who may, or ask your admin"
        );
        assert_eq!(
            Failure::to("x")(api(500, "etcd")).status(),
            ExitStatus::Incomplete
        );
    }

    #[test]
    fn an_object_that_is_gone_is_found_out_and_a_kind_that_is_not_served_is_incomplete() {
        let message = "jobs.batch \"gone\" not found";
        let mut error = Status {
            code: 404,
            message: message.to_owned(),
            ..Status::default()
        };
        let not_served = Failure::to("list jobs")(Error::Api(Box::new(error.clone())));
        assert_eq!(not_served.status(), ExitStatus::Incomplete);
        error.details = serde_json::from_value(serde_json::json!({"name": "gone"})).unwrap();
        let gone = Failure::to("read Job research/gone")(Error::Api(Box::new(error)));
        assert_eq!(gone.status(), ExitStatus::Found);
        assert!(gone.to_string().contains(message), "{gone}");
    }

    #[test]
    fn no_kubeconfig_no_server_no_namesake_and_another_version_have_one_code() {
        let version = Failure::OtherVersion {
            found: "v2".to_owned(),
        };
        assert!(version.to_string().contains("serves namesake.dev in v2"));
        let all = [
            Failure::NoKubeconfig("x".to_owned()),
            Failure::NoApiServer("x".to_owned()),
            Failure::NotInstalled,
            version,
        ];
        assert!(all.iter().all(|f| f.status().code() == 4));
        assert_eq!(Failure::Usage(String::new()).status().code(), 2);
    }
}
