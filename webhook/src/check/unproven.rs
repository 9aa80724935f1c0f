//! What runs as nobody, because no stamp says who made it. Pure.

use std::collections::BTreeMap;

use super::{Finding, Seen, Severity, print};

/// What has no stamp, by namespace and kind. A stamp that is there and void only the webhook can tell.
pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let mut by_place = BTreeMap::<_, Vec<&str>>::new();
    for one in seen.unstamped.iter().flatten() {
        let place = (one.namespace.as_str(), one.kind);
        by_place.entry(place).or_default().push(&one.name);
    }
    let each = by_place.into_iter();
    each.map(|((namespace, kind), names)| {
        let quoted = print::quoted(namespace);
        Finding {
            severity: Severity::Warning,
            check: "no-proven-person",
            place: format!("Namespace {namespace}, {kind}"),
            subjects: Vec::new(),
            what: format!(
                "{} made before the opt-in or while nobody looked, without a stamp: new pods run as nobody ({})",
                names.len(),
                print::some(&names)
            ),
            remedy: format!(
                "whoever made it makes it again, or an admin gives it to a user: kubectl -n {quoted} annotate {kind} NAME \
                 namesake.dev/adopt-for=USER"
            ),
        }
    })
    .collect()
}
