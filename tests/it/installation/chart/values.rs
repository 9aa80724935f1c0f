//! What the chart's values accept and refuse.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use namesake_tests::cluster::manifests;
use serde_json::Value;

use super::{EXAMPLE, Said, file, helm, helms, rendered};

/// Renders the chart with the values of the example, and more arguments.
pub(super) fn template(program: &Path, more: &[&str]) -> Result<Said> {
    let args = [
        "template",
        ".",
        "--namespace=namesake-system",
        "--values",
        EXAMPLE,
    ];
    helm(program, &[&args[..], more].concat(), None)
}

/// Settings that are refused, each with what the message names.
const BAD: [(&str, &str); 19] = [
    ("stak=prod", "stak"),
    ("broker.serviceAccount=x", "serviceAccount"),
    ("image.repository=x", "repository"),
    ("doctor.cron=x", "cron"),
    ("stack=Prod", "stack"),
    ("stack=", "stack"),
    ("cluster=ml", "cluster"),
    ("image.registry=", "registry"),
    ("nameSuffix=maybe", "nameSuffix"),
    ("webhook.replicas=two", "replicas"),
    ("quotas.identitiesPerMinute=0", "identitiesPerMinute"),
    (
        "broker.googleServiceAccount=namesake-broker",
        "googleServiceAccount",
    ),
    ("broker.offboardingGrace=30", "offboardingGrace"),
    ("controlPlane.type=public", "controlPlane"),
    ("controlPlane.addresses=null", "controlPlane"),
    ("rules.roles[0].name=x", "roles"),
    ("rules.identities[0].project=7", "project"),
    ("rules.identities[0].mode=x", "mode"),
    ("doctor.wait=10m", "wait"),
];

#[test]
fn unknown_values_and_values_of_the_wrong_type_are_refused_by_name() -> Result<()> {
    for program in helms()? {
        for (setting, named) in BAD {
            let said = template(program, &["--set", setting])?.refusal();
            let said = said.with_context(|| format!("{program:?} {setting}"))?;
            ensure!(said.contains(named), "{setting}: {said}");
        }
        let args = ["template", ".", "--namespace=namesake-system"];
        let said = helm(program, &args, None)?.refusal()?;
        ensure!(
            said.contains("stack") && said.contains("registry"),
            "{said}"
        );
    }
    Ok(())
}

#[test]
fn helm_finds_nothing_to_complain_about() -> Result<()> {
    for program in helms()? {
        for more in ["sharedObjects=true", "sharedObjects=false", "global.x=y"] {
            let args = [
                "lint",
                ".",
                "--strict",
                "--namespace=namesake-system",
                "--values",
                EXAMPLE,
                "--set",
                more,
            ];
            let said = helm(program, &args, None)?.success()?;
            ensure!(said.contains("0 chart(s) failed"), "{said}");
        }
    }
    Ok(())
}

#[test]
fn a_release_in_another_namespace_than_its_stacks_is_refused_with_the_namespace() -> Result<()> {
    for program in helms()? {
        for (namespace, setting, wanted) in [
            ("default", "nameSuffix=false", "--namespace=namesake-system"),
            (
                "namesake-system",
                "nameSuffix=true",
                "--namespace=namesake-system-prod",
            ),
        ] {
            let namespace = format!("--namespace={namespace}");
            let args = [
                "template", ".", &namespace, "--values", EXAMPLE, "--set", setting,
            ];
            let said = helm(program, &args, None)?.refusal()?;
            ensure!(said.contains(wanted), "{said}");
        }
    }
    Ok(())
}

#[test]
fn a_cluster_without_the_kinds_that_the_chart_needs_is_refused() -> Result<()> {
    let (cluster, policy) = (
        "--api-versions=v1/Namespace",
        "--api-versions=admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
    );
    let scraped = ["--set=metrics.scrapedBy=gke", cluster, policy];
    for program in helms()? {
        let said = template(program, &["--kube-version=1.29.0"])?.refusal()?;
        ensure!(said.contains("1.30"), "{said}");
        // An API server lists its kinds. Without one, nothing is known about them.
        let said = template(program, &[cluster])?.refusal()?;
        ensure!(
            said.contains("this cluster has no ValidatingAdmissionPolicy"),
            "{said}"
        );
        let said = template(program, &scraped)?.refusal()?;
        ensure!(
            said.contains("no monitoring.googleapis.com/v1/PodMonitoring"),
            "{said}"
        );
        for more in [&[][..], &[policy], &[cluster, policy]] {
            template(program, more)?.success()?;
        }
    }
    Ok(())
}

const BROKER: (&str, &str) = ("Deployment", "namesake-broker");
const WEBHOOK: (&str, &str) = ("Deployment", "namesake-webhook");
const DOCTOR: (&str, &str) = ("CronJob", "namesake-doctor");
const POLICY: (&str, &str) = ("NetworkPolicy", "namesake-webhook");

/// Settings, each with the object that it changes (kind and name) and what it writes there.
const SETTINGS: [(&str, (&str, &str), &str); 25] = [
    ("metrics.scrapedBy=gke", DOCTOR, "exposure\""),
    (
        "metrics.scrapedBy=gke,metrics.namespaces={scrapers}",
        ("NetworkPolicy", "namesake-metrics"),
        "scrapers",
    ),
    (
        "refuseTokens=true",
        ("ValidatingAdmissionPolicyBinding", "namesake-tokens"),
        "\"Deny\"",
    ),
    (
        "roles.kubernetes={some-role}",
        ("ClusterRole", "namesake-broker-namespace"),
        "\"some-role\"",
    ),
    ("roles.google={roles/x.y}", BROKER, "\"roles/x.y\""),
    ("quotas.accountsPerProject=77", BROKER, "\"77\""),
    ("quotas.identitiesPerMinute=3", BROKER, "\"3\""),
    (
        "quotas.readsPerMinute=78",
        BROKER,
        "\"NAMESAKE_READS_PER_MINUTE\",\"value\":\"78\"",
    ),
    (
        "quotas.writesPerMinute=78",
        BROKER,
        "\"NAMESAKE_WRITES_PER_MINUTE\",\"value\":\"78\"",
    ),
    (
        "quotas.createsPerMinute=78",
        BROKER,
        "\"NAMESAKE_CREATES_PER_MINUTE\",\"value\":\"78\"",
    ),
    ("broker.offboardingGrace=7d", BROKER, "\"7d\""),
    (
        "broker.collect=true",
        BROKER,
        "\"NAMESAKE_COLLECT\",\"value\":\"true\"",
    ),
    ("broker.replicas=3", BROKER, "\"replicas\":3"),
    (
        "broker.nodeSelector.pool=system",
        BROKER,
        "\"pool\":\"system\"",
    ),
    (
        "broker.googleServiceAccount=b@p.iam.gserviceaccount.com",
        ("ServiceAccount", "namesake-broker"),
        "b@p.iam.gserviceaccount.com",
    ),
    ("webhook.replicas=3", WEBHOOK, "\"replicas\":3"),
    (
        "webhook.trustedWebhooks={*.gke.io,mesh}",
        WEBHOOK,
        "\"*.gke.io,mesh\"",
    ),
    ("image.registry=r.test/n", WEBHOOK, "r.test/n/webhook:"),
    ("image.tag=9.9", WEBHOOK, "webhook:9.9\""),
    (
        "controlPlane.addresses={10.9.0.0/28}",
        POLICY,
        "10.9.0.0/28",
    ),
    (
        "controlPlane.type=agents",
        POLICY,
        "\"from\":[{\"namespaceSelector\":{\"matchLabels\":{\"kubernetes.io/metadata.name\":\"kube-system\"}},\"podSelector\":{\"matchLabels\":{\"k8s-app\":\"konnectivity-agent\"}}}]",
    ),
    ("doctor.schedule=5 5 * * *", DOCTOR, "\"5 5 * * *\""),
    ("doctor.suspend=true", DOCTOR, "\"suspend\":true"),
    ("doctor.wait=9m", DOCTOR, "--wait=9m"),
    (
        "rules.noMatch=deny",
        ("ConfigMap", "namesake-rules"),
        "noMatch: deny",
    ),
];
/// Values that decide which objects there are, or what is refused: other tests are about each.
const OTHERS: [&str; 7] = [
    "stack",
    "cluster",
    "existingRules",
    "optInNamespaces",
    "nameSuffix",
    "sharedObjects",
    "downgradeFrom",
];

#[test]
fn each_value_is_in_the_objects_that_it_is_about() -> Result<()> {
    let of = |all: &[Value], (kind, name): (&str, &str)| {
        let is_it = |one: &&Value| one["kind"] == kind && one["metadata"]["name"] == name;
        all.iter().find(is_it).map(ToString::to_string)
    };
    let program = &helms()?[1];
    let before = rendered(program, EXAMPLE, "namesake-system", &[])?;
    for (setting, object, wanted) in SETTINGS {
        let is_default = of(&before, object).is_some_and(|text| text.contains(wanted));
        ensure!(!is_default, "{setting} is the default");
        let after = rendered(program, EXAMPLE, "namesake-system", &["--set", setting])?;
        let object = of(&after, object).with_context(|| format!("{object:?}"))?;
        ensure!(object.contains(wanted), "{setting}: {object}");
    }
    Ok(())
}

/// The path of each value that has no values below it.
fn leaves(values: &Value, path: &str, found: &mut Vec<String>) {
    for (key, below) in values.as_object().into_iter().flatten() {
        let path = format!("{path}{key}");
        // The keys of a selector are the admin's.
        match below.is_object() && path != "broker.nodeSelector" && path != "rules" {
            true => leaves(below, &format!("{path}."), found),
            false => found.push(path),
        }
    }
}

#[test]
fn no_value_is_without_a_test() -> Result<()> {
    let values: Value = serde_saphyr::from_str(&file("values.yaml")?)?;
    let mut all = Vec::new();
    leaves(&values, "", &mut all);
    for path in all {
        let is_set = SETTINGS.iter().any(|(setting, ..)| setting.contains(&path));
        ensure!(is_set || OTHERS.contains(&path.as_str()), "{path}");
    }
    Ok(())
}

#[test]
fn webhook_and_broker_get_the_rights_of_the_manifests_in_each_listed_namespace() -> Result<()> {
    let wanted = manifests::objects(&manifests::file("opt-in/role-bindings.yaml")?)?;
    let more = ["--set", "optInNamespaces={try,research}"];
    let all = rendered(&helms()?[1], EXAMPLE, "namesake-system", &more)?;
    for namespace in ["try", "research"] {
        let there = all
            .iter()
            .filter(|one| one["metadata"]["namespace"] == namespace);
        let there: Vec<_> = there.cloned().collect();
        let mut wanted = wanted.clone();
        for object in &mut wanted {
            object["metadata"]["namespace"] = namespace.into();
        }
        let by_name = |one: &Value| one["metadata"]["name"].to_string();
        wanted.sort_by_key(by_name);
        ensure!(there == wanted, "{there:#?}");
    }
    Ok(())
}

#[test]
fn only_one_release_has_what_all_stacks_share() -> Result<()> {
    let program = &helms()?[1];
    let kinds = |more: &[&str]| -> Result<Vec<String>> {
        let all = rendered(program, EXAMPLE, "namesake-system", more)?;
        Ok(all.iter().map(|one| one["kind"].to_string()).collect())
    };
    let (with, without) = (kinds(&[])?, kinds(&["--set", "sharedObjects=false"])?);
    for kind in ["CustomResourceDefinition", "ValidatingAdmissionPolicy"] {
        let kind = format!("\"{kind}\"");
        ensure!(with.contains(&kind) && !without.contains(&kind), "{kind}");
    }
    for kind in ["Deployment", "MutatingWebhookConfiguration", "ConfigMap"] {
        ensure!(without.contains(&format!("\"{kind}\"")), "{kind}");
    }
    Ok(())
}

#[test]
fn rules_that_somebody_else_applies_are_not_in_the_chart() -> Result<()> {
    let more = [
        "--set",
        "existingRules=true,cluster=",
        "--set-json",
        "rules={}",
    ];
    let all = rendered(&helms()?[1], EXAMPLE, "namesake-system", &more)?;
    ensure!(
        all.iter()
            .all(|one| one["metadata"]["name"] != "namesake-rules")
    );
    Ok(())
}
