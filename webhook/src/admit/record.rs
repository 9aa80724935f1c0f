//! Records a decision: one line in the log, one count in the metrics.

use std::time::Instant;

use super::Webhook;
use crate::review::Request;
use crate::review::trace::TraceId;
use crate::review::verdict::{Subject, Verdict};
use crate::state::State;

pub(super) fn record<O>(
    state: &State,
    webhook: Webhook,
    kind: &'static str,
    request: &Request<'_, O>,
    (verdict, subject): (&Verdict, &Subject<'_>),
    began: Instant,
) {
    let (facts, refused) = (&verdict.facts, verdict.result.as_ref().err());
    let webhook = webhook.as_str();
    let elapsed = began.elapsed();
    let labels = [
        ("webhook", webhook),
        ("kind", kind),
        ("outcome", facts.outcome.as_str()),
        ("reason", refused.map_or("", |r| r.reason.as_str())),
    ];
    state.metrics.decisions.get_or_create(&labels).inc();
    if let Some(would) = &facts.would {
        let labels = [
            ("kind", kind),
            ("outcome", would.outcome.as_str()),
            ("reason", would.reason.map_or("", |r| r.as_str())),
        ];
        state.metrics.shadow.get_or_create(&labels).inc();
    }
    let seconds = &state.metrics.decision_seconds;
    let seconds = seconds.get_or_create(&[("webhook", webhook)]);
    seconds.observe(elapsed.as_secs_f64());
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(
        webhook,
        operation = request.operation.as_str(),
        kind,
        namespace = request.namespace.as_str(),
        decision = subject.decision.as_str(),
        uid = request.uid.as_str(),
        name = subject.name,
        generate_name = subject.generate_name,
        owner_kind = subject.owner.map(|owner| owner.kind.as_str()),
        owner_name = subject.owner.map(|owner| owner.name.as_str()),
        owner_uid = subject.owner.map(|owner| owner.uid.as_str()),
        rules = subject.rules,
        requester = facts.requester,
        user = facts.user,
        rule = facts.rule,
        class = facts.class,
        service_account = facts.service_account,
        outcome = facts.outcome.as_str(),
        would = facts.would.as_ref().map(|w| w.text.as_str()),
        reason = refused.map(|r| r.reason.as_str()),
        refusal = refused.map(|r| r.message.as_str()),
        micros,
        trace_id = TraceId::current().as_ref().map(TraceId::as_str),
        "decision"
    );
}
