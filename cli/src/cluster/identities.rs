//! The Identities of the cluster or of a namespace.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ListParams;
use namesake_api::Identity;

use crate::answer::failure::Failure;
use crate::cluster::connect::Session;

/// How many the API server sends at once: all of 5,000 in one answer would be slow to encode and to read.
const PAGE: u32 = 1_000;

/// Lists them page by page, in order. If `-n` names no namespace and the caller may not list all, the context's counts.
pub(crate) async fn list(session: &Session) -> Result<Vec<Identity>, Failure> {
    let mut found = Vec::new();
    let api = session.objects::<Identity>();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await;
        let what = match &session.namespace {
            Some(namespace) => format!("list identities in namespace {namespace}"),
            None => "list identities in all namespaces (-n names one)".to_owned(),
        };
        let page = page.map_err(Failure::to(what))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    found.sort_by_cached_key(|one| (one.namespace(), one.name_any()));
    Ok(found)
}

/// A duration as kubectl prints it: `45s`, `12m`, `3h`, `9d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// The time of all tests.
    pub(crate) const NOW: &str = "2026-11-29T12:00:00Z";

    /// An Identity of a user at acme.com, three minutes in its condition.
    pub(crate) fn identity(user: &str, phase: &str, ready: &str, reason: &str) -> Identity {
        let name = format!("mf-{user}-aaaaaaaaaaaaaa");
        let condition = json!({
            "type": "Ready", "status": ready, "reason": reason, "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-11-29T11:57:00Z",
        });
        let identity = json!({
            "apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": name, "namespace": "research", "generation": 1},
            "spec": {
                "stack": "prod", "cluster": "projects/acme/locations/us-central1/clusters/ml", "class": "research",
                "user": format!("{user}@acme.com"), "values": {"user": format!("{user}@acme.com")}, "mode": "impersonate",
                "project": "acme-identities", "key": format!("{user}-aaaaaaaaaaaaaa"),
                "googleServiceAccount": format!("{name}@acme-identities.iam.gserviceaccount.com"),
            },
            "status": {"phase": phase, "conditions": [condition]},
        });
        serde_json::from_value(identity).unwrap()
    }

    #[test]
    fn an_age_has_one_unit() {
        let now: Timestamp = NOW.parse().unwrap();
        for (seconds, text) in [
            (-5, "0s"),
            (45, "45s"),
            (720, "12m"),
            (10_800, "3h"),
            (800_000, "9d"),
        ] {
            assert_eq!(
                age(now - jiff::SignedDuration::from_secs(seconds), now),
                text
            );
        }
    }
}
