use std::time::{Duration, Instant};

use jiff::SignedDuration;
use namesake_service::Scope;

use super::*;
use crate::controllers::quota::report::QuotaKind;

const LEADING: &str = "\nnamesake_broker_leading ";

fn leading() -> (Metrics, Arc<Fence>) {
    let (metrics, fence) = (Metrics::default(), Arc::<Fence>::default());
    metrics.watch_fence(Arc::clone(&fence));
    fence.open_until(Instant::now() + Duration::from_secs(60));
    (metrics, fence)
}

fn quota() -> QuotaLine {
    QuotaLine {
        full_in: Some(SignedDuration::from_hours(24)),
        ..QuotaLine::new(QuotaKind::GoogleAccounts, "acme", 82, Some(100))
    }
}

#[test]
fn a_replica_leads_while_its_fence_is_open() {
    let says =
        |metrics: &Metrics, value: u8| metrics.encode().contains(&format!("{LEADING}{value}\n"));
    assert!(says(&Metrics::default(), 0));
    let (metrics, fence) = leading();
    assert!(says(&metrics, 1));
    fence.close();
    assert!(says(&metrics, 0));
}

#[test]
fn what_exists_once_is_counted_by_the_leader_only() {
    let (metrics, fence) = leading();
    metrics.set_quotas(&[quota()], Timestamp::UNIX_EPOCH);
    metrics.set_garbage("Identity", 1);
    let waits = metrics.pod_waits(Some(Timestamp::UNIX_EPOCH));
    let of_leader = || {
        let text = metrics.encode();
        let infos = metrics.infos().iter();
        let leader = infos.filter(|info| info.scope == Scope::Leader);
        let leader = leader.map(|info| format!("\n{}", info.name));
        leader.filter(|name| text.contains(name)).count()
    };
    assert!(of_leader() >= 6, "{}", metrics.encode());
    fence.close();
    assert_eq!(of_leader(), 0, "{}", metrics.encode());
    drop(waits);
}

#[test]
fn a_replica_that_leads_again_shows_nothing_of_what_it_counted_before() {
    let (metrics, _fence) = leading();
    metrics.set_quotas(&[quota()], Timestamp::UNIX_EPOCH);
    metrics.set_garbage("ServiceAccount", 3);
    metrics.set_same_brokers(2);
    metrics.begin_leading();
    let text = metrics.encode();
    for gone in [
        "quota_used{",
        "quota_limit{",
        "quota_full_timestamp_seconds{",
        "garbage{",
    ] {
        assert!(!text.contains(gone), "{text}");
    }
    assert!(text.contains("namesake_broker_same_brokers 0"), "{text}");
}

#[test]
fn the_oldest_wait_is_shown_while_a_pod_waits() {
    let (metrics, _fence) = leading();
    let at = |second| Timestamp::from_second(second).ok();
    let first = metrics.pod_waits(at(1_000));
    let second = metrics.pod_waits(at(1_000));
    let last = metrics.pod_waits(at(2_000));
    let oldest = |second: i64, waiting: usize| {
        let text = metrics.encode();
        let prefix = "namesake_broker_gate_";
        text.contains(&format!("{prefix}oldest_wait_timestamp_seconds {second}\n"))
            && text.contains(&format!("namesake_broker_gates_waiting {waiting}\n"))
    };
    assert!(oldest(1_000, 3), "{}", metrics.encode());
    drop(first);
    assert!(oldest(1_000, 2), "{}", metrics.encode());
    drop(second);
    assert!(oldest(2_000, 1), "{}", metrics.encode());
    drop(last);
    let text = metrics.encode();
    assert!(!text.contains("\nnamesake_broker_gate_oldest"), "{text}");
}
