//! The rules: valid, the same everywhere, and of use in every opted-in namespace. Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use namesake_api::names;
use namesake_core::{NoMatch, Rules};
use namesake_service::{parse_and_test_rules, rules_files};

use super::{replicas, seen, unseen};
use crate::answer::text::{count, quoted, some};
use crate::doctor::checks::{Check, Finding, Outcome};
use crate::doctor::facts::Facts;

fn place(home: &str) -> String {
    format!("ConfigMap {home}/{}", names::RULES_CONFIG_MAP)
}

pub(super) fn valid(home: &str, map: Option<&ConfigMap>) -> Outcome {
    let finding = |what: String| Check::Rules.finding(home, place(home), what);
    let Some(map) = map else {
        return Outcome::Found(vec![finding("it is missing".to_owned())]);
    };
    match parse_and_test_rules(&rules_files(map.data.as_ref())) {
        Ok(rules) => Outcome::Fine(format!(
            "stack {}, revision {}",
            rules.stack(),
            rules.revision()
        )),
        Err(rejection) => Outcome::Found(
            rejection
                .problems()
                .iter()
                .map(|problem| finding(problem.to_string()))
                .collect(),
        ),
    }
}

/// Compares the rules as written with those that the broker accepted, and with those of each webhook and broker.
pub(super) fn revisions(home: &str, facts: &Facts) -> Outcome {
    seen(&facts.rules, |written| {
        seen(&facts.accepted, |accepted| {
            let finding =
                |place: String, what: String| Check::RulesRevision.finding(home, place, what);
            let written = written
                .as_ref()
                .map(|map| parse_and_test_rules(&rules_files(map.data.as_ref())));
            let Some(Ok(written)) = written else {
                let what =
                    "the rules as written are not valid, or fail their own tests: the last accepted ones are in force"
                        .to_owned();
                return Outcome::Found(vec![finding(place(home), what)]);
            };
            let wanted = written.revision();
            let mut findings = Vec::new();
            let by_broker = accepted
                .as_ref()
                .and_then(|map| map.annotations().get(names::RULES_REVISION_ANNOTATION));
            if by_broker.map(String::as_str) != Some(wanted) {
                let has = by_broker.map_or("none", String::as_str);
                let place = format!("ConfigMap {home}/{}", names::ACCEPTED_RULES_CONFIG_MAP);
                let what =
                    format!("the broker has accepted revision {has}, and {wanted} is written");
                findings.push(finding(place, what));
            }
            let (others, numbers, unseen) = of_replicas(home, facts, wanted);
            findings.extend(others);
            Outcome::of(findings, format!("{wanted} in {}", numbers.join(" and ")))
                .and_unseen(unseen)
        })
    })
}

/// The replicas that say that they use another revision, how many there are of each program, and what could not be seen.
fn of_replicas(
    home: &str,
    facts: &Facts,
    wanted: &str,
) -> (Vec<Finding>, Vec<String>, Option<Outcome>) {
    let (mut findings, mut numbers, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let mut unreadable = None;
    for (program, one, many) in replicas::PROGRAMS {
        let all = match replicas::of(facts, program) {
            Ok(all) => all,
            Err(why) => {
                unreadable = unreadable.or_else(|| Some(unseen(why)));
                continue;
            }
        };
        numbers.push(count(all.len(), one, many));
        for replica in all {
            let place = format!("Pod {home}/{}", replica.pod);
            match replica.rules {
                Some(revision) if revision == wanted => {}
                Some(revision) => {
                    let what = format!("it uses revision {revision}, and {wanted} is written");
                    findings.push(Check::RulesRevision.finding(home, place, what));
                }
                None => silent.push(replica.pod),
            }
        }
    }
    let not_yet = || {
        format!(
            "which rules these replicas use, they have not said: {}",
            some(&silent)
        )
    };
    let not_yet = (!silent.is_empty()).then(|| Outcome::NotYet(not_yet()));
    (findings, numbers, unreadable.or(not_yet))
}

/// Opted-in namespaces in which no pod can get an identity or a service account.
pub(super) fn namespaces(facts: &Facts) -> Outcome {
    let snapshot = &facts.snapshot;
    seen(&snapshot.namespaces, |_| {
        seen(&snapshot.rules, |rules| {
            let opted_in = snapshot.opted_in();
            let ours: Vec<_> = opted_in
                .iter()
                .filter(|place| {
                    place.labels.get(names::OPT_IN_LABEL).map(String::as_str) == Some(rules.stack())
                })
                .collect();
            let useless = ours.iter().filter(|place| !rules.can_match_in(&place.name));
            let findings =
                useless.map(|place| useless_namespace(&snapshot.home, &place.name, rules));
            Outcome::of(findings.collect(), format!("{} opted in", ours.len()))
        })
    })
}

fn useless_namespace(home: &str, name: &str, rules: &Rules) -> Finding {
    let then = match rules.no_match() {
        NoMatch::Deny => "all of its pods are refused",
        NoMatch::Keep => "its pods run as the service account that they name",
    };
    let what = format!("no rule of stack {} can match here: {then}", rules.stack());
    let command = format!(
        "{}; or opt it out: kubectl label namespace {} {}-",
        Check::Namespaces.command(home),
        quoted(name),
        names::OPT_IN_LABEL
    );
    Finding {
        place: format!("Namespace {name}"),
        what,
        command,
    }
}
