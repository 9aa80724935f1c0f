//! Service accounts with their history, so that stale reads can be served.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// How long deleted accounts can be undeleted.
const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The etag of every service account. It does not change with the account.
const ETAG: &str = "MDEwMjE5MjA=";

/// A service account. A new account with the same e-mail is another `Account`.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) uid: String,
    pub(crate) project: String,
    pub(crate) email: String,
    pub(crate) created: Timestamp,
    /// Oldest state first, never empty.
    history: Vec<(Timestamp, AccountState)>,
}

/// The properties of an account that can change.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountState {
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
        state: AccountState,
    ) -> Self {
        Self {
            email: email(project, id),
            uid,
            project: project.to_owned(),
            created,
            history: vec![(created, state)],
        }
    }

    /// The newest state.
    pub(crate) fn current(&self) -> AccountState {
        self.history
            .last()
            .map(|(_, state)| state.clone())
            .unwrap_or_default()
    }

    /// The state at `instant`; the first state for an instant before it.
    pub(crate) fn at(&self, instant: Timestamp) -> AccountState {
        let seen = self
            .history
            .iter()
            .rev()
            .find(|(since, _)| *since <= instant);
        seen.or_else(|| self.history.first())
            .map(|(_, state)| state.clone())
            .unwrap_or_default()
    }

    /// Changes the state as of `now`.
    pub(crate) fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut AccountState)) {
        let mut state = self.current();
        change(&mut state);
        self.history.push((now, state));
        if self.history.len() > 64 {
            self.history.remove(0);
        }
    }

    /// Whether it was deleted so long ago that it cannot be undeleted.
    pub(crate) fn purged(&self, now: Timestamp) -> bool {
        self.current()
            .deleted
            .is_some_and(|deleted| now.duration_since(deleted) > RETENTION)
    }

    /// `projects/P/serviceAccounts/EMAIL`
    pub(crate) fn name(&self) -> String {
        format!("projects/{}/serviceAccounts/{}", self.project, self.email)
    }

    /// The JSON of the account in `state`; empty fields are omitted.
    pub(crate) fn render(&self, state: &AccountState) -> Value {
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

/// All accounts that ever existed, in the order of creation.
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

    /// All accounts, oldest first, with their positions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Account)> {
        self.all.iter().map(|(key, account)| (*key, account))
    }

    /// The accounts after this position.
    pub(crate) fn after(&self, position: Option<u64>) -> impl Iterator<Item = (u64, &Account)> {
        let from = position.map_or(0, |position| position.saturating_add(1));
        self.all.range(from..).map(|(key, account)| (*key, account))
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Account> {
        self.all.get(self.by_uid.get(uid)?)
    }

    /// All accounts that ever had this e-mail or unique id, newest first.
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

    /// The account with this e-mail or unique id that is not deleted in its newest state, as writes see it.
    pub(crate) fn live(&self, name: &str) -> Option<&Account> {
        self.named(name)
            .find(|account| account.current().deleted.is_none())
    }

    /// The account with this e-mail or unique id for a reader who sees creations up to `created` and changes up to
    /// `changed`.
    pub(crate) fn visible(
        &self,
        name: &str,
        created: Timestamp,
        changed: Timestamp,
    ) -> Option<(&Account, AccountState)> {
        self.named(name)
            .filter(|account| account.created <= created)
            .map(|account| (account, account.at(changed)))
            .find(|(_, state)| state.deleted.is_none())
    }

    /// Number of accounts of a project that are not deleted.
    pub(crate) fn count(&self, project: &str) -> usize {
        self.live.get(project).copied().unwrap_or_default()
    }

    /// Changes the account with `uid` as of `now`; false if there is none.
    pub(crate) fn change(
        &mut self,
        uid: &str,
        now: Timestamp,
        change: impl FnOnce(&mut AccountState),
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
