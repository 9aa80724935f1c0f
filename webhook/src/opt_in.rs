//! Since when a namespace is opted in, written on it as it opts in: stamps from before are void, on every replica and after
//! every restart. Pure.

use jiff::Timestamp;
use namesake_api::names::{MODE_LABEL, OPT_IN_LABEL, OPTED_IN_ANNOTATION};
use namesake_core::Rules;

use crate::mode::Mode;
use crate::patch::Patch;
use crate::review::{Metadata, Object, Request};
use crate::verdict::{Facts, Verdict};

/// Answers a CREATE or UPDATE of a Namespace. Whatever the request says about the second, ours is what counts. Warns when a
/// namespace opts in and no rule can match there.
#[must_use]
pub fn write_down(request: &Request<'_>, rules: Option<&Rules>, now: i64) -> Verdict {
    let mut facts = Facts {
        requester: request.user_info.username.to_string(),
        outcome: "unchanged",
        ..Facts::default()
    };
    let Some(new) = request.object.as_ref().map(|o| &o.metadata) else {
        return Verdict::pass(facts);
    };
    let old = request
        .old_object
        .as_ref()
        .map(|o: &Object<'_>| &o.metadata);
    let before = old.and_then(stack);
    let at = match (stack(new), before) {
        (Some(now_in), Some(before)) if now_in == before => {
            let kept = old.and_then(|o| o.annotation(OPTED_IN_ANNOTATION));
            kept.map(str::to_owned)
        }
        (Some(_), _) => {
            facts.outcome = "opted-in";
            Timestamp::from_second(now).ok().map(|t| t.to_string())
        }
        (None, _) => None,
    };
    let warnings = match rules {
        Some(rules) if facts.outcome == "opted-in" => {
            let name = new.name.as_deref().or(request.name.as_deref());
            no_rule_matches(rules, name.unwrap_or_default())
        }
        _ => Vec::new(),
    };
    let mut patch = Patch::default();
    let keys = [(OPTED_IN_ANNOTATION, at.as_deref())];
    patch.set_keys("/metadata/annotations", new.annotations.as_ref(), &keys);
    Verdict {
        result: Ok(patch),
        warnings,
        ..Verdict::pass(facts)
    }
}

// What an admin sees who opts in a namespace that the rules do not mention: Jobs there would silently run as before.
fn no_rule_matches(rules: &Rules, namespace: &str) -> Vec<String> {
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
    let off = Mode::of(metadata.label(MODE_LABEL)) == Ok(Mode::Off);
    metadata.label(OPT_IN_LABEL).filter(|_| !off)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::review;

    fn at(old: &Value, new: &Value) -> Value {
        let object = |labels: &Value| {
            if labels.is_null() {
                return Value::Null;
            }
            let mut labels = labels.clone();
            let at = labels.as_object_mut().unwrap().remove("at");
            let annotations = at.map_or(json!({}), |at| json!({OPTED_IN_ANNOTATION: at}));
            json!({"metadata": {"name": "n", "labels": labels, "annotations": annotations}})
        };
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "userInfo": {"username": "root@acme.com"}, "object": object(new), "oldObject": object(old)}});
        let body = body.to_string();
        let verdict = write_down(&review::parse(body.as_bytes()).unwrap(), None, 100);
        let patch = serde_json::to_value(verdict.result.unwrap()).unwrap();
        patch.get(0).cloned().unwrap_or_default()
    }

    #[test]
    fn the_second_is_written_whenever_a_namespace_comes_in() {
        let first = json!("1970-01-01T00:01:40Z");
        let (inside, none) = (json!({OPT_IN_LABEL: "prod"}), json!({}));
        let off = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "off", "at": "old"});
        for (old, new) in [
            (&Value::Null, &inside),
            (&none, &inside),
            (
                &json!({OPT_IN_LABEL: "dev", "at": "old"}),
                &json!({OPT_IN_LABEL: "prod", "at": "old"}),
            ),
            (
                &off,
                &json!({OPT_IN_LABEL: "prod", MODE_LABEL: "shadow", "at": "old"}),
            ),
            (
                &none,
                &json!({OPT_IN_LABEL: "prod", "at": "1960-01-01T00:00:00Z"}),
            ),
        ] {
            assert_eq!(at(old, new)["value"], first, "{old} {new}");
        }
    }

    #[test]
    fn the_second_stays_as_it_is_while_a_namespace_is_in() {
        let inside = json!({OPT_IN_LABEL: "prod", "at": "t"});
        assert_eq!(at(&inside, &inside), Value::Null);
        let moved = at(&inside, &json!({OPT_IN_LABEL: "prod", "at": "earlier"}));
        assert_eq!(moved["value"], "t", "somebody else wrote it");
        assert_eq!(at(&inside, &json!({OPT_IN_LABEL: "prod"}))["value"], "t");
        let shadow = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "shadow", "at": "t"});
        assert_eq!(at(&inside, &shadow), Value::Null);
        // Opted in before there was such an annotation: its stamps must not become void by this.
        let older = json!({OPT_IN_LABEL: "prod"});
        assert_eq!(at(&older, &older), Value::Null);
        assert_eq!(at(&older, &inside)["op"], "remove");
    }

    const RULES: &str = include_str!("../testdata/rules.yaml");

    fn warnings(rules: &str, namespace: &str, old: &Value, new: &Value) -> Vec<String> {
        let labelled = |labels: &Value| json!({"metadata": {"name": namespace, "labels": labels}});
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "name": namespace, "userInfo": {"username": "root@acme.com"},
            "object": labelled(new), "oldObject": labelled(old)}});
        let file = "rules.yaml";
        let rules = Rules::parse(&[namesake_core::Source { file, text: rules }]).unwrap();
        write_down(
            &review::parse(body.to_string().as_bytes()).unwrap(),
            Some(&rules),
            100,
        )
        .warnings
    }

    #[test]
    fn opting_in_a_namespace_in_which_no_rule_can_match_warns() {
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
            "it is in already"
        );
        let off = json!({OPT_IN_LABEL: "prod", MODE_LABEL: "off"});
        assert_eq!(warnings(&rules, "try", &inside, &off), none);
    }
}
