use std::collections::BTreeMap;

use namesake_core::{Rules, Source};
use serde_json::{Value, json};

use super::rbac::{Listing, Rbac};
use super::*;
use crate::shipped::{of, shipped};
use namesake_webhook::state::installation::Installation;

mod places;
mod stock;
mod who;

const RULES: &str = include_str!("../../../manifests/base/rules.yaml");
const MANAGED: &str = "mf-alice-aaaaaaaaaaaaaa";

fn place(name: &str, labels: &[(&str, &str)]) -> NamespaceLabels {
    let own = [("kubernetes.io/metadata.name", name)];
    let labels = labels
        .iter()
        .copied()
        .chain(own)
        .map(|(k, v)| (k.to_owned(), v.to_owned()));
    NamespaceLabels {
        name: name.to_owned(),
        labels: labels.collect::<BTreeMap<_, _>>(),
    }
}

const OPTED_IN: [(&str, &str); 2] = [
    ("namesake.dev/stack", "prod"),
    ("pod-security.kubernetes.io/enforce", "baseline"),
];

/// The shipped installation, with one opted-in namespace, a hub that the rules know, and an admin; `more` are further objects of
/// RBAC.
pub(crate) fn installed(more: &[Value]) -> Snapshot {
    let mut all = [shipped("cluster"), shipped("base")].concat();
    all.extend(shipped("opt-in").into_iter().map(|mut object| {
        object["metadata"]["namespace"] = json!("research");
        object
    }));
    let (admins, hub) = (
        subject("Group", "system:masters"),
        json!({"kind": "Group", "name": "system:serviceaccounts:hub"}),
    );
    all.push(json!({"kind": "ClusterRole", "metadata": {"name": "cluster-admin"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}));
    all.push(binding(None, "cluster-admin", "cluster-admin", &[admins]));
    all.push(binding(None, "hubs", "namesake-guarded", &[hub]));
    all.extend(more.iter().cloned());
    let mut installation = Installation {
        home: names::SYSTEM_NAMESPACE.to_owned(),
        policies: of(&all, "ValidatingAdmissionPolicy"),
        bindings: of(&all, "ValidatingAdmissionPolicyBinding"),
        mutating: of(&all, "MutatingWebhookConfiguration").pop(),
        validating: of(&all, "ValidatingWebhookConfiguration").pop(),
    };
    for binding in &mut installation.bindings {
        if binding.spec.policy_name == names::TOKEN_GUARD {
            binding.spec.validation_actions = vec!["Deny".to_owned(), "Audit".to_owned()];
        }
    }
    let text = RULES;
    let account = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    Snapshot {
        home: names::SYSTEM_NAMESPACE.to_owned(),
        version: Ok("v1.36.3".to_owned()),
        rules: Ok(Rules::parse(&[Source {
            file: "rules.yaml",
            text,
        }])
        .unwrap()),
        installation: Ok(installation),
        rbac: Ok(Rbac::of(Listing {
            cluster_roles: of(&all, "ClusterRole"),
            roles: of(&all, "Role"),
            cluster_role_bindings: of(&all, "ClusterRoleBinding"),
            role_bindings: of(&all, "RoleBinding"),
        })),
        namespaces: Ok(vec![place("research", &OPTED_IN), place("default", &[])]),
        accounts: Ok(vec![
            account("kube-system", "job-controller"),
            account("namesake-system", "namesake-webhook"),
            account("research", "default"),
            account("research", MANAGED),
            account("hub", "jupyter-alice"),
        ]),
        token_secrets: Ok(Vec::new()),
        unstamped: Ok(Vec::new()),
        webhooks: Ok(of(&all, "MutatingWebhookConfiguration")),
        network_policies: Ok(of(&all, "NetworkPolicy")),
    }
}

fn subject(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

fn binding(namespace: Option<&str>, name: &str, role: &str, subjects: &[Value]) -> Value {
    let kind = if namespace.is_some() {
        "RoleBinding"
    } else {
        "ClusterRoleBinding"
    };
    json!({
        "kind": kind, "metadata": {"name": name, "namespace": namespace}, "subjects": subjects,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    })
}

fn role(name: &str, group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": [{"apiGroups": [group], "resources": resources, "verbs": verbs}]})
}

/// Findings as `check: subjects`, or `check: place` for those without a subject.
fn found(snapshot: &Snapshot) -> Vec<String> {
    let all = report(snapshot, &[]).findings;
    let line = |f: &Finding| match f.subjects.as_slice() {
        [] => format!("{}: {}", f.check, f.place),
        subjects => format!("{}: {}", f.check, subjects.join(", ")),
    };
    all.iter().map(line).collect()
}

#[test]
fn the_shipped_installation_has_no_findings_once_tokens_are_refused() {
    let snapshot = installed(&[]);
    let report = report(&snapshot, &[]);
    assert_eq!(report.findings, []);
    assert_eq!(report.not_looked_at, []);
    assert_eq!(report.status(), ExitStatus::Fine);
    let who: Vec<_> = report
        .trusted
        .iter()
        .map(|h| (h.trusted, h.subject.as_str()))
        .collect();
    assert!(
        who.contains(&(Trust::Cluster, "Group system:masters")),
        "{who:?}"
    );
    assert!(
        who.contains(&(
            Trust::Namesake,
            "ServiceAccount namesake-system/namesake-webhook"
        )),
        "{who:?}"
    );
    assert!(
        who.iter()
            .all(|(trust, _)| [Trust::Cluster, Trust::Namesake].contains(trust))
    );
}

#[test]
fn what_could_not_be_read_is_reported_and_fails_the_check() {
    let mut snapshot = installed(&[]);
    let why = Unreadable {
        what: "who may do what: Roles",
        why: "forbidden".to_owned(),
    };
    snapshot.rbac = Err(why.clone());
    let report = report(&snapshot, &[]);
    assert_eq!(report.not_looked_at, [why]);
    assert_eq!(report.status(), ExitStatus::Incomplete);
    let text = print::answer(&report).text;
    assert!(text.contains("NOT SEEN  who may do what: Roles"), "{text}");
}

#[test]
fn the_report_has_the_same_content_in_every_format() {
    let read = role("r", "", &["secrets"], &["get"]);
    let snapshot = installed(&[
        read,
        binding(
            Some(names::SYSTEM_NAMESPACE),
            "peek",
            "r",
            &[subject("User", "mallory@acme.com")],
        ),
    ]);
    let report = report(&snapshot, &[]);
    let answer = print::answer(&report);
    let text = &answer.text;
    let first = "CRITICAL  our-secrets: User mallory@acme.com: may read Namesake's Secrets: whoever has the stamp key signs as anyone (NS3005)";
    assert!(text.starts_with(first), "{text}");
    assert!(
        text.contains("where: RoleBinding namesake-system/peek, ClusterRole r"),
        "{text}"
    );
    assert!(text.contains("1 critical, 0 warnings"), "{text}");
    let json = &answer.json;
    assert_eq!(
        json["findings"][0]["subjects"],
        json!(["User mallory@acme.com"])
    );
    assert_eq!(json["findings"][0]["severity"], "critical");
    assert_eq!(json["notLookedAt"], json!([]));
    let line = "critical our-secrets: RoleBinding namesake-system/peek, ClusterRole r: User mallory@acme.com: may read";
    assert!(answer.short.starts_with(line), "{}", answer.short);
    assert_eq!(answer.cases[0].name, "our-secrets");
    assert!(
        answer.cases[0].found[0].starts_with(line),
        "{:?}",
        answer.cases
    );
}
