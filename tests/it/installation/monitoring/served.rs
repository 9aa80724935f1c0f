//! What the programs really serve.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_core::{EndpointMode, Reason};
use namesake_gateway::state::{Metrics, Outcome};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::{Options, replica::Replica},
};

use super::{declared, promtool};

const IDENTITIES: &str = "namesake_broker_identities";

/// The series of a text: name, names of labels, value.
fn samples(text: &str) -> Result<Vec<(&str, Vec<&str>, f64)>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').context("no value")?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let pairs = labels.trim_end_matches('}').split("\",");
            let labels = pairs.filter_map(|pair| Some(pair.split_once('=')?.0));
            Ok((name, labels.collect(), value.parse()?))
        })
        .collect()
}

/// The sum of all series of this name.
fn sum(text: &str, name: &str) -> Result<f64> {
    let all = samples(text)?.into_iter();
    Ok(all
        .filter(|(n, ..)| *n == name)
        .map(|(.., value)| value)
        .sum())
}

/// Checks a text with promtool, and that it contains what the program declares and nothing else.
fn check_served(program: &str, text: &str) -> Result<()> {
    promtool(&["check", "metrics"], text).with_context(|| program.to_owned())?;
    let all = declared();
    let metrics = all.iter().find(|(name, _)| *name == program);
    let (_, metrics) = metrics.context("no such program")?;
    for (name, labels, _) in samples(text)? {
        let found = metrics.iter().find(|metric| {
            let rest = name.strip_prefix(metric.name.as_str());
            match metric.kind {
                "histogram" => matches!(rest, Some("_bucket" | "_count" | "_sum")),
                _ => rest == Some(""),
            }
        });
        let metric = found.with_context(|| format!("{name} is not declared"))?;
        let own: Vec<_> = labels.into_iter().filter(|label| *label != "le").collect();
        ensure!(
            own == metric.labels,
            "{name}: {own:?}, not {:?}",
            metric.labels
        );
    }
    Ok(())
}

async fn run_a_pod(ns: &TestNamespace, user: &str) -> Result<Pod> {
    let user = ns.person(&format!("{user}@acme.com")).await?;
    let job = user.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.wait_until_ungated(&pod).await?;
    Ok(pod)
}

#[test]
fn what_webhook_and_broker_serve_is_as_declared_and_accepted_by_promtool() -> Result<()> {
    with_namespace(|ns| async move {
        run_a_pod(&ns, "alice").await?;
        let webhook = ns.stack.webhook_metrics().await?;
        check_served("webhook", &webhook)?;
        let broker = eventually("the broker counts what it did", async || {
            let broker = ns.stack.broker_metrics().await?;
            for name in [
                "identity_provisioning_seconds_count",
                "google_request_seconds_count",
                "gate_wait_seconds_count",
                "identities",
            ] {
                ensure!(
                    sum(&broker, &format!("namesake_broker_{name}"))? > 0.0,
                    "{name}: {broker}"
                );
            }
            Ok(broker)
        })
        .await?;
        check_served("broker", &broker)?;
        for (program, text) in [("webhook", &webhook), ("broker", &broker)] {
            let name = format!("namesake_{program}_certificate_expiry_timestamp_seconds");
            let all = samples(text)?.into_iter().filter(|(n, ..)| *n == name);
            let times: Vec<_> = all.map(|(.., time)| time).collect();
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let now = Timestamp::now().as_second() as f64;
            ensure!(
                times.len() == 2 && times.iter().all(|time| *time > now),
                "{times:?}"
            );
            let revision = sum(text, &format!("namesake_{program}_rules_info"))?;
            ensure!(revision == 1.0, "{text}");
        }
        Ok(())
    })
}

#[test]
fn what_the_gateway_serves_is_as_declared_and_accepted_by_promtool() -> Result<()> {
    let metrics = Metrics::default();
    let took = Duration::from_micros(80);
    metrics.count_request(Outcome::Allowed, EndpointMode::Enforce, took);
    metrics.count_request(
        Outcome::Refused(Reason::NoMatch),
        EndpointMode::Enforce,
        took,
    );
    metrics.count_owner_lookup("found");
    metrics.count_watch_failure("rules");
    check_served("gateway", &metrics.text())
}

#[test]
fn a_sum_over_two_brokers_counts_each_identity_once_also_after_the_leader_changes() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let service = ns.stack.replace_broker_by_service().await?;
        let first = Replica::start(&ns, "first").await?;
        let second = Replica::start(&ns, "second").await?;
        for replica in [&first, &second] {
            service.add(replica.address);
        }
        run_a_pod(&ns, "alice").await?;
        let leader = async || {
            for (replica, other) in [(&first, &second), (&second, &first)] {
                if replica.is_leader().await? {
                    return Ok((replica, other));
                }
            }
            anyhow::bail!("none leads")
        };
        let (leads, follows) = eventually("one leads", leader).await?;
        eventually("only the leader counts", async || {
            let (one, other) = (leads.metrics().await?, follows.metrics().await?);
            ensure!(sum(&one, IDENTITIES)? == 1.0, "{one}");
            for (name, ..) in samples(&other)? {
                let of_quota = name.starts_with("namesake_broker_quota_");
                ensure!(name != IDENTITIES && !of_quota, "{name}");
            }
            ensure!(sum(&other, "namesake_broker_rules_info")? == 1.0, "{other}");
            Ok(())
        })
        .await?;
        leads.stop().await;
        eventually("the other one leads, and counts", async || {
            let text = follows.metrics().await?;
            ensure!(sum(&text, "namesake_broker_leading")? == 1.0, "{text}");
            ensure!(sum(&text, IDENTITIES)? == 1.0, "{text}");
            Ok(())
        })
        .await
    })
}
