//! How people change objects in the model, and how an admin assigns them.

use serde_json::{Value, json};

use super::argo;
use super::kinds::{JOB_SET_CONTROLLER, Kind, edited, has_a_parent, runs};
use super::like::Like;
use super::namespace::{ADOPT_FOR, Namespace, PEOPLE, review};
use super::stored::Asked;

const ADMIN: &str = "root@acme.com";
/// The annotations of the webhook that are copied from one object to another.
const OWN_ANNOTATIONS: [&str; 2] = ["namesake.dev/stamp", "namesake.dev/resolution"];
/// An account that the rules allow to act for users.
pub(super) const RUNNER: &str = "system:serviceaccount:ci:runner";
/// Accounts that rules allow to act for others, and that a person may impersonate.
pub(super) const CONTROLLERS: [&str; 4] = [
    JOB_SET_CONTROLLER,
    argo::CONTROLLER,
    "system:serviceaccount:kube-system:cronjob-controller",
    RUNNER,
];

impl Namespace {
    pub(super) fn restore(&mut self, person: &'static str, object: usize, behind: usize) {
        let Some(at) = self.at(object) else { return };
        let stored = &self.objects[at];
        if !stored.kind.is_argos() || stored.kind == Kind::Workflow {
            return;
        }
        let mut new = stored.last().0;
        new["spec"] = stored.versions[stored.behind(behind)].0["spec"].clone();
        self.edit_to(at, person, person, new);
    }

    pub(super) fn edit(
        &mut self,
        person: &'static str,
        as_controller: Option<usize>,
        object: usize,
        edit: u8,
        like: Option<Like>,
    ) {
        let Some(at) = self.at(object) else { return };
        let kind = self.objects[at].kind;
        let Some(mut new) = edited(kind, &self.objects[at].last().0, person, edit) else {
            return;
        };
        self.imitate(kind, &mut new, like);
        let who = as_controller.map_or(person, |which| CONTROLLERS[which]);
        self.edit_to(at, person, who, new);
    }

    /// Somebody copies the annotations of the webhook onto a Job or CronJob through its status, for which no webhook is called.
    pub(super) fn status(&mut self, object: usize, like: usize) {
        let (Some(at), Some(like)) = (self.at(object), self.at(like)) else {
            return;
        };
        if !matches!(self.objects[at].kind, Kind::Job | Kind::CronJob) {
            return;
        }
        let (mut new, asked) = self.objects[at].last();
        let (other, _) = self.objects[like].last();
        for key in OWN_ANNOTATIONS {
            new["metadata"]["annotations"][key] = other["metadata"]["annotations"][key].clone();
        }
        self.changes(at, new, asked);
    }

    // `who` is the name under which the person sends the request.
    fn edit_to(&mut self, at: usize, person: &'static str, who: &str, mut new: Value) {
        let kind = self.objects[at].kind;
        let (old, asked) = self.objects[at].last();
        let seen = !self.is_opted_out || kind == Kind::ClusterWorkflowTemplate;
        let review = review(kind, "UPDATE", (who, false), (&new, &old));
        let Some(admitted) = self.admits(&review) else {
            return;
        };
        new = admitted;
        let mut same = runs(kind, &new) == runs(kind, &old);
        if kind.belongs_to_last_writer() && seen {
            same = new["spec"] == old["spec"];
        }
        let own = |asked: Asked| asked.into_iter().filter(|by| *by == person).collect();
        let asked = match asked {
            asked if same => asked,
            _ if seen && kind.belongs_to_last_writer() => Asked::from([person]),
            asked if seen => own(asked),
            // No webhook was called, and the new content may be what somebody asked for before.
            asked => self.asked_before(at, &new).unwrap_or_else(|| own(asked)),
        };
        self.changes(at, new, asked);
    }

    fn asked_before(&self, at: usize, new: &Value) -> Option<Asked> {
        let stored = &self.objects[at];
        let now = runs(stored.kind, new);
        let mut versions = stored.versions.iter();
        let first = versions.position(|(object, _)| runs(stored.kind, object) == now)?;
        Some(stored.asked_since(first))
    }

    pub(super) fn adopt(&mut self, person: &'static str, object: usize, by: Option<usize>) {
        let Some(at) = self.at(object) else { return };
        let kind = self.objects[at].kind;
        let (old, asked) = self.objects[at].last();
        if kind == Kind::Pod || self.is_opted_out {
            return;
        }
        let mut new = old.clone();
        new["metadata"]["annotations"][ADOPT_FOR] = json!(person);
        let who = by.map_or(ADMIN, |by| PEOPLE[by]);
        let Some(new) = self.admits(&review(kind, "UPDATE", (who, false), (&new, &old))) else {
            return;
        };
        // A Job that a carrier created belongs to the user of its parent, and a forged annotation proves nothing.
        let child = kind == Kind::Job && has_a_parent(&old);
        let forged = old["metadata"]["annotations"][ADOPT_FOR] == person;
        assert!(who == ADMIN || forged || child, "{who} may adopt");
        let asked = if child || forged {
            asked
        } else {
            Asked::from([person])
        };
        self.changes(at, new, asked);
        // By the time an admin has checked it, every cache is up to date.
        let stored = &mut self.objects[at];
        stored.oldest = stored.versions.len() - 1;
    }
}
