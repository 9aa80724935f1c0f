//! The explanation of a pod, or of what creates pods. Pure.

use jiff::Timestamp;
use namesake_core::{Outcome, Reason, Resolution, Stamp, User};
use namesake_webhook::decide::argo::runs_as;
use serde_json::{Value, json};

use super::facts::{Link, Payload, Proof, RunFacts, Signed};
use super::story::{self, Story, with_code};
use crate::cluster::identities::is_not_ready;

pub(super) fn story(facts: &RunFacts, now: Timestamp) -> Story {
    let title = match &facts.pod {
        Some(pod) if facts.title.starts_with("Pod ") => format!("{}, {}", facts.title, pod.phase),
        Some(pod) => format!(
            "{}, its newest pod {}, {}",
            facts.title, pod.name, pod.phase
        ),
        None => facts.title.clone(),
    };
    let mut story = Story::new(&title, &facts.unseen);
    let (stamp, resolution) = (root_stamp(facts), resolution(facts));
    who(&mut story, facts, stamp, resolution);
    proofs(&mut story, &facts.links);
    if let Some(resolution) = resolution {
        decision(&mut story, resolution);
    }
    account(&mut story, facts, resolution, now);
    if let Some(wait) = facts.pod.as_ref().and_then(|pod| pod.wait.as_ref()) {
        story.found("waits", story::waits(wait, now));
        story.value("waits", story::wait_value(wait));
    }
    if let Some(trace) = &facts.trace {
        story.trace(trace);
    }
    story
}

fn signed(link: &Link) -> Option<&Signed> {
    link.signed.as_ref()
}

// What says who asked: the stamp that is the farthest from the pod.
fn root_stamp(facts: &RunFacts) -> Option<(&Link, &Stamp)> {
    let mut from_root = facts.links.iter().rev();
    from_root.find_map(|link| match &signed(link)?.payload {
        Payload::Stamp(stamp) => Some((link, &**stamp)),
        _ => None,
    })
}

fn resolution(facts: &RunFacts) -> Option<&Resolution> {
    facts
        .links
        .iter()
        .find_map(|link| match &signed(link)?.payload {
            Payload::Resolution(resolution) => Some(&**resolution),
            _ => None,
        })
}

fn who(
    story: &mut Story,
    facts: &RunFacts,
    stamp: Option<(&Link, &Stamp)>,
    resolution: Option<&Resolution>,
) {
    let requester = match (stamp, resolution) {
        (Some((link, stamp)), _) => {
            let verb = if stamp.taken_over_at.is_some() {
                "took over"
            } else {
                "created"
            };
            let text = format!("{} {verb} {} {}", stamp.requester, link.kind, link.name);
            story.line("asked", text);
            Some(&stamp.requester)
        }
        (None, Some(resolution)) => {
            story.line(
                "asked",
                format!("{} created the pod itself", resolution.requester),
            );
            Some(&resolution.requester)
        }
        (None, None) => {
            story.found("asked", nothing_proves(facts));
            None
        }
    };
    let of_stamp = stamp.and_then(|(_, stamp)| runs_as(stamp));
    let user = resolution
        .and_then(|resolution| resolution.user.as_ref())
        .or(of_stamp);
    let user = user.map(User::as_str);
    if requester.is_some() {
        let text = user.unwrap_or("none: no entry of users in the rules matched the requester");
        story.line("user", text);
    }
    story.value("requester", requester.cloned());
    story.value("user", user);
}

fn nothing_proves(facts: &RunFacts) -> String {
    let reason = Reason::NoProvenRequester;
    let gone = facts.links.iter().find(|link| link.is_gone);
    match gone {
        Some(link) => format!(
            "unknown: {} {} does not exist any more, and nothing signed is left",
            link.kind, link.name
        ),
        None => format!(
            "nothing proves it ({}): nothing is signed here, because it was created before the namespace was opted in, while admission \
             was off, or in a namespace that is not opted in; to do: {}",
            with_code(reason.as_str()),
            reason.remedy()
        ),
    }
}

fn proofs(story: &mut Story, links: &[Link]) {
    let mut word = "proof";
    let mut values = Vec::new();
    for link in links {
        let Some(text) = proof(link) else { continue };
        let is_wrong = link.is_changed
            || signed(link).is_some_and(|signed| matches!(signed.proof, Proof::NotValid(_)));
        match is_wrong {
            true => story.found(word, text),
            false => story.line(word, text),
        }
        word = "";
        values.push(proof_value(link));
    }
    story.value("proofs", values);
}

fn proof(link: &Link) -> Option<String> {
    let place = format!("{} {}", link.kind, link.name);
    let signed = match signed(link) {
        Some(signed) => signed,
        None if link.is_gone => return Some(format!("{place} is gone: its stamp cannot be read")),
        None => return None,
    };
    let what = match signed.payload {
        Payload::Resolution(_) => "the resolution",
        Payload::Stamp(_) => "the stamp",
        Payload::Unreadable => "what is signed",
    };
    let decision = signed.decision.map(|id| format!(" (decision {id})"));
    let decision = decision.unwrap_or_default();
    let proof = match &signed.proof {
        Proof::Verified => "verified by the webhook".to_owned(),
        Proof::NotValid(why) => format!("NOT VALID: {why}"),
        Proof::NotVerified => "not verified".to_owned(),
    };
    let changed = link.is_changed.then(|| {
        let reason = Reason::NotAsSigned;
        format!(
            "; it runs something else now ({}): {}",
            with_code(reason.as_str()),
            reason.remedy()
        )
    });
    let changed = changed.unwrap_or_default();
    Some(format!("{what} on {place}{decision}, {proof}{changed}"))
}

fn proof_value(link: &Link) -> Value {
    let (proof, why) = match signed(link).map(|signed| &signed.proof) {
        Some(Proof::Verified) => ("verified", None),
        Some(Proof::NotValid(why)) => ("not valid", Some(why)),
        Some(Proof::NotVerified) => ("not verified", None),
        None => ("gone", None),
    };
    let decision = signed(link).and_then(|signed| signed.decision);
    json!({
        "kind": link.kind, "name": link.name, "decision": decision.map(|id| id.to_string()), "proof": proof, "why": why,
        "changed": link.is_changed,
    })
}

fn decision(story: &mut Story, resolution: &Resolution) {
    let rule = match (&resolution.rule, &resolution.class) {
        (Some(rule), Some(class)) => format!("{rule}, class {class}"),
        (Some(rule), None) => rule.clone(),
        (None, _) => "none matched: the pod keeps the service account that it names".to_owned(),
    };
    story.line("rule", rule);
    story.value("rule", resolution.rule.clone());
    story.value("class", resolution.class.clone());
}

fn account(story: &mut Story, facts: &RunFacts, resolution: Option<&Resolution>, now: Timestamp) {
    let kept = || facts.pod.as_ref().map(|pod| &pod.account);
    let account = resolution
        .map(|resolution| &resolution.service_account)
        .or_else(kept);
    let Some(account) = account else { return };
    let google = facts.identity.as_ref();
    let google = google.and_then(|identity| identity.spec.google_service_account.clone());
    story.value("account", json!({"kubernetes": account, "google": google}));
    let is_identity = resolution.is_some_and(|one| one.outcome == Outcome::Identity);
    match &facts.identity {
        Some(identity) => {
            story.line("account", story::account(identity));
            let state = story::state(identity, now);
            match is_not_ready(identity) {
                true => story.found("identity", state.as_str()),
                false => story.line("identity", state.as_str()),
            }
            story.value("identity", state);
        }
        None if is_identity && facts.unseen.is_empty() => {
            story.line("account", account);
            let reason = Reason::NoIdentity;
            let text = format!("{}: {}", with_code(reason.as_str()), reason.meaning());
            story.found("identity", text);
        }
        None => story.line("account", account),
    }
}

#[cfg(test)]
mod tests;
