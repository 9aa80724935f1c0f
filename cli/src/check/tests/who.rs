//! Findings about subjects that can act as another user.

use super::*;
use crate::answer::golden;

#[test]
fn every_right_to_act_as_another_user_is_found_with_its_holder() {
    let mallory = [subject("User", "mallory@acme.com")];
    let rights: [(&str, &str, &[&str], &[&str]); 10] = [
        ("our-secrets", "", &["secrets"], &["list"]),
        ("our-namespace", "", &["configmaps"], &["patch"]),
        ("developers", "batch", &["jobs"], &["create"]),
        ("impersonation", "", &["users"], &["impersonate"]),
        (
            "impersonation",
            "authentication.k8s.io",
            &["userextras"],
            &["impersonate"],
        ),
        ("tokens", "", &["serviceaccounts/token"], &["create"]),
        (
            "guards",
            "admissionregistration.k8s.io",
            &["validatingadmissionpolicybindings"],
            &["delete"],
        ),
        (
            "escalation",
            "rbac.authorization.k8s.io",
            &["roles"],
            &["bind"],
        ),
        ("kubelets", "", &["nodes/proxy"], &["get"]),
        ("admins", "namesake.dev", &["identities"], &["administer"]),
    ];
    for (check, group, resources, verbs) in rights {
        let whom = if check == "admins" {
            [subject("Group", "system:authenticated")]
        } else {
            mallory.clone()
        };
        let snapshot = installed(&[
            role("r", group, resources, verbs),
            binding(None, "b", "r", &whom),
        ]);
        let all = found(&snapshot);
        let name = whom[0]["name"].as_str().unwrap();
        assert!(
            all.iter()
                .any(|f| f.starts_with(&format!("{check}: ")) && f.contains(name)),
            "{check}: {all:?}"
        );
        assert_eq!(report(&snapshot, &[]).status(), ExitStatus::Found);
        let trust = [name.to_owned(), format!("group:{name}")];
        assert_eq!(report(&snapshot, &trust).findings, [], "{check}");
    }
}

#[test]
fn a_binding_elsewhere_or_of_an_admin_is_not_a_finding() {
    let edit = role(
        "edit",
        "",
        &[
            "secrets",
            "pods",
            "pods/exec",
            "serviceaccounts",
            "serviceaccounts/token",
        ],
        &["*"],
    );
    let mallory = [subject("User", "mallory@acme.com")];
    let ops = [subject("User", "ops@acme.com")];
    let elsewhere = [
        edit.clone(),
        binding(Some("default"), "b", "edit", &mallory),
    ];
    assert_eq!(found(&installed(&elsewhere)), Vec::<String>::new());
    let admin = binding(None, "admins", "namesake-identities-admin", &ops);
    let snapshot = installed(&[edit.clone(), admin, binding(None, "b", "edit", &ops)]);
    let report = report(&snapshot, &[]);
    assert_eq!(report.findings, []);
    assert!(
        report
            .trusted
            .iter()
            .any(|h| h.trusted == Trust::Admin && h.subject == "User ops@acme.com")
    );
}

#[test]
fn the_role_edit_in_namesakes_namespace_can_read_the_stamp_key() {
    let edit = role("edit", "", &["secrets", "pods", "pods/exec"], &["*"]);
    let bound = binding(
        Some(names::SYSTEM_NAMESPACE),
        "devs",
        "edit",
        &[subject("Group", "devs"), subject("Group", "system:masters")],
    );
    let mut snapshot = installed(&[edit, bound]);
    let all = report(&snapshot, &[]).findings;
    assert_eq!(
        all.iter()
            .map(|f| (f.severity, f.check))
            .collect::<Vec<_>>(),
        [
            (Severity::Critical, "our-secrets"),
            (Severity::Warning, "our-namespace")
        ]
    );
    assert!(all.iter().all(|f| f.subjects == ["Group devs"]), "{all:?}");
    assert!(
        all[0]
            .remedy
            .starts_with("kubectl -n namesake-system edit rolebinding devs "),
        "{}",
        all[0].remedy
    );
    // Without that policy it is worse.
    let installation = snapshot.installation.as_mut().unwrap();
    installation
        .bindings
        .retain(|b| b.spec.policy_name != "namesake-system");
    let all = report(&snapshot, &[]).findings;
    assert!(
        all.iter().all(|f| f.severity == Severity::Critical),
        "{all:?}"
    );
    assert!(
        all.iter()
            .any(|f| f.check == "installation" && f.what.contains("namesake-system")),
        "{all:?}"
    );
}

#[test]
fn impersonation_of_namesakes_accounts_is_critical() {
    let imposter = role("r", "", &["serviceaccounts"], &["impersonate"]);
    let mallory = [subject("User", "mallory@acme.com")];
    let bound = binding(Some(names::SYSTEM_NAMESPACE), "b", "r", &mallory);
    let all = report(&installed(&[imposter, bound]), &[]).findings;
    let found: Vec<_> = all.iter().map(|f| (f.severity, f.check)).collect();
    assert_eq!(found, [(Severity::Critical, "impersonation")]);
    let proxy = role("r", "", &["services/proxy"], &["create"]);
    let bound = binding(Some(names::SYSTEM_NAMESPACE), "b", "r", &mallory);
    let all = report(&installed(&[proxy, bound]), &[]).findings;
    assert_eq!(
        (all.len(), all[0].check, all[0].severity),
        (1, "our-namespace", Severity::Warning)
    );
}

#[test]
fn access_to_a_guarded_account_is_found_and_so_is_an_account_without_a_guard() {
    let edit = role("edit", "", &["pods"], &["create"]);
    let in_hub = binding(Some("hub"), "team", "edit", &[subject("Group", "hub-team")]);
    assert_eq!(
        found(&installed(&[edit, in_hub])),
        ["guarded-accounts: Group hub-team"]
    );
    let mut snapshot = installed(&[]);
    snapshot
        .accounts
        .as_mut()
        .unwrap()
        .push(("hub2".into(), "runner".into()));
    let text = RULES.replace(
        "users:\n",
        "users:\n  - {requester: \"system:serviceaccount:hub2:runner\", user: bob@acme.com}\n",
    );
    let text = format!(
        "{text}carriers: [{{account: \"system:serviceaccount:argo:argo\", parents: [Workflow]}}]\n"
    );
    snapshot.rules = Ok(Rules::parse(&[Source {
        file: "rules.yaml",
        text: &text,
    }])
    .unwrap());
    let all = report(&snapshot, &[]).findings;
    let places: Vec<_> = all.iter().map(|f| (f.check, f.place.as_str())).collect();
    assert_eq!(
        places,
        [
            ("carriers", "ServiceAccount argo/argo"),
            ("guarded-accounts", "ServiceAccounts argo/argo"),
            ("guarded-accounts", "ServiceAccounts hub2/runner")
        ]
    );
    assert!(
        all[2]
            .remedy
            .contains("--clusterrole=namesake-guarded --serviceaccount=hub2:runner"),
        "{}",
        all[2].remedy
    );
}

#[test]
fn a_carrier_may_create_pods_everywhere_but_not_read_namesakes_secrets() {
    let controller = role("controller", "", &["pods", "secrets"], &["create", "get"]);
    let argo = [account("argo", "argo")];
    let mut snapshot = installed(&[
        controller,
        binding(None, "argo", "controller", &argo),
        binding(None, "carriers", "namesake-carrier", &argo),
    ]);
    snapshot
        .accounts
        .as_mut()
        .unwrap()
        .push(("argo".into(), "argo".into()));
    let text = format!(
        "{RULES}carriers: [{{account: \"system:serviceaccount:argo:argo\", parents: [Workflow]}}]\n"
    );
    snapshot.rules = Ok(Rules::parse(&[Source {
        file: "rules.yaml",
        text: &text,
    }])
    .unwrap());
    assert_eq!(found(&snapshot), ["our-secrets: ServiceAccount argo/argo"]);
}

#[test]
fn a_carrier_or_a_powerful_account_among_users_is_found() {
    let carrier = binding(
        None,
        "argo",
        "namesake-carrier",
        &[account("research", "argo")],
    );
    let mut snapshot = installed(&[
        carrier,
        binding(None, "bot", "cluster-admin", &[account("research", "bot")]),
    ]);
    snapshot
        .accounts
        .as_mut()
        .unwrap()
        .push(("research".into(), "argo".into()));
    let all = found(&snapshot);
    assert!(
        all.contains(&"carriers: ServiceAccount research/argo".to_owned()),
        "{all:?}"
    );
    assert!(
        all.contains(&"admins: ServiceAccount research/bot".to_owned()),
        "{all:?}"
    );
}

#[test]
fn the_role_edit_in_an_opted_in_namespace_is_found_until_the_token_guard_refuses() {
    let edit = role(
        "edit",
        "",
        &["serviceaccounts", "serviceaccounts/token"],
        &["create", "impersonate"],
    );
    let people = binding(
        Some("research"),
        "people",
        "edit",
        &[subject("User", "alice"), subject("User", "bob")],
    );
    let mut snapshot = installed(&[edit, people]);
    let one = |snapshot: &Snapshot| {
        report(snapshot, &[])
            .findings
            .into_iter()
            .find(|f| f.check == "opted-in-rights")
            .unwrap()
    };
    assert_eq!(one(&snapshot).subjects, ["User alice", "User bob"]);
    assert!(
        !one(&snapshot).what.contains("tokens"),
        "{}",
        one(&snapshot).what
    );
    for binding in &mut snapshot.installation.as_mut().unwrap().bindings {
        if binding.spec.policy_name == names::TOKEN_GUARD {
            binding.spec.validation_actions = vec!["Warn".to_owned(), "Audit".to_owned()];
        }
    }
    assert!(one(&snapshot).what.contains("tokens"));
    assert!(
        found(&snapshot)
            .iter()
            .any(|f| f.starts_with("token-guard: "))
    );
}

/// A sample of the output, which docs/install.md has too.
#[test]
fn a_finding_says_who_where_and_what_to_do() {
    let edit = role("edit", "", &["pods"], &["create"]);
    let devs = [subject("Group", "devs@acme.com")];
    let bound = binding(None, "devs", "edit", &devs);
    let answer = print::answer(&report(&installed(&[edit, bound]), &[]));
    golden::check("check", &answer);
    let install = include_str!("../../../../docs/install.md");
    let first = answer.text.split("\n\n").next().unwrap();
    assert!(install.contains(first), "not in docs/install.md: {first}");
}
