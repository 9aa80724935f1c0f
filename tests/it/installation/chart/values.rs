//! What the chart's values accept and refuse.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{EXAMPLE, Said, helm, helms, rendered};

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
const BAD: [(&str, &str); 16] = [
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

/// Settings, each with the object that it changes and what it writes there.
const SETTINGS: [(&str, &str, &str, &str); 16] = [
    (
        "metrics.scrapedBy=gke",
        "CronJob",
        "namesake-doctor",
        "exposure\"",
    ),
    (
        "refuseTokens=true",
        "ValidatingAdmissionPolicyBinding",
        "namesake-tokens",
        "\"Deny\"",
    ),
    (
        "roles.kubernetes={some-role}",
        "ClusterRole",
        "namesake-broker-namespace",
        "\"some-role\"",
    ),
    (
        "roles.google={roles/x.y}",
        "Deployment",
        "namesake-broker",
        "\"roles/x.y\"",
    ),
    (
        "quotas.accountsPerProject=77",
        "Deployment",
        "namesake-broker",
        "\"77\"",
    ),
    (
        "quotas.identitiesPerMinute=3",
        "Deployment",
        "namesake-broker",
        "\"3\"",
    ),
    (
        "broker.offboardingGrace=7d",
        "Deployment",
        "namesake-broker",
        "\"7d\"",
    ),
    (
        "broker.collect=true",
        "Deployment",
        "namesake-broker",
        "\"NAMESAKE_COLLECT\",\"value\":\"true\"",
    ),
    (
        "broker.replicas=3",
        "Deployment",
        "namesake-broker",
        "\"replicas\":3",
    ),
    (
        "webhook.replicas=3",
        "Deployment",
        "namesake-webhook",
        "\"replicas\":3",
    ),
    (
        "image.tag=9.9",
        "Deployment",
        "namesake-webhook",
        "webhook:9.9\"",
    ),
    (
        "controlPlane.addresses={10.9.0.0/28}",
        "NetworkPolicy",
        "namesake-webhook",
        "10.9.0.0/28",
    ),
    (
        "doctor.schedule=5 5 * * *",
        "CronJob",
        "namesake-doctor",
        "\"5 5 * * *\"",
    ),
    (
        "doctor.suspend=true",
        "CronJob",
        "namesake-doctor",
        "\"suspend\":true",
    ),
    ("doctor.wait=9m", "CronJob", "namesake-doctor", "--wait=9m"),
    (
        "rules.noMatch=deny",
        "ConfigMap",
        "namesake-rules",
        "noMatch: deny",
    ),
];

#[test]
fn each_value_is_in_the_objects_that_it_is_about() -> Result<()> {
    let of = |all: &[serde_json::Value], kind: &str, name: &str| {
        let is_it =
            |one: &&serde_json::Value| one["kind"] == kind && one["metadata"]["name"] == name;
        all.iter()
            .find(is_it)
            .map(ToString::to_string)
            .context(kind.to_owned())
    };
    let program = &helms()?[1];
    let before = rendered(program, EXAMPLE, "namesake-system", &[])?;
    for (setting, kind, name, wanted) in SETTINGS {
        ensure!(
            !of(&before, kind, name)?.contains(wanted),
            "{setting} is the default"
        );
        let after = rendered(program, EXAMPLE, "namesake-system", &["--set", setting])?;
        let object = of(&after, kind, name)?;
        ensure!(object.contains(wanted), "{setting}: {object}");
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
