//! What people change in the model, and what an admin gives to whom.

use serde_json::{Value, json};

use super::kinds::{Kind, edited, runs};
use super::namespace::{ADOPT_FOR, Asked, Namespace, PEOPLE, review};

const ADMIN: &str = "root@acme.com";

impl Namespace {
    pub(super) fn back(&mut self, person: &'static str, object: usize, behind: usize, seen: bool) {
        let Some(at) = self.at(object) else { return };
        let stored = &self.objects[at];
        if !stored.kind.is_argos() || stored.kind == Kind::Workflow {
            return;
        }
        let mut new = stored.last().0;
        new["spec"] = stored.versions[stored.behind(behind)].0["spec"].clone();
        self.edit_to(at, person, new, seen);
    }

    pub(super) fn edit(
        &mut self,
        person: &'static str,
        object: usize,
        edit: u8,
        like: Option<usize>,
        seen: bool,
    ) {
        let Some(at) = self.at(object) else { return };
        let kind = self.objects[at].kind;
        let Some(mut new) = edited(kind, &self.objects[at].last().0, person, edit) else {
            return;
        };
        if seen {
            self.dress(kind, &mut new, like);
        }
        self.edit_to(at, person, new, seen);
    }

    fn edit_to(&mut self, at: usize, person: &'static str, mut new: Value, seen: bool) {
        let kind = self.objects[at].kind;
        let (old, asked) = self.objects[at].last();
        if seen {
            let review = review(kind, "UPDATE", (person, false), (&new, &old));
            let Some(admitted) = self.admits(&review) else {
                return;
            };
            new = admitted;
        } else {
            self.opts_out_and_in();
        }
        let mut same = runs(kind, &new) == runs(kind, &old);
        if kind.changes_hands() && seen {
            same = new["spec"] == old["spec"];
        }
        let own = |asked: Asked| asked.into_iter().filter(|by| *by == person).collect();
        let asked = match asked {
            asked if same => asked,
            _ if seen && kind.changes_hands() => Asked::from([person]),
            asked if seen => own(asked),
            // Nobody saw it, and what it says may be what somebody was seen to ask for before.
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
        if kind == Kind::Pod {
            return;
        }
        let mut new = old.clone();
        new["metadata"]["annotations"][ADOPT_FOR] = json!(person);
        let who = by.map_or(ADMIN, |by| PEOPLE[by]);
        let Some(new) = self.admits(&review(kind, "UPDATE", (who, false), (&new, &old))) else {
            return;
        };
        // What a carrier makes of a Job's parent is its parent's, and what was planted is nobody's word.
        let child = kind == Kind::Job && old["metadata"]["ownerReferences"].is_array();
        let planted = old["metadata"]["annotations"][ADOPT_FOR] == person;
        assert!(who == ADMIN || planted || child, "{who} may adopt");
        let asked = if child || planted {
            asked
        } else {
            Asked::from([person])
        };
        self.changes(at, new, asked);
        // An admin looks first, and by then every cache is up to date.
        let stored = &mut self.objects[at];
        stored.oldest = stored.versions.len() - 1;
    }
}
