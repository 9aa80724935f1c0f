//! Replay: requests of an audit log of the API server, decided again by an edit of the rules. It keeps no requests, only counts and the
//! identities that they use, so a log of any size fits into memory.

use std::io::{self, BufRead};

use crate::{
    json::read_log,
    names::is_managed_name,
    rules::{Launcher, Rules, is_carrier},
    user::{Groups, User},
};

use super::{Claims, Decision, EditEffect, PodAttributes, Refusal};

mod event;
mod report;
mod request;

pub use report::{ReplayChange, ReplayIdentity, ReplayReport};

use event::{Event, Object, PodClaims};
use report::Tally;
use request::Request;

/// Beginning of the usernames of service accounts.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Decides the requests of a log by the rules as they are and as they would be.
#[derive(Debug)]
pub struct Replay<'r> {
    old: &'r Rules,
    new: &'r Rules,
    everywhere: bool,
    tally: Tally,
}

impl<'r> Replay<'r> {
    /// A replay of an edit from `old` to `new`. Only requests that Namesake's webhook decided when they were recorded count, or with
    /// `everywhere` those of all namespaces, for a log from before Namesake was installed.
    #[must_use]
    pub fn new(old: &'r Rules, new: &'r Rules, everywhere: bool) -> Self {
        Self {
            old,
            new,
            everywhere,
            tally: Tally::default(),
        }
    }

    /// Reads a log of the API server, or of Cloud Logging about it: one entry per line, or one list of entries. `progress` is called
    /// with the bytes that were read.
    ///
    /// # Errors
    /// The log cannot be read. What is not an entry of such a log is counted and skipped; of a list, the report says up to which
    /// entry it could be read.
    pub fn read(&mut self, log: impl BufRead, progress: impl FnMut(u64)) -> io::Result<()> {
        let add = |entry: Option<&[u8]>| self.add(entry.unwrap_or_default());
        self.tally.report.read_up_to = read_log(log, add, progress)?;
        Ok(())
    }

    /// Decides one entry of a log.
    pub fn add(&mut self, entry: &[u8]) {
        self.tally.report.entries += 1;
        let event = serde_json::from_slice::<Event<'_>>(entry).ok();
        match event.as_ref().and_then(Event::request) {
            Some(request) => self.add_request(&request),
            None => self.tally.add_broken(),
        }
    }

    /// What the edit would have changed.
    #[must_use]
    pub fn finish(self) -> ReplayReport {
        self.tally.finish()
    }

    fn add_request(&mut self, request: &Request<'_>) {
        let Some(launcher) = request.launcher else {
            return;
        };
        if !self.everywhere && request.decided.outcome.is_none() {
            self.tally.report.not_opted_in += 1;
            return;
        }
        let requester = &request.requester;
        if requester.username.is_empty() {
            self.tally.report.without_requester += 1;
            return;
        }
        if is_carrier(&self.old.model.carriers, &requester.username, None) {
            self.tally.report.by_controllers += 1;
            return;
        }
        self.tally.report.decided += 1;
        self.tally.report.without_object += u64::from(request.object.is_none());
        self.tally.report.without_groups += u64::from(!request.has_groups);
        let namespace = request.namespace;
        let pods = request.object.map(|object| object.pods(launcher));
        let (mut is_changed, mut has_other_name) = (false, false);
        for pod in pods.unwrap_or_else(|| vec![PodClaims::default()]) {
            let decide = |rules: &Rules| {
                let (user, groups) = who(rules, request);
                decide(rules, (user, &groups), (namespace, launcher), pod)
            };
            let (old, new) = (decide(self.old), decide(self.new));
            if let Decision::Identity(choice) = &old {
                has_other_name |= request.decided.has_other_name(choice);
            }
            let effect = self.add_pod(&requester.username, namespace, (old, new));
            is_changed |= effect != Some(EditEffect::Keeps);
        }
        self.tally.report.unchanged += u64::from(!is_changed);
        self.tally.report.other_names += u64::from(has_other_name);
    }

    /// Decides about the pods of an object that exists and whose user is proven, and returns the worst that happens to one of them.
    /// `object` is its JSON; of what cannot be read as a Kubernetes object nothing is decided.
    pub fn add_object(
        &mut self,
        (user, groups): (&User, &Groups),
        (namespace, launcher): (&str, Launcher),
        object: &[u8],
    ) -> EditEffect {
        self.tally.report.entries += 1;
        let Ok(object) = serde_json::from_slice::<Object<'_>>(object) else {
            self.tally.add_broken();
            return EditEffect::Keeps;
        };
        self.tally.report.decided += 1;
        let (mut worst, mut is_changed) = (EditEffect::Keeps, false);
        for pod in object.pods(launcher) {
            let decide = |rules: &Rules| {
                decide(
                    rules,
                    (Ok(user.clone()), groups),
                    (namespace, launcher),
                    pod,
                )
            };
            let (old, new) = (decide(self.old), decide(self.new));
            let effect = self.add_pod(user.as_str(), namespace, (old, new));
            worst = worst.max(effect.unwrap_or(EditEffect::Keeps));
            is_changed |= effect != Some(EditEffect::Keeps);
        }
        self.tally.report.unchanged += u64::from(!is_changed);
        worst
    }

    fn add_pod(
        &mut self,
        requester: &str,
        namespace: &str,
        (old, new): (Decision, Decision),
    ) -> Option<EditEffect> {
        let effect = self.effect((&old, &new), namespace);
        self.tally.add(requester, namespace, (old, new), effect);
        effect
    }

    // What the edit does to a pod: `None` if it gets something that it did not get before, or is refused in another way.
    fn effect(&self, (old, new): (&Decision, &Decision), namespace: &str) -> Option<EditEffect> {
        match (old, new) {
            (Decision::Identity(old), Decision::Identity(new)) if old.name == new.name => {
                let user = old.user.as_str();
                let effect = self
                    .old
                    .effect_on_identity(self.new, namespace, &old.class, user);
                Some(effect)
            }
            (Decision::ServiceAccount { name: old, .. }, Decision::ServiceAccount { name, .. })
                if old == name =>
            {
                Some(EditEffect::Keeps)
            }
            (Decision::Keep, Decision::Keep) => Some(EditEffect::Keeps),
            (Decision::Deny(old), Decision::Deny(new)) if old.reason == new.reason => {
                Some(EditEffect::Keeps)
            }
            (gives, Decision::Keep | Decision::Deny(_)) if is_account(gives) => {
                Some(EditEffect::Loses)
            }
            (old, new) if is_account(old) && is_account(new) => Some(EditEffect::Changes),
            _ => None,
        }
    }
}

fn is_account(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Identity(_) | Decision::ServiceAccount { .. }
    )
}

// The user for whom a request was sent. What a task pod sends belongs to the user whose pod it is: the webhook wrote that into the
// log, because the rules do not say it.
fn who(rules: &Rules, request: &Request<'_>) -> (Result<User, Refusal>, Groups) {
    let requester = &request.requester;
    let account = requester.username.strip_prefix(SERVICE_ACCOUNT);
    let account = account.and_then(|account| account.split_once(':'));
    let recorded = request.decided.user.as_ref();
    let recorded = recorded.filter(|_| account.is_some_and(|(_, name)| is_managed_name(name)));
    let groups = rules.mentioned_groups(&requester.groups);
    match recorded.map(|user| User::exact(user.as_str())) {
        Some(Ok(user)) => (Ok(user), groups),
        _ => {
            let annotation = |key: &str| request.annotation(key).map(str::to_owned);
            (rules.user(requester, annotation), groups)
        }
    }
}

fn decide(
    rules: &Rules,
    (user, groups): (Result<User, Refusal>, &Groups),
    (namespace, launcher): (&str, Launcher),
    pod: PodClaims<'_>,
) -> Decision {
    match user {
        Ok(user) => rules.decide(&PodAttributes {
            user: &user,
            groups,
            namespace,
            launcher,
            claims: Claims {
                flow: pod.annotation(Claims::FLOW),
                step: pod.annotation(Claims::STEP),
                project: pod.annotation(Claims::PROJECT),
                labels: &|key| pod.label(key),
            },
        }),
        Err(refusal) => rules.decision_without_user(refusal),
    }
}

#[cfg(test)]
mod tests;
