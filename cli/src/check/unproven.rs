//! Parents whose pods get no identity, because they have no stamp. Pure.

use std::collections::BTreeMap;

use namesake_core::Reason;

use super::{Finding, Snapshot};
use crate::answer::text;

/// Parents without a stamp, by namespace and kind. Whether a stamp is valid, only the webhook can tell.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut by_place = BTreeMap::<_, Vec<&str>>::new();
    for one in snapshot.unstamped.iter().flatten() {
        let place = (one.namespace.as_str(), one.kind);
        by_place.entry(place).or_default().push(&one.name);
    }
    let each = by_place.into_iter();
    each.map(|((namespace, kind), names)| {
        let quoted = text::quoted(namespace);
        let what = format!(
            "{} created before the opt-in or while admission was off, without a stamp: new pods get no identity ({})",
            names.len(),
            text::some(&names)
        );
        let remedy = format!(
            "create it again, or let an admin assign it to a user: kubectl -n {quoted} annotate {kind} NAME \
             namesake.dev/adopt-for=USER"
        );
        let place = format!("Namespace {namespace}, {kind}");
        Finding::warning(Reason::CheckNoProvenPerson, place, what, remedy)
    })
    .collect()
}
