//! Other installations of the workload pool whose broker may be this one to Google, which tells the accounts of one pool apart by
//! namespace and name only, not by cluster. The marks of accounts at Google show them. Pure.

use namesake_api::{Mark, names};
use namesake_core::Rules;

use crate::google::principal;

/// An installation in another cluster of the same workload pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SameBroker {
    cluster: String,
    stack: String,
}

impl SameBroker {
    /// The installation that created the account with this description, if its broker may be the same account as that of the
    /// namespace `home`.
    #[must_use]
    pub fn of(description: &str, rules: &Rules, home: &str) -> Option<Self> {
        let mark: Mark = description.parse().ok()?;
        let is_elsewhere = mark.cluster() != rules.cluster()
            && principal::pool(mark.cluster()) == principal::pool(rules.cluster());
        (is_elsewhere && may_be_in(home, mark.stack())).then(|| Self {
            cluster: mark.cluster().to_owned(),
            stack: mark.stack().to_owned(),
        })
    }

    /// What it means, and what to do.
    #[must_use]
    pub fn text(&self, home: &str) -> String {
        let Self { cluster, stack } = self;
        let pool = principal::pool(cluster);
        format!(
            "stack {stack} of cluster {cluster} has accounts in this project. If its namespace is called {home} too, both brokers are \
             {pool}[{home}/{}] to Google, each with the permissions of the other: install one of the two under another stack name with \
             manifests/stack-suffix, and bind each broker's own account at Google to its own namespace",
            names::BROKER_SERVICE_ACCOUNT
        )
    }
}

/// Whether a stack of this name may be in a namespace of this name. One with a suffix is that of the stack of this name only.
fn may_be_in(home: &str, stack: &str) -> bool {
    let suffix = home.strip_prefix(names::SYSTEM_NAMESPACE);
    let suffix = suffix.and_then(|rest| rest.strip_prefix('-'));
    suffix.is_none_or(|suffix| suffix == stack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    /// Whether this mark is reported to the broker of the stack `prod` of cluster `ml` in this namespace.
    fn reported(home: &str, stack: &str, cluster: &str) -> bool {
        let mark = format!("namesake stack={stack} cluster={cluster} ksa=research/mf-a");
        let found = SameBroker::of(&mark, &fixtures::rules(), home);
        if let Some(found) = &found {
            let text = found.text(home);
            assert!(text.contains(cluster) && text.contains(home), "{text}");
        }
        found.is_some()
    }

    const ML: &str = "projects/acme/locations/us-central1/clusters/ml";
    const GPU: &str = "projects/acme/locations/us-central1/clusters/gpu";
    const ELSEWHERE: &str = "projects/other/locations/us-central1/clusters/gpu";

    #[test]
    fn an_installation_is_reported_if_its_broker_may_be_the_same_account_to_google() {
        for stack in ["prod", "dev"] {
            assert!(reported("namesake-system", stack, GPU));
            assert!(!reported("namesake-system", stack, ML), "this cluster");
            assert!(
                !reported("namesake-system", stack, ELSEWHERE),
                "another pool"
            );
        }
        assert!(reported("namesake-system-prod", "prod", GPU));
        assert!(!reported("namesake-system-prod", "dev", GPU));
        let foreign = SameBroker::of("billing", &fixtures::rules(), "namesake-system");
        assert_eq!(foreign, None);
    }
}
