//! The versions of Namesake's programs, compared with this one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use namesake_api::{ReplicaStatus, names};
use semver::Version;

use crate::answer::text::plain;
use crate::cluster::connect::Session;
use crate::console::{Console, say};

/// The version of this program.
pub(crate) const OWN: &str = env!("CARGO_PKG_VERSION");

/// How a version differs from this program's, as `older than this kubectl-namesake 0.1.0`.
pub(crate) fn difference(version: &str) -> Option<String> {
    if version == OWN {
        return None;
    }
    let how = match (Version::parse(version), Version::parse(OWN)) {
        (Ok(theirs), Ok(own)) if theirs < own => "older than",
        (Ok(theirs), Ok(own)) if theirs > own => "newer than",
        _ => "another version than",
    };
    Some(format!("{how} this kubectl-namesake {OWN}"))
}

/// Whether a version is newer than this program's. One that is not a version is not.
pub(crate) fn is_newer(version: &str) -> bool {
    let both = Version::parse(version).ok().zip(Version::parse(OWN).ok());
    both.is_some_and(|(theirs, own)| theirs > own)
}

/// What a replica says about itself in these annotations of its program's ConfigMap.
pub(crate) fn status_of(
    pod: &str,
    annotations: &BTreeMap<String, String>,
) -> Option<ReplicaStatus> {
    let text = annotations.get(&names::replica_status_annotation(pod))?;
    serde_json::from_str(text).ok()
}

/// How the webhook's version differs from this program's; nothing if it does not, or the caller may not see it.
pub(crate) async fn skew(session: &Session) -> Option<String> {
    let label = format!("{}={}", names::NAME_LABEL, names::WEBHOOK_SERVICE_ACCOUNT);
    let pods = ListParams::default().labels(&label);
    let pods = session.at_home::<Pod>().list_metadata(&pods).await.ok()?;
    let maps = session.at_home::<ConfigMap>();
    let map = maps.get_metadata_opt(names::UNPROVEN_CONFIG_MAP).await;
    let map = map.ok()??;
    let pods: Vec<_> = pods.items.iter().map(ResourceExt::name_any).collect();
    skew_of(&pods, map.annotations())
}

/// Says it as a warning of a command that answers by this program's own knowledge of what the webhook does.
pub(crate) async fn warn(session: &Session, console: &mut Console<'_>) {
    if let Some(skew) = skew(session).await {
        let warning = format!(
            "warning: {skew}; what this version knows about the webhook may not be true of it: kubectl namesake doctor --only versions\n"
        );
        say(console.err, &warning);
    }
}

fn skew_of(pods: &[String], annotations: &BTreeMap<String, String>) -> Option<String> {
    let each = pods.iter().filter_map(|pod| match status_of(pod, annotations) {
        Some(status) => {
            let how = difference(&status.version)?;
            Some(format!("the webhook is {}, {how}", plain(&status.version)))
        }
        // It says which rules it uses, so it has started.
        None if annotations.contains_key(&names::replica_annotation(pod)) => Some(format!(
            "the webhook does not say its version, so it is older than this kubectl-namesake {OWN}"
        )),
        None => None,
    });
    each.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(difference(OWN), None);
        let own = Version::parse(OWN).unwrap();
        let newer = Version::new(own.major, own.minor + 10, 0).to_string();
        for (version, how) in [
            ("0.0.9", "older than"),
            (&newer, "newer than"),
            ("main", "another version than"),
        ] {
            let text = difference(version).unwrap();
            assert!(text.starts_with(how), "{version}: {text}");
            assert!(text.ends_with(OWN), "{text}");
        }
    }

    #[test]
    fn only_the_replicas_that_exist_count_and_one_that_is_silent_after_its_start_is_older() {
        let annotations = |all: &[(&str, &str)]| -> BTreeMap<_, _> {
            let pairs = all
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        let pods = ["w-1".to_owned()];
        let own = format!(r#"{{"version":"{OWN}"}}"#);
        let same = annotations(&[
            ("replica-status.namesake.dev/w-1", &own),
            ("replica-status.namesake.dev/gone", r#"{"version":"0.0.1"}"#),
        ]);
        assert_eq!(skew_of(&pods, &same), None);
        let old = annotations(&[("replica-status.namesake.dev/w-1", r#"{"version":"0.0.1"}"#)]);
        let text = skew_of(&pods, &old).unwrap();
        assert!(
            text.starts_with("the webhook is 0.0.1, older than"),
            "{text}"
        );
        let silent = annotations(&[("replica.namesake.dev/w-1", "52ed97ef1410")]);
        let text = skew_of(&pods, &silent).unwrap();
        assert!(text.contains("does not say its version"), "{text}");
        assert_eq!(skew_of(&pods, &annotations(&[])), None);
    }
}
