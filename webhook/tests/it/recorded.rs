//! What the real controllers sent, replayed request by request (`testdata/recorded`).

mod api_server;
mod replay;

use replay::{Refusal, Replay, requests};

/// Scenarios in which each request is let through.
const ADMITTED: &[&str] = &[
    "metaflow-create-trigger",
    "metaflow-foreach",
    "metaflow-schedule",
    "metaflow-parallel-on-argo",
    "argo-submit-from",
    "argo-resubmit",
    "argo-stop",
    "argo-terminate",
    "daemon-step",
    "deadline-step",
    "deadline-timeout",
    "deadline-workflow",
    "delete-workflow",
    "onexit-hook",
    "sidecar",
    "podgc",
    "ttl",
    "redeploy",
];

/// Scenarios up to a request that is refused, which one that is, and what its refusal says.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "argo-submit-ref",
        "CREATE workflows tref-78wcx bob@acme.com",
        "other people's templates would run as you",
    ),
    (
        "argo-retry",
        "UPDATE workflows retry-2vhvl bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-suspend-resume",
        "UPDATE workflows susp-c7nzg bob@acme.com",
        "belongs to alice@acme.com",
    ),
    (
        "argo-cron-inline",
        "UPDATE cronworkflows tick bob@acme.com",
        "may stop or delete it but not change spec.suspend",
    ),
    (
        "artifact-gc",
        "CREATE pods agcc-4nvwd-artgc-wfcomp-2166136261 system:serviceaccount:argo:argo",
        "do not know the requester",
    ),
    (
        "http-agent",
        "CREATE workflows http-scjbj alice@acme.com",
        "one agent pod makes these calls",
    ),
];

// The template that these scenarios found there.
fn with_the_template() -> Replay {
    let mut replay = Replay::new();
    let deployed = &requests("argo-submit-from")[0];
    replay.request(deployed).unwrap();
    replay
}

fn replayed(scenario: &str) -> Result<(), Refusal> {
    with_the_template().scenario(scenario)
}

#[test]
fn what_the_real_controllers_send_for_stock_flows_is_admitted() {
    let refused = ADMITTED.iter().filter_map(|scenario| {
        let r = replayed(scenario).err()?;
        let Refusal {
            request,
            code,
            message,
        } = r;
        Some(format!("{scenario}: {request}: {code} {message}"))
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn what_changes_anothers_run_or_gets_no_identity_is_refused_at_that_request() {
    let wrong = REFUSED.iter().filter_map(|(scenario, request, says)| {
        let answer = replayed(scenario);
        let refused = answer.as_ref().err();
        let fits = refused.is_some_and(|r| r.request == *request && r.message.contains(says));
        (!fits).then(|| format!("{scenario}: {answer:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
