//! Service accounts with their whole history, so that stale reads can be served.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// Deleted accounts can be brought back for this long.
const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The etag of every service account: it does not change with the account.
const ETAG: &str = "MDEwMjE5MjA=";

/// One service account. A re-created e-mail is another `Account`.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) uid: String,
    pub(crate) project: String,
    pub(crate) email: String,
    pub(crate) created: Timestamp,
    /// Oldest first, never empty after [`Accounts::insert`].
    history: Vec<(Timestamp, State)>,
}

/// What changes in an account's life.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) disabled: bool,
    pub(crate) deleted: Option<Timestamp>,
}

impl Account {
    pub(crate) fn new(
        uid: String,
        project: &str,
        id: &str,
        created: Timestamp,
        state: State,
    ) -> Self {
        Self {
            email: email(project, id),
            uid,
            project: project.to_owned(),
            created,
            history: vec![(created, state)],
        }
    }

    /// The state now.
    pub(crate) fn current(&self) -> State {
        self.history
            .last()
            .map(|(_, state)| state.clone())
            .unwrap_or_default()
    }

    /// The state as it was at `instant`; the first one for any instant before that.
    pub(crate) fn at(&self, instant: Timestamp) -> State {
        let seen = self
            .history
            .iter()
            .rev()
            .find(|(since, _)| *since <= instant);
        seen.or_else(|| self.history.first())
            .map(|(_, state)| state.clone())
            .unwrap_or_default()
    }

    /// Applies `change` from `now` on.
    pub(crate) fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut State)) {
        let mut state = self.current();
        change(&mut state);
        self.history.push((now, state));
        if self.history.len() > 64 {
            self.history.remove(0);
        }
    }

    /// Deleted so long ago that it cannot come back.
    pub(crate) fn purged(&self, now: Timestamp) -> bool {
        self.current()
            .deleted
            .is_some_and(|deleted| now.duration_since(deleted) > RETENTION)
    }

    /// `projects/P/serviceAccounts/EMAIL`
    pub(crate) fn name(&self) -> String {
        format!("projects/{}/serviceAccounts/{}", self.project, self.email)
    }

    /// The resource as the API shows it in `state`; empty fields are left out.
    pub(crate) fn render(&self, state: &State) -> Value {
        let mut object = Map::new();
        let name = self.name();
        for (key, text) in [
            ("name", name.as_str()),
            ("projectId", &self.project),
            ("uniqueId", &self.uid),
            ("email", &self.email),
            ("displayName", &state.display_name),
            ("etag", ETAG),
            ("description", &state.description),
            ("oauth2ClientId", &self.uid),
        ] {
            if !text.is_empty() {
                object.insert(key.to_owned(), json!(text));
            }
        }
        if state.disabled {
            object.insert("disabled".to_owned(), json!(true));
        }
        Value::Object(object)
    }
}

/// `ID@PROJECT.iam.gserviceaccount.com`; a domain-scoped project `example.com:p` gives `ID@p.example.com.iam…`.
pub(crate) fn email(project: &str, id: &str) -> String {
    match project.split_once(':') {
        Some((domain, project)) => format!("{id}@{project}.{domain}.iam.gserviceaccount.com"),
        None => format!("{id}@{project}.iam.gserviceaccount.com"),
    }
}

/// Every account there ever was, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    all: BTreeMap<u64, Account>,
    by_uid: HashMap<String, u64>,
    by_email: HashMap<String, Vec<u64>>,
    live: HashMap<String, usize>,
    next: u64,
}

impl Accounts {
    pub(crate) fn insert(&mut self, account: Account) {
        let key = self.next;
        self.next += 1;
        self.by_uid.insert(account.uid.clone(), key);
        self.by_email
            .entry(account.email.clone())
            .or_default()
            .push(key);
        *self.live.entry(account.project.clone()).or_default() += 1;
        self.all.insert(key, account);
    }

    /// Every account, oldest first, with its place in the order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Account)> {
        self.all.iter().map(|(key, account)| (*key, account))
    }

    /// Accounts after `place` in the order.
    pub(crate) fn after(&self, place: Option<u64>) -> impl Iterator<Item = (u64, &Account)> {
        let from = place.map_or(0, |place| place.saturating_add(1));
        self.all.range(from..).map(|(key, account)| (*key, account))
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Account> {
        self.all.get(self.by_uid.get(uid)?)
    }

    /// All accounts, newest first, that `name` (an e-mail or a unique id) ever named.
    pub(crate) fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Account> + use<'a> {
        let keys: Vec<u64> = match self.by_uid.get(name) {
            Some(key) => vec![*key],
            None => self
                .by_email
                .get(&name.to_ascii_lowercase())
                .cloned()
                .unwrap_or_default(),
        };
        keys.into_iter().rev().filter_map(|key| self.all.get(&key))
    }

    /// The live account of that name, by the newest state: what writes see.
    pub(crate) fn live(&self, name: &str) -> Option<&Account> {
        self.named(name)
            .find(|account| account.current().deleted.is_none())
    }

    /// The account of that name for a reader who sees creations up to `created` and changes up to `changed`.
    pub(crate) fn visible(
        &self,
        name: &str,
        created: Timestamp,
        changed: Timestamp,
    ) -> Option<(&Account, State)> {
        self.named(name)
            .filter(|account| account.created <= created)
            .map(|account| (account, account.at(changed)))
            .find(|(_, state)| state.deleted.is_none())
    }

    /// How many live accounts a project has.
    pub(crate) fn count(&self, project: &str) -> usize {
        self.live.get(project).copied().unwrap_or_default()
    }

    /// Changes the account with `uid` from `now` on; false if there is none.
    pub(crate) fn change(
        &mut self,
        uid: &str,
        now: Timestamp,
        change: impl FnOnce(&mut State),
    ) -> bool {
        let Some(account) = self.by_uid.get(uid).and_then(|key| self.all.get_mut(key)) else {
            return false;
        };
        let before = account.current().deleted.is_none();
        account.change(now, change);
        let after = account.current().deleted.is_none();
        let live = self.live.entry(account.project.clone()).or_default();
        match (before, after) {
            (true, false) => *live = live.saturating_sub(1),
            (false, true) => *live += 1,
            _ => {}
        }
        true
    }
}
