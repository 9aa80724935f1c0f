//! Stock controllers: they keep working when the remedies of the check are applied.

use super::*;

const STOCK: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/testdata/stock-argo-and-jobset.yaml"
));

/// The stock objects, as `change` leaves each ClusterRole, beside what is shipped; the rules name both controllers as carriers.
fn stock(change: impl Fn(&str, &mut Vec<Value>), more: &[Value]) -> Snapshot {
    let documents = STOCK.split("\n---\n");
    let mut all: Vec<Value> = documents
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect();
    for object in &mut all {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if let Some(rules) = object["rules"].as_array_mut() {
            change(&name, rules);
        }
    }
    let carriers = [
        account("argo", "argo"),
        account("jobset-system", "jobset-controller-manager"),
    ];
    all.push(binding(None, "carriers", "namesake-carrier", &carriers));
    all.extend(more.iter().cloned());
    let mut snapshot = installed(&all);
    let accounts = snapshot.accounts.as_mut().unwrap();
    for (namespace, name) in [
        ("argo", "argo"),
        ("argo", "argo-server"),
        ("jobset-system", "jobset-controller-manager"),
    ] {
        accounts.push((namespace.to_owned(), name.to_owned()));
    }
    let text = &format!(
        "{RULES}carriers:\n- {{account: \"system:serviceaccount:argo:argo\", parents: [Workflow]}}\n\
         - {{account: \"system:serviceaccount:jobset-system:jobset-controller-manager\", parents: [JobSet]}}\n"
    );
    let file = "rules.yaml";
    snapshot.rules = Ok(Rules::parse(&[Source { file, text }]).unwrap());
    snapshot
}

#[test]
fn no_remedy_removes_the_binding_of_a_stock_controller() {
    let all = report(&stock(|_, _| {}, &[]), &[]).findings;
    let checks: Vec<_> = all
        .iter()
        .map(|f| (f.check, f.subjects.join(", ")))
        .collect();
    let server = "ServiceAccount argo/argo-server".to_owned();
    let jobset = "ServiceAccount jobset-system/jobset-controller-manager".to_owned();
    assert_eq!(
        checks,
        [
            ("guards", jobset),
            ("our-secrets", server.clone()),
            ("our-namespace", server)
        ]
    );
    for finding in &all {
        let remedy = &finding.remedy;
        assert!(
            !remedy.contains("delete") && remedy.starts_with("keep the binding"),
            "{remedy}"
        );
    }
    assert!(
        all[1].remedy.contains(
            "kubectl -n NAMESPACE create role argo-server-cluster-role-our-secrets --verb=get --resource=secrets && \
             kubectl -n NAMESPACE create rolebinding argo-server-cluster-role-our-secrets \
             --role=argo-server-cluster-role-our-secrets --serviceaccount=argo:argo-server"
        ),
        "{}",
        all[1].remedy
    );
    assert!(
        all[2]
            .remedy
            .contains("--verb=create,update --resource=configmaps"),
        "{}",
        all[2].remedy
    );
    assert!(
        all[2].remedy.contains("--verb=get --resource=pods/exec"),
        "{}",
        all[2].remedy
    );
    let trust = [
        "system:serviceaccount:argo:*",
        "system:serviceaccount:jobset-system:*",
    ];
    let trust = trust.map(str::to_owned);
    assert_eq!(report(&stock(|_, _| {}, &[]), &trust).findings, []);
}

#[test]
fn with_all_remedies_applied_no_finding_is_left_and_controllers_keep_their_rights_where_they_work()
{
    let edited = |role: &str, rules: &mut Vec<Value>| match role {
        "argo-server-cluster-role" => {
            rules[0]["verbs"] = json!(["get", "watch", "list"]);
            rules[2]["resources"] = json!(["pods", "pods/log"]);
            rules.remove(1);
        }
        "jobset-manager-role" => {
            let mut own = rules[2].clone();
            own["verbs"] = json!(["update"]);
            own["resourceNames"] = json!([
                "jobset-mutating-webhook-configuration",
                "jobset-validating-webhook-configuration"
            ]);
            rules[2]["verbs"] = json!(["get", "list", "watch"]);
            rules.push(own);
        }
        _ => {}
    };
    let secrets = role("argo-secrets", "", &["secrets"], &["get", "create"]);
    let exec = role("argo-exec", "", &["pods/exec"], &["get"]);
    let server = [account("argo", "argo-server")];
    let narrow = [
        secrets,
        exec,
        binding(Some("argo"), "argo-secrets", "argo-secrets", &server),
        binding(Some("research"), "argo-secrets", "argo-secrets", &server),
        binding(Some("research"), "argo-exec", "argo-exec", &server),
    ];
    let snapshot = stock(edited, &narrow);
    assert_eq!(report(&snapshot, &[]).findings, []);
    let rbac = snapshot.rbac.as_ref().unwrap();
    let server = Subject::Account("argo".to_owned(), "argo-server".to_owned());
    let read = rights::of(rights::SECRETS, &[]);
    for namespace in ["argo", "research"] {
        assert!(
            rbac.holders_in(namespace, &read).has(&server),
            "{namespace}"
        );
    }
    assert!(!rbac.holders_in(names::SYSTEM_NAMESPACE, &read).has(&server));
}

#[test]
fn a_person_is_removed_from_the_binding_of_a_program_which_keeps_it() {
    let read = role("reader", "", &["secrets"], &["get"]);
    let both = [
        subject("User", "mallory@acme.com"),
        account("backup", "velero"),
    ];
    let snapshot = installed(&[read, binding(None, "readers", "reader", &both)]);
    let all = report(&snapshot, &[]).findings;
    let remedies: Vec<_> = all
        .iter()
        .map(|f| (f.subjects.join(", "), f.remedy.as_str()))
        .collect();
    assert_eq!(remedies.len(), 2, "{remedies:?}");
    assert_eq!(remedies[0].0, "ServiceAccount backup/velero");
    assert!(
        remedies[0].1.starts_with("keep the binding"),
        "{remedies:?}"
    );
    assert!(
        remedies[1]
            .1
            .starts_with("kubectl edit clusterrolebinding readers"),
        "{remedies:?}"
    );
}

#[test]
fn a_program_with_a_built_in_role_gets_another_role_first() {
    let edit = role("edit", "", &["secrets"], &["get"]);
    let snapshot = installed(&[
        edit,
        binding(None, "ci", "edit", &[account("ci", "runner")]),
    ]);
    let all = report(&snapshot, &[]).findings;
    assert!(
        all[0]
            .remedy
            .starts_with("give the program a role with only what it needs, then kubectl delete"),
        "{all:?}"
    );
    // An account in a namespace of users counts as a user: its binding is removed.
    let edit = role("edit", "", &["secrets"], &["get"]);
    let snapshot = installed(&[
        edit,
        binding(None, "bot", "edit", &[account("research", "bot")]),
    ]);
    let all = report(&snapshot, &[]).findings;
    assert!(
        all[0]
            .remedy
            .starts_with("kubectl delete clusterrolebinding bot"),
        "{all:?}"
    );
}
