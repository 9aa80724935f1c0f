//! `pins`: users with an existing Google service account. In the main file, or in files of their own.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{
    names::{is_account_id, is_managed_name, is_project_id, quoted},
    user::User,
};

use crate::rules::yaml::{Fields, InvalidValue, Item, invalid, values};

const DOMAIN: &str = ".iam.gserviceaccount.com";

/// The e-mail address of an existing GSA, as `ID@PROJECT.iam.gserviceaccount.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Pin(String);

impl Pin {
    pub(crate) fn email(&self) -> &str {
        &self.0
    }

    /// The project of the account.
    pub(crate) fn project(&self) -> &str {
        split_email(&self.0).map_or("", |(_, project)| project)
    }

    #[cfg(test)]
    pub(crate) fn new(id: &str, project: &str) -> Pin {
        Pin(gsa_email(id, project))
    }

    fn read(text: &str) -> Result<Pin, InvalidValue> {
        let remedy = "write ID@PROJECT.iam.gserviceaccount.com, in lower case";
        match split_email(text) {
            Some((id, _)) if is_managed_name(id) => {
                let what = format!("{} is a name that is reserved for identities", quoted(text));
                Err(invalid(
                    what,
                    "pin an account that an admin created, or remove the pin",
                ))
            }
            Some((id, project)) if is_account_id(id) && is_project_id(project) => {
                Ok(Pin(text.to_owned()))
            }
            _ => Err(invalid(
                format!("{} is not a Google service account", quoted(text)),
                remedy,
            )),
        }
    }
}

/// The e-mail address of a GSA.
pub(crate) fn gsa_email(id: &str, project: &str) -> String {
    format!("{id}@{project}{DOMAIN}")
}

fn split_email(email: &str) -> Option<(&str, &str)> {
    email.strip_suffix(DOMAIN)?.split_once('@')
}

/// Pins of all files, and the place of each.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pub(crate) by_user: BTreeMap<User, Pin>,
    places: HashMap<User, String>,
    owners: HashMap<Pin, User>,
}

impl Pins {
    /// Adds the pins of one map in one file. Reports a user or an account that is pinned twice, also in several files.
    pub(crate) fn read(&mut self, file: &str, fields: &Fields<'_>) {
        for (key, at, item) in fields.all() {
            let user = values::user(key)
                .map_err(|invalid| fields.report_key(at, key, invalid))
                .ok();
            let (Some(user), Some(pin)) = (user, item.read(Pin::read)) else {
                continue;
            };
            self.add(user, pin, format!("{file}:{}:{}", at.line, at.column), item);
        }
    }

    fn add(&mut self, user: User, pin: Pin, place: String, item: &Item<'_>) {
        if let Some(first) = self.places.get(&user) {
            item.report(invalid(
                format!("{user} is pinned twice, first at {first}"),
                "remove one of the two pins",
            ));
        } else if let Some(other) = self.owners.get(&pin) {
            let first = self.places.get(other).map_or("", String::as_str);
            let what = format!(
                "{} is pinned to two users, {other} (at {first}) and {user}",
                pin.email()
            );
            item.report(invalid(what, "give each user an account of their own"));
        } else {
            self.places.insert(user.clone(), place);
            self.owners.insert(pin.clone(), user.clone());
            self.by_user.insert(user, pin);
        }
    }
}
