//! The epoch of a namespace, written onto it as it opts in: what was signed in another epoch is not valid, on every replica and
//! after every restart, whatever their clocks say. Pure.

use namesake_api::names::{
    EPOCH_ANNOTATION, MODE_LABEL, OPT_IN_LABEL, WAS_OPTED_IN_LABEL, WAS_OPTED_IN_VALUE,
};
use namesake_core::{Rules, is_epoch};

use crate::decide::mode::Mode;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Metadata, Object, Request};

/// Decides about a CREATE or UPDATE of a Namespace: it gets the epoch `new_epoch` when it opts in, and keeps its epoch while it
/// is opted in. It also gets the label by which policies find it after it opted out. The epoch in the request is ignored. Warns
/// when a namespace opts in and no rule can match there.
#[must_use]
pub fn write_epoch(request: &Request<'_>, rules: Option<&Rules>, new_epoch: &str) -> Verdict {
    let requester = &request.user_info.username;
    let Some(new) = request.object.as_ref().map(|o| &o.metadata) else {
        return Verdict::pass(Facts::of_requester(requester, Outcome::Unchanged));
    };
    let old = request.old_object.as_ref();
    let old = old.map(|object: &Object<'_>| &object.metadata);
    let current = old.and_then(|old| old.annotation(EPOCH_ANNOTATION));
    let current = current.filter(|epoch| is_epoch(epoch));
    let (epoch, outcome) = match (stack(new), old.and_then(stack)) {
        (Some(after), Some(before)) if after == before && current.is_some() => {
            (current, Outcome::Unchanged)
        }
        (Some(_), _) => (Some(new_epoch), Outcome::OptedIn),
        (None, _) => (None, Outcome::Unchanged),
    };
    let warnings = match rules {
        Some(rules) if outcome == Outcome::OptedIn => {
            let name = new.name.as_deref().or(request.name.as_deref());
            warn_without_rule(rules, name.unwrap_or_default())
        }
        _ => Vec::new(),
    };
    let mut patch = Patch::default();
    let keys = [(EPOCH_ANNOTATION, epoch)];
    patch.set_annotations(new, &keys);
    if epoch.is_some() {
        let labels = [(WAS_OPTED_IN_LABEL, Some(WAS_OPTED_IN_VALUE))];
        patch.set_keys("/metadata/labels", new.labels.as_ref(), &labels);
    }
    Verdict {
        warnings,
        ..Verdict::change(patch, Facts::of_requester(requester, outcome))
    }
}

// For an admin who opts in a namespace that the rules do not mention: Jobs there would run as before, without a message.
fn warn_without_rule(rules: &Rules, namespace: &str) -> Vec<String> {
    if rules.can_match_in(namespace) {
        return Vec::new();
    }
    vec![
        format!("namesake: no rule can match in namespace {namespace}"),
        "namesake: its pods will be refused, or run as the account that they name, never as their user"
            .to_owned(),
        "namesake: add it to match.namespace of a rule and for.namespaces of its class (docs/rules.md)".to_owned(),
    ]
}

// The stack that a namespace is opted in to; none while its mode is off.
fn stack<'m>(metadata: &'m Metadata<'_>) -> Option<&'m str> {
    let is_off = Mode::of(metadata.label(MODE_LABEL)) == Ok(Mode::Off);
    metadata.label(OPT_IN_LABEL).filter(|_| !is_off)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::review;

    const NEW: &str = "a-new-epoch-of-its-own";
    const OLD: &str = "an-older-epoch-of-it";

    // The patch of the annotation.
    fn epoch(old: &Value, new: &Value) -> Value {
        change(old, new, "/metadata/annotations")
    }

    // The patch below a path. `epoch` among the labels is the annotation that is there.
    fn change(old: &Value, new: &Value, path: &str) -> Value {
        let object = |labels: &Value| {
            if labels.is_null() {
                return Value::Null;
            }
            let mut labels = labels.clone();
            let epoch = labels.as_object_mut().unwrap().remove("epoch");
            let annotations = epoch.map_or(json!({}), |epoch| json!({EPOCH_ANNOTATION: epoch}));
            json!({"metadata": {"name": "n", "labels": labels, "annotations": annotations}})
        };
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "userInfo": {"username": "root@acme.com"}, "object": object(new), "oldObject": object(old)}});
        let body = body.to_string();
        let verdict = write_epoch(&review::parse(body.as_bytes()).unwrap(), None, NEW);
        let patch = serde_json::to_value(verdict.result.unwrap()).unwrap();
        let mut operations = patch.as_array().into_iter().flatten();
        let found =
            operations.find(|operation| operation["path"].as_str().unwrap().starts_with(path));
        found.cloned().unwrap_or_default()
    }

    #[test]
    fn a_namespace_keeps_the_label_that_it_was_opted_in() {
        let (inside, none) = (json!({OPT_IN_LABEL: "prod"}), json!({}));
        let label =
            |old: &Value, new: &Value| change(old, new, "/metadata/labels")["value"].clone();
        assert_eq!(label(&none, &inside), WAS_OPTED_IN_VALUE);
        let labelled = json!({OPT_IN_LABEL: "prod", WAS_OPTED_IN_LABEL: "true", "epoch": OLD});
        assert_eq!(label(&labelled, &labelled), Value::Null);
        let left = json!({WAS_OPTED_IN_LABEL: "true", "epoch": OLD});
        assert_eq!(label(&labelled, &left), Value::Null);
    }

    #[test]
    fn a_namespace_gets_another_epoch_whenever_it_opts_in() {
        let (inside, none) = (json!({OPT_IN_LABEL: "prod"}), json!({}));
        let off = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "off", "epoch": OLD});
        for (old, new) in [
            (&Value::Null, &inside),
            (&none, &inside),
            (
                &json!({OPT_IN_LABEL: "dev", "epoch": OLD}),
                &json!({OPT_IN_LABEL: "prod", "epoch": OLD}),
            ),
            (
                &off,
                &json!({OPT_IN_LABEL: "prod", MODE_LABEL: "shadow", "epoch": OLD}),
            ),
            (&none, &json!({OPT_IN_LABEL: "prod", "epoch": OLD})),
            // Labelled before this webhook was installed, or with an epoch that is not valid.
            (&inside, &inside),
            (&json!({OPT_IN_LABEL: "prod", "epoch": "e"}), &inside),
        ] {
            assert_eq!(
                epoch(old, new)["value"][EPOCH_ANNOTATION]
                    .as_str()
                    .or(epoch(old, new)["value"].as_str()),
                Some(NEW),
                "{old} {new}"
            );
        }
    }

    #[test]
    fn the_epoch_stays_the_same_while_a_namespace_is_opted_in() {
        let inside = json!({OPT_IN_LABEL: "prod", "epoch": OLD});
        assert_eq!(epoch(&inside, &inside), Value::Null);
        let changed = epoch(&inside, &json!({OPT_IN_LABEL: "prod", "epoch": NEW}));
        assert_eq!(changed["value"], OLD, "somebody else wrote it");
        let without = epoch(&inside, &json!({OPT_IN_LABEL: "prod"}));
        assert_eq!(
            without["value"][EPOCH_ANNOTATION]
                .as_str()
                .or(without["value"].as_str()),
            Some(OLD)
        );
        let shadow = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "shadow", "epoch": OLD});
        assert_eq!(epoch(&inside, &shadow), Value::Null);
        assert_eq!(epoch(&inside, &json!({"epoch": OLD}))["op"], "remove");
    }

    const RULES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rules.yaml"));

    fn warnings(rules: &str, namespace: &str, old: &Value, new: &Value) -> Vec<String> {
        let labelled = |labels: &Value| json!({"metadata": {"name": namespace, "labels": labels, "annotations": {EPOCH_ANNOTATION: OLD}}});
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "name": namespace, "userInfo": {"username": "root@acme.com"},
            "object": labelled(new), "oldObject": labelled(old)}});
        let file = "rules.yaml";
        let rules = Rules::parse(&[namesake_core::Source { file, text: rules }]).unwrap();
        write_epoch(
            &review::parse(body.to_string().as_bytes()).unwrap(),
            Some(&rules),
            NEW,
        )
        .warnings
    }

    #[test]
    fn opting_in_a_namespace_in_which_no_rule_can_match_gives_a_warning() {
        let rules = RULES.replace(
            "match: {group: billing",
            "match: {namespace: research, group: billing",
        );
        let (outside, inside) = (json!({}), json!({OPT_IN_LABEL: "prod"}));
        let warned = warnings(&rules, "try", &outside, &inside);
        assert_eq!(warned.len(), 3, "{warned:?}");
        assert!(warned[0].ends_with("namespace try"), "{warned:?}");
        assert!(warned.iter().all(|text| text.len() <= 120), "{warned:?}");
        let none: Vec<String> = Vec::new();
        assert_eq!(warnings(&rules, "research", &outside, &inside), none);
        assert_eq!(
            warnings(&rules, "try", &inside, &inside),
            none,
            "it is opted in already"
        );
        let off = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "off"});
        assert_eq!(warnings(&rules, "try", &inside, &off), none);
    }
}
