//! What a pod's containers run, as it is signed when we first see the pod, and as the twin finds it in the end.

use std::collections::BTreeMap;

use namesake_core::{Json, Launcher, Rules, Text, fingerprint};

use crate::decide::kinds::{Parent, Parts};
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Container, Spec};

/// Containers that a resolution names at most: it must fit into an annotation that is looked at.
const MOST: usize = 64;

// What a container of this list runs.
fn digest(container: &Container<'_>, list: &str) -> String {
    let lifecycle = container.lifecycle.as_ref();
    let handlers = [
        lifecycle.and_then(|l| l.post_start.as_ref()),
        lifecycle.and_then(|l| l.pre_stop.as_ref()),
        container.liveness_probe.as_ref(),
        container.readiness_probe.as_ref(),
        container.startup_probe.as_ref(),
    ];
    let executed = handlers.map(|h| h?.exec.as_ref()?.command.as_ref());
    let commands = [container.command.as_ref(), container.args.as_ref()];
    let commands = commands.into_iter().chain(executed);
    let lengths: Vec<_> = commands
        .clone()
        .map(|c| c.map_or(0, Vec::len).to_string())
        .collect();
    let restart = container.restart_policy.as_deref().unwrap_or_default();
    fingerprint(
        [list, container.image(), restart]
            .into_iter()
            .chain(lengths.iter().map(String::as_str))
            .chain(commands.flatten().flatten().map(Text::as_str)),
    )
}

// Every container of a pod, with the list that it is in. Names are unique among all of them.
fn all<'s, 'a>(spec: &'s Spec<'a>) -> impl Iterator<Item = (&'static str, &'s Container<'a>)> {
    let list = |containers: &'s Option<Vec<Container<'a>>>| containers.iter().flatten();
    let init = list(&spec.init_containers).map(|c| ("initContainers", c));
    init.chain(list(&spec.containers).map(|c| ("containers", c)))
}

/// What the containers of a pod run, by name; without those that the rules list as sidecars.
///
/// # Errors
/// More containers than can be signed.
pub fn asked_for(rules: &Rules, spec: &Spec<'_>) -> Result<BTreeMap<String, String>, Refused> {
    let asked = all(spec).filter(|(_, c)| !rules.is_sidecar(c.name(), c.image()));
    let asked: BTreeMap<_, _> = asked
        .map(|(list, c)| (c.name().to_owned(), digest(c, list)))
        .collect();
    if asked.len() <= MOST {
        return Ok(asked);
    }
    let text = format!(
        "this pod has {} containers, and a pod with an identity has {MOST} at most: take some out, or create several pods",
        asked.len()
    );
    Err(Refused::forbidden(RefusalReason::TooManyContainers, text))
}

/// The same of the pods of a Job, which are as it has them. Of other parents' pods nobody knows before they are made.
///
/// # Errors
/// As [`asked_for`], and a template that cannot be read.
pub(crate) fn asked_for_by(
    rules: &Rules,
    parent: &Parent,
    parts: &Parts<'_>,
) -> Result<BTreeMap<String, String>, Refused> {
    let spec = parts.spec.at(&["template", "spec"]);
    if parent.launcher != Launcher::Job || matches!(spec, Json::Null) {
        return Ok(BTreeMap::new());
    }
    match <Spec<'_> as serde::Deserialize>::deserialize(spec) {
        Ok(spec) => asked_for(rules, &spec),
        Err(error) => Err(Refused::bad_request(format!(
            "this Job's template cannot be read: {error}: mend it and create the Job again"
        ))),
    }
}

/// The first container of the final pod that is not what was asked for: added, changed or taken away.
pub(crate) fn foreign(
    rules: &Rules,
    spec: &Spec<'_>,
    signed: &BTreeMap<String, String>,
) -> Option<Refused> {
    let others = all(spec).filter(|(_, c)| !rules.is_sidecar(c.name(), c.image()));
    for (list, container) in others {
        let (name, image) = (container.name(), container.image());
        match signed.get(name) {
            Some(signed) if *signed == digest(container, list) => {}
            Some(_) => {
                return Some(changed(&format!(
                    "what container {name} runs (image {image} now)"
                )));
            }
            None => return Some(added(name, image)),
        }
    }
    let gone = signed
        .keys()
        .find(|name| all(spec).all(|(_, c)| c.name() != name.as_str()));
    gone.map(|name| changed(&format!("the containers: it took {name} away")))
}

fn added(name: &str, image: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::ForeignContainer,
        format!(
            "something added container {name} (image {image}), and nobody who asked for this pod asked for it: find the mutating webhook that does it and let it leave these pods alone, or ask the platform \
             team to list the container under sidecars in the rules"
        ),
    )
}

fn changed(what: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::ChangedAfterwards,
        format!(
            "something changed {what}, and whoever asked for this pod did not: find the mutating webhook that does it and let it leave these \
             pods alone, or ask the platform team to list the container under sidecars in the rules"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(value: &Value) -> BTreeMap<String, String> {
        let text = value.to_string();
        asked_for(&rules(), &serde_json::from_str(&text).unwrap()).unwrap()
    }

    fn rules() -> Rules {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rules.yaml"));
        let file = "rules.yaml";
        Rules::parse(&[namesake_core::Source { file, text }]).unwrap()
    }

    #[test]
    fn a_digest_changes_with_whatever_a_container_runs_and_with_nothing_else() {
        let base = json!({"name": "c", "image": "i", "command": ["a", "b"], "args": ["c"]});
        let one = |c: &Value| spec(&json!({"containers": [c]}));
        let want = one(&base);
        for (pointer, value) in [
            ("/image", json!("j")),
            ("/command", json!(["a"])),
            ("/args", json!(["b", "c"])),
            ("/restartPolicy", json!("Always")),
            (
                "/lifecycle",
                json!({"postStart": {"exec": {"command": ["x"]}}}),
            ),
            ("/livenessProbe", json!({"exec": {"command": ["x"]}})),
        ] {
            let mut other = base.clone();
            other[&pointer[1..]] = value;
            assert_ne!(one(&other), want, "{pointer}");
        }
        let moved = json!({"name": "c", "image": "i", "command": ["a"], "args": ["b", "c"]});
        assert_ne!(one(&moved), want, "between command and args");
        assert_ne!(
            spec(&json!({"initContainers": [base]})),
            want,
            "between the lists"
        );
        let mut dressed = base.clone();
        dressed["env"] = json!([{"name": "A", "value": "b"}]);
        dressed["livenessProbe"] = json!({"httpGet": {"port": 1}});
        dressed["resources"] = json!({"limits": {"cpu": "1"}});
        assert_eq!(one(&dressed), want);
        assert_eq!(
            one(
                &json!({"name": "c", "image": "i", "command": ["a", "b"], "args": ["c"], "lifecycle": null})
            ),
            want
        );
    }

    #[test]
    fn a_pod_of_very_many_containers_is_refused_with_the_limit() {
        let many: Vec<_> = (0..=MOST)
            .map(|i| json!({"name": format!("c{i}")}))
            .collect();
        let text = json!({"containers": many}).to_string();
        let refused = asked_for(&rules(), &serde_json::from_str(&text).unwrap()).unwrap_err();
        assert!(
            refused.message.contains("64 at most"),
            "{}",
            refused.message
        );
    }
}
