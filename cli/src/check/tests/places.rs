//! Findings about namespaces, Secrets and webhooks.

use super::*;

#[test]
fn token_secrets_are_found_for_all_but_ordinary_accounts() {
    let mut snapshot = installed(&[]);
    let secret = |namespace: &str, account: &str| TokenSecret {
        namespace: namespace.to_owned(),
        name: format!("of-{account}"),
        account: account.to_owned(),
    };
    snapshot.token_secrets = Ok(vec![
        secret("research", "default"),
        secret("research", MANAGED),
        secret("kube-system", "job-controller"),
        secret("hub", "jupyter-alice"),
    ]);
    assert_eq!(
        found(&snapshot),
        [
            "token-secrets: Secret hub/of-jupyter-alice",
            "token-secrets: Secret kube-system/of-job-controller",
            "token-secrets: Secret research/of-mf-alice-aaaaaaaaaaaaaa"
        ]
    );
}

#[test]
fn an_opted_in_namespace_has_a_level_a_mode_a_stack_and_rights() {
    let mut snapshot = installed(&[]);
    snapshot.namespaces = Ok(vec![
        place("research", &OPTED_IN[..1]),
        place(
            "shade",
            &[OPTED_IN[0], OPTED_IN[1], ("namesake.dev/mode", "shadow")],
        ),
        place(
            "dark",
            &[OPTED_IN[0], OPTED_IN[1], ("namesake.dev/mode", "off")],
        ),
        place(
            "lost",
            &[
                ("namesake.dev/stack", "staging"),
                ("pod-security.kubernetes.io/enforce", "privileged"),
            ],
        ),
    ]);
    let mut all = found(&snapshot);
    all.sort();
    assert_eq!(
        all,
        [
            "mode: Namespace dark",
            "mode: Namespace shade",
            "not-checked: Namespace lost",
            "opt-in: Namespace dark",
            "opt-in: Namespace lost",
            "opt-in: Namespace shade",
            "pod-security: Namespace lost",
            "pod-security: Namespace research",
        ]
    );
}

#[test]
fn identities_in_a_namespace_that_opted_out_are_found_without_the_label_that_protects_them() {
    let mut snapshot = installed(&[]);
    let accounts = snapshot.accounts.as_mut().unwrap();
    for namespace in ["left", "kept"] {
        accounts.push((namespace.to_owned(), MANAGED.to_owned()));
    }
    accounts.push(("never".to_owned(), "default".to_owned()));
    snapshot.namespaces.as_mut().unwrap().extend([
        place("left", &[]),
        place("kept", &[("namesake.dev/was-opted-in", "true")]),
        place("never", &[]),
    ]);
    assert_eq!(found(&snapshot), ["opted-out: Namespace left"]);
}

#[test]
fn a_later_webhook_is_found_unless_it_cannot_change_namesakes_pods() {
    let webhook = |name: &str, resources: &[&str], selector: Value, again: &str| {
        json!({
            "metadata": {"name": name},
            "webhooks": [{
                "name": "inject.example.com", "admissionReviewVersions": ["v1"], "clientConfig": {}, "sideEffects": "None",
                "namespaceSelector": selector, "reinvocationPolicy": again,
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": resources}],
            }],
        })
    };
    let with = |one: Value| {
        let mut snapshot = installed(&[]);
        snapshot
            .webhooks
            .as_mut()
            .unwrap()
            .push(serde_json::from_value(one).unwrap());
        snapshot
    };
    let late = webhook("zzz", &["pods"], json!({}), "Never");
    let (snapshot, place) = (
        with(late),
        "other-webhooks: MutatingWebhookConfiguration zzz, webhook inject.example.com",
    );
    assert_eq!(found(&snapshot), [place]);
    assert_eq!(report(&snapshot, &["webhook:z*".to_owned()]).findings, []);
    assert_eq!(
        found(&with(webhook("aa", &["*"], json!({}), "IfNeeded"))).len(),
        1
    );
    let elsewhere = json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}});
    for harmless in [
        webhook("aa", &["pods"], json!({}), "Never"),
        webhook("zzz", &["services"], json!({}), "Never"),
        webhook("zzz", &["pods"], elsewhere, "IfNeeded"),
    ] {
        assert_eq!(found(&with(harmless)), Vec::<String>::new());
    }
}

#[test]
fn missing_network_policies_are_found() {
    let mut snapshot = installed(&[]);
    snapshot.network_policies = Ok(Vec::new());
    assert_eq!(found(&snapshot), ["network: Namespace namesake-system"]);
}

#[test]
fn parents_without_a_stamp_are_counted_by_namespace_and_kind() {
    let mut snapshot = installed(&[]);
    let one = |kind: &'static str, name: &str| Unstamped {
        namespace: "research".to_owned(),
        kind,
        name: name.to_owned(),
    };
    snapshot.unstamped = Ok(vec![
        one("jobs", "a"),
        one("workflows", "w"),
        one("jobs", "b"),
    ]);
    let all = report(&snapshot, &[]).findings;
    let lines: Vec<_> = all
        .iter()
        .map(|f| (f.place.as_str(), f.what.contains("(a, b)")))
        .collect();
    assert_eq!(
        lines,
        [
            ("Namespace research, jobs", true),
            ("Namespace research, workflows", false)
        ]
    );
}

#[test]
fn a_token_guard_that_refuses_only_in_some_namespaces_is_found() {
    let mut snapshot = installed(&[]);
    for binding in &mut snapshot.installation.as_mut().unwrap().bindings {
        if binding.spec.policy_name == names::TOKEN_GUARD {
            binding.spec.match_resources = Some(Default::default());
        }
    }
    assert!(
        found(&snapshot)
            .iter()
            .any(|f| f.starts_with("token-guard: ")),
        "{:?}",
        found(&snapshot)
    );
}

#[test]
fn another_stack_of_the_cluster_is_not_a_gap() {
    const HOME: &str = "namesake-system-blue";
    let rights = |account_name: &str| {
        let subject = [account(HOME, account_name)];
        let role = format!("{account_name}-namespace");
        [
            binding(
                None,
                &format!("{account_name}-blue"),
                account_name,
                &subject,
            ),
            binding(Some("lab"), account_name, &role, &subject),
        ]
    };
    let rights = ["namesake-webhook", "namesake-broker"].map(rights).concat();
    let mut snapshot = installed(&rights);
    let lab = [("namesake.dev/stack", "blue"), OPTED_IN[1]];
    let off = [lab[0], lab[1], ("namesake.dev/mode", "off")];
    let places = [
        place("research", &OPTED_IN),
        place("lab", &lab),
        place("off", &off),
    ];
    snapshot.namespaces = Ok(places.to_vec());
    let ours = snapshot.webhooks.as_ref().unwrap()[0].clone();
    let text = serde_json::to_string(&ours).unwrap();
    let text = text
        .replace("\"prod\"", "\"blue\"")
        .replace("\"name\":\"zz-namesake\"", "\"name\":\"zz-namesake-blue\"");
    let blue = serde_json::from_str(&text).unwrap();
    snapshot.webhooks = Ok(vec![ours.clone(), blue]);
    assert_eq!(found(&snapshot), Vec::<String>::new());
    assert_eq!(report(&snapshot, &[]).namespaces, ["research"]);
    snapshot.webhooks = Ok(vec![ours]);
    let found = found(&snapshot).join("\n");
    for part in [
        "not-checked: Namespace lab",
        "ServiceAccount namesake-system-blue/namesake-webhook",
    ] {
        assert!(found.contains(part), "{found}");
    }
}
