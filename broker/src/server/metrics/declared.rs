//! The broker's metrics as they are declared.

use namesake_service::{Labels, declare_metrics};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of waits for Google, in seconds: IAM takes 2 to 7 minutes to distribute a change.
const WAIT_SECONDS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 240.0, 420.0, 900.0, 1800.0,
];

/// Upper bounds of requests to Google, in seconds: they are given up after 15.
const REQUEST_SECONDS: [f64; 9] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

type RequestSeconds = Family<Labels<2>, Histogram, fn() -> Histogram>;
type Counters<const N: usize> = Family<Labels<N, String>, Counter>;
type Gauges<const N: usize> = Family<Labels<N, String>, Gauge>;

fn request_seconds() -> RequestSeconds {
    Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS))
}

declare_metrics! {
    /// All metrics, and the registry that prints them.
    pub(super) struct Declared of "namesake_broker" {
        Replica requests: Counters<1> = Family::default(), "Answers of POST /v1/identities by status", ["code"];
        Replica rate_limited: Counter = Counter::default(), "Requests refused because the user created too many identities", [];
        Replica google_steps: Counters<2> = Family::default(), "Steps at Google by outcome: ok, or the reason of the failure", ["step", "outcome"];
        Replica google_request_seconds: RequestSeconds = request_seconds(), "Time that Google took to answer a request, by the rate that it counts against and the outcome", ["rate", "outcome"];
        Leader identities: Gauges<1> = Family::default(), "Identities by phase", ["phase"];
        Leader identity_conditions: Gauges<2> = Family::default(), "Identities by condition and status", ["condition", "status"];
        Replica identity_provisioning_seconds: Histogram = Histogram::new(WAIT_SECONDS), "Time from the creation of an identity until it first worked", [];
        Replica gate_wait_seconds: Histogram = Histogram::new(WAIT_SECONDS), "How long pods waited at their gate", [];
        Leader gates_waiting: Gauge = Gauge::default(), "Pods that wait at their gate now", [];
        Leader gate_oldest_wait_timestamp_seconds: Gauges<0> = Family::default(), "When the pod was created that has waited longest at its gate; absent while no pod waits", [];
        Replica rules_info: Gauges<1> = Family::default(), "Revision of the rules in force", ["revision"];
        Replica rules_rejected: Counter = Counter::default(), "Edits of the rules that were rejected", [];
        Replica rules_invalid: Gauge = Gauge::default(), "1 while the rules as edited are not the rules in force", [];
        Leader other_cluster: Gauge = Gauge::default(), "1 while the rules name another cluster than the one that issues tokens here, so that nothing is done at Google", [];
        Leader same_brokers: Gauge = Gauge::default(), "Installations in other clusters of the workload pool whose broker may be this one to Google", [];
        Replica leading: Gauge = Gauge::default(), "1 while this replica holds the Lease and may write to Google", [];
        Replica verifications_running: Gauge = Gauge::default(), "Verifications of identities that run now", [];
        Replica verifications_waiting: Gauge = Gauge::default(), "Verifications of identities that wait for one of those to end", [];
        Leader offboarded_workloads: Gauge = Gauge::default(), "Pods and scheduled objects that offboarded users still have", [];
        Leader garbage: Gauges<1> = Family::default(), "Objects that have our mark and belong to no Identity, by kind", ["kind"];
        Replica certificate_expiry_timestamp_seconds: Gauges<1> = Family::default(), "When the certificate of the server and that of its authority expire", ["certificate"];
        Leader quota_used: Gauges<2> = Family::default(), "How much of a quota is used", ["of", "whose"];
        Leader quota_limit: Gauges<2> = Family::default(), "The limit of a quota", ["of", "whose"];
        Leader quota_full_timestamp_seconds: Gauges<2> = Family::default(), "When a quota will be exhausted if usage grows as before; absent if it does not grow", ["of", "whose"];
        Leader google_rate_left: Gauges<2> = Family::default(), "Requests that may be made now; below zero, the number of requests that wait", ["rate", "whose"];
        Leader google_paused_seconds: Gauges<2> = Family::default(), "How long Google makes such requests wait", ["rate", "whose"];
    }
}

impl Declared {
    /// All metrics in Prometheus' text format; those of the leader only if this replica leads.
    pub(super) fn text(&self, leads: bool) -> String {
        self.registry.text(leads)
    }
}
