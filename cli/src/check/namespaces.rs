//! Gaps in namespaces that are opted in, or were. Pure.

use std::collections::BTreeMap;

use namesake_api::names::{
    MODE_LABEL, MUTATE_WEBHOOK, OPT_IN_LABEL, WAS_OPTED_IN_LABEL, WAS_OPTED_IN_VALUE,
};
use namesake_core::{Reason, is_managed_name};

use namesake_service::may_match;

use super::{Finding, NamespaceLabels, Snapshot};
use crate::answer::text;
use namesake_webhook::decide::mode::Mode;

/// Pod Security's label, and the levels that keep a pod off its node.
const LEVEL_LABEL: &str = "pod-security.kubernetes.io/enforce";
const LEVELS: [&str; 2] = ["baseline", "restricted"];

/// The gaps in each.
pub(super) fn findings(snapshot: &Snapshot, opted_in: &[&NamespaceLabels]) -> Vec<Finding> {
    let each = opted_in.iter();
    let each = each.flat_map(|place| [level(place), mode(place), selected(snapshot, place)]);
    let mut managed = BTreeMap::<&str, usize>::new();
    for (namespace, name) in snapshot.accounts.iter().flatten() {
        *managed.entry(namespace).or_default() += usize::from(is_managed_name(name));
    }
    let all = snapshot.namespaces.iter().flatten();
    let opted_out = all.filter_map(|place| opted_out(place, *managed.get(&*place.name)?));
    each.flatten().chain(opted_out).collect()
}

/// By this label, a policy protects identities that are still there when a namespace has opted out. `number`: of their accounts.
fn opted_out(place: &NamespaceLabels, number: usize) -> Option<Finding> {
    let is_protected = place.is_opted_in() || place.labels.contains_key(WAS_OPTED_IN_LABEL);
    if is_protected || number == 0 {
        return None;
    }
    let what = format!(
        "opted out, still has {}, and lacks {WAS_OPTED_IN_LABEL}: nothing checks pods that name them",
        text::count(number, "account of an identity", "accounts of identities")
    );
    let label = format!("{WAS_OPTED_IN_LABEL}={WAS_OPTED_IN_VALUE}");
    let (place, remedy) = place_and_command(place, &label);
    Some(Finding::critical(
        Reason::CheckOptedOut,
        place,
        what,
        remedy,
    ))
}

/// The place of a finding, and the command that changes a label there.
fn place_and_command(place: &NamespaceLabels, label: &str) -> (String, String) {
    let name = text::quoted(&place.name);
    let command = format!("kubectl label namespace {name} {label}");
    (format!("Namespace {}", place.name), command)
}

fn level(place: &NamespaceLabels) -> Option<Finding> {
    let level = place.labels.get(LEVEL_LABEL).map(String::as_str);
    if level.is_some_and(|level| LEVELS.contains(&level)) {
        return None;
    }
    let has = level.map_or("no Pod Security level".to_owned(), |level| {
        format!("Pod Security {level}")
    });
    let what = format!("has {has}: a privileged pod can take the tokens of all pods on its node");
    let label = format!("{LEVEL_LABEL}=baseline --overwrite");
    let (place, remedy) = place_and_command(place, &label);
    Some(Finding::critical(
        Reason::CheckPodSecurity,
        place,
        what,
        remedy,
    ))
}

fn mode(place: &NamespaceLabels) -> Option<Finding> {
    let label = place.labels.get(MODE_LABEL).map(String::as_str);
    let what = match Mode::of(label) {
        Ok(Mode::Enforce) => return None,
        Ok(Mode::Shadow) => "is in shadow mode: what would be refused is only reported".to_owned(),
        Ok(Mode::Off) => "is switched off: pods run as the account that they name".to_owned(),
        Err(other) => format!("has the unknown mode {other:?}, which counts as enforce"),
    };
    let (place, remedy) = place_and_command(place, &format!("{MODE_LABEL}-"));
    Some(Finding::warning(Reason::CheckMode, place, what, remedy))
}

/// A label that the webhook does not select has no effect.
fn selected(snapshot: &Snapshot, place: &NamespaceLabels) -> Option<Finding> {
    let configuration = snapshot.installation.as_ref().ok()?.mutating.as_ref()?;
    let webhook = configuration
        .webhooks
        .iter()
        .flatten()
        .find(|w| w.name == MUTATE_WEBHOOK)?;
    let off = Mode::of(place.labels.get(MODE_LABEL).map(String::as_str)) == Ok(Mode::Off);
    let selected = webhook
        .namespace_selector
        .as_ref()
        .is_none_or(|s| may_match(s, &place.labels));
    if off || selected {
        return None;
    }
    let stack = place
        .labels
        .get(OPT_IN_LABEL)
        .map(String::as_str)
        .unwrap_or_default();
    let what = format!(
        "has {OPT_IN_LABEL}={stack}, which {MUTATE_WEBHOOK} does not select: nothing is checked there"
    );
    let label = format!("{OPT_IN_LABEL}=STACK --overwrite");
    let (place, command) = place_and_command(place, &label);
    let remedy = format!(
        "correct the label ({command}), or stack in the rules of the overlay (docs/install.md)"
    );
    Some(Finding::critical(
        Reason::CheckNotChecked,
        place,
        what,
        remedy,
    ))
}
