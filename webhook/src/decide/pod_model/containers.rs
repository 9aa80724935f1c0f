//! Digests of what a pod's containers run: signed when the pod is first reviewed, and compared by the final check.

use std::collections::BTreeMap;

use namesake_core::{Json, Launcher, Reason, Rules, Text, fingerprint};

use crate::decide::kinds::{ParentKind, Parts};
use crate::review::refused::Refused;
use crate::review::{Container, Spec};

/// Most containers that a resolution lists: it must fit into an annotation that is read.
const MAX_CONTAINERS: usize = 64;

/// Digests of what containers run, by the containers' names.
pub type Digests = BTreeMap<String, String>;

// The digests of the containers in this list.
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

// Every container of a pod, with the list that it is in. Names are unique across both lists.
pub(crate) fn all<'s, 'a>(
    spec: &'s Spec<'a>,
) -> impl Iterator<Item = (&'static str, &'s Container<'a>)> {
    let list = |containers: &'s Option<Vec<Container<'a>>>| containers.iter().flatten();
    let init = list(&spec.init_containers).map(|c| ("initContainers", c));
    init.chain(list(&spec.containers).map(|c| ("containers", c)))
}

/// The digests of the containers of a pod, without those that the rules list as sidecars.
///
/// # Errors
/// More containers than can be signed.
pub fn of_pod(rules: &Rules, spec: &Spec<'_>) -> Result<Digests, Refused> {
    let signed = all(spec).filter(|(_, c)| !rules.is_sidecar(c.name(), c.image()));
    let signed: Digests = signed
        .map(|(list, c)| (c.name().to_owned(), digest(c, list)))
        .collect();
    if signed.len() <= MAX_CONTAINERS {
        return Ok(signed);
    }
    let text = format!(
        "this pod has {} containers, and a pod with an identity may have at most {MAX_CONTAINERS}: remove some, or create several \
         pods",
        signed.len()
    );
    Err(Refused::new(Reason::TooManyContainers, text))
}

/// The digests of the containers of the pods of a Job. For other parents there are none: their pods are not known before.
///
/// # Errors
/// As for [`of_pod`], and when the template cannot be parsed.
pub(crate) fn of_job(
    rules: &Rules,
    parent: &ParentKind,
    parts: &Parts<'_>,
) -> Result<Digests, Refused> {
    let spec = parts.spec.at(&["template", "spec"]);
    if parent.launcher != Launcher::Job || matches!(spec, Json::Null) {
        return Ok(Digests::new());
    }
    match Spec::deserialize(spec) {
        Ok(spec) => of_pod(rules, &spec),
        Err(error) => Err(Refused::bad_request(format!(
            "the template of this Job cannot be read: {error}: fix it and create the Job again"
        ))),
    }
}

/// Checks that the containers of the final pod are those that were signed.
///
/// # Errors
/// The first container that was added, changed or removed.
pub(crate) fn check_final(rules: &Rules, spec: &Spec<'_>, signed: &Digests) -> Result<(), Refused> {
    let others = all(spec).filter(|(_, c)| !rules.is_sidecar(c.name(), c.image()));
    for (list, container) in others {
        let (name, image) = (container.name(), container.image());
        match signed.get(name) {
            Some(signed) if *signed == digest(container, list) => {}
            Some(_) => {
                let what = format!("changed what container {name} runs (image {image} now)");
                return Err(changed_by_others(Reason::ChangedAfterwards, &what));
            }
            None => {
                let what = format!("added container {name} (image {image})");
                return Err(changed_by_others(Reason::ForeignContainer, &what));
            }
        }
    }
    let mut names = signed.keys();
    match names.find(|name| all(spec).all(|(_, c)| c.name() != name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let what = format!("removed container {name}");
            Err(changed_by_others(Reason::ChangedAfterwards, &what))
        }
    }
}

fn changed_by_others(reason: Reason, what: &str) -> Refused {
    Refused::new(
        reason,
        format!(
            "something {what}, which whoever asked for this pod did not ask for: find the mutating webhook that does it and let it \
             leave these pods alone, or ask the platform team to list the container under sidecars in the rules"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(value: &Value) -> BTreeMap<String, String> {
        let text = value.to_string();
        of_pod(&rules(), &serde_json::from_str(&text).unwrap()).unwrap()
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
        let mut irrelevant = base.clone();
        irrelevant["env"] = json!([{"name": "A", "value": "b"}]);
        irrelevant["livenessProbe"] = json!({"httpGet": {"port": 1}});
        irrelevant["resources"] = json!({"limits": {"cpu": "1"}});
        assert_eq!(one(&irrelevant), want);
        assert_eq!(
            one(
                &json!({"name": "c", "image": "i", "command": ["a", "b"], "args": ["c"], "lifecycle": null})
            ),
            want
        );
    }

    #[test]
    fn a_pod_with_too_many_containers_is_refused_and_told_the_limit() {
        let many: Vec<_> = (0..=MAX_CONTAINERS)
            .map(|i| json!({"name": format!("c{i}")}))
            .collect();
        let text = json!({"containers": many}).to_string();
        let refused = of_pod(&rules(), &serde_json::from_str(&text).unwrap()).unwrap_err();
        assert!(
            refused.message.contains("at most 64"),
            "{}",
            refused.message
        );
    }
}
