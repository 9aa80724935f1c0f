//! Replay: requests of an audit log of the API server, decided again by an edit of the rules. It keeps no requests, only counts and the
//! identities that they use, so a log of any size fits into memory.

use std::io::{self, BufRead};

use crate::{
    names::is_managed_name,
    rules::{Launcher, Rules, is_carrier},
    user::{Groups, User},
};

use super::{Claims, Decision, EditEffect, PodAttributes, Refusal};

mod event;
mod report;

pub use report::{ReplayChange, ReplayIdentity, ReplayReport};

use event::{Event, Object, PodClaims};
use report::Tally;

/// Longest line that is read, in bytes: two objects of 3 MiB, the largest request that the API server accepts.
const MAX_LINE_BYTES: u64 = 8 << 20;
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

    /// Reads a log: one event per line. `progress` is called after each line with its bytes.
    ///
    /// # Errors
    /// The log cannot be read. Lines that are not events are counted and skipped.
    pub fn read(&mut self, mut log: impl BufRead, mut progress: impl FnMut(u64)) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut limited = io::Read::take(&mut log, MAX_LINE_BYTES);
            let mut bytes = limited.read_until(b'\n', &mut line)? as u64;
            if bytes == 0 {
                return Ok(());
            }
            if bytes == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                bytes += skip_line(&mut log)?;
                line.clear();
                line.extend(b"too long");
            }
            self.add(&line);
            progress(bytes);
        }
    }

    /// Decides one line of a log.
    pub fn add(&mut self, line: &[u8]) {
        self.tally.report.lines += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice::<Event<'_>>(line) {
            Ok(event) if event.kind.as_str() == "Event" => self.add_event(&event),
            _ => self.tally.add_broken(),
        }
    }

    /// What the edit would have changed.
    #[must_use]
    pub fn finish(self) -> ReplayReport {
        self.tally.finish()
    }

    fn add_event(&mut self, event: &Event<'_>) {
        let is_done = event.stage.as_str() == "ResponseComplete";
        let is_dry_run = event.request_uri.contains("dryRun=");
        let Some(launcher) = event.launcher().filter(|_| is_done && !is_dry_run) else {
            return;
        };
        if !self.everywhere && event.annotations.outcome.is_none() {
            self.tally.report.not_opted_in += 1;
            return;
        }
        let requester = event.requester();
        if requester.username.is_empty() {
            self.tally.report.without_requester += 1;
            return;
        }
        if is_carrier(&self.old.model.carriers, &requester.username, None) {
            self.tally.report.by_controllers += 1;
            return;
        }
        self.tally.report.decided += 1;
        if event.object().is_none() {
            self.tally.report.without_object += 1;
        }
        let object = event.object_ref.as_ref();
        let namespace = object.map_or("", |object| object.namespace.as_str());
        let pods = event.object().map(|object| object.pods(launcher));
        let (mut is_changed, mut has_other_name) = (false, false);
        for pod in pods.unwrap_or_else(|| vec![PodClaims::default()]) {
            let decide = |rules: &Rules| {
                let (user, groups) = who(rules, event, &requester);
                decide(rules, (user, &groups), (namespace, launcher), pod)
            };
            let (old, new) = (decide(self.old), decide(self.new));
            if let Decision::Identity(choice) = &old {
                has_other_name |= event.annotations.has_other_name(choice);
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
        self.tally.report.lines += 1;
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
fn who(
    rules: &Rules,
    event: &Event<'_>,
    requester: &crate::user::Requester,
) -> (Result<User, Refusal>, Groups) {
    let account = requester.username.strip_prefix(SERVICE_ACCOUNT);
    let account = account.and_then(|account| account.split_once(':'));
    let recorded = event.annotations.user.as_ref();
    let recorded = recorded.filter(|_| account.is_some_and(|(_, name)| is_managed_name(name)));
    let groups = rules.mentioned_groups(&requester.groups);
    match recorded.map(|user| User::exact(user.as_str())) {
        Some(Ok(user)) => (Ok(user), groups),
        _ => {
            let annotation = |key: &str| event.annotation(key).map(str::to_owned);
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

// Skips the rest of a line, and returns its bytes.
fn skip_line(log: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = log.fill_buf()?;
        let (used, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        log.consume(used);
        skipped += used as u64;
        if ends {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests;
