//! What the body of a request says about users.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{names::quoted, reason::Reason, user::User};

use super::Refusal;

/// Beginning of the tag by which Metaflow finds the runs of a user.
const USER_TAG: &str = "user:";

/// The body of `POST /flows/FLOW/run`, as far as it names users.
#[derive(Debug, Deserialize)]
pub struct NewRun {
    user_name: Option<String>,
    tags: Option<Vec<String>>,
    system_tags: Option<Vec<String>>,
}

/// The body of `PATCH /flows/FLOW/runs/RUN/tag/mutate`, as far as it names users.
#[derive(Debug, Deserialize)]
pub struct TagChange {
    tags_to_add: Option<Vec<String>>,
}

impl NewRun {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not a JSON object, or a field has another type or is given twice.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        parse(body)
    }

    /// Checks that the run names this user, and nobody else.
    ///
    /// # Errors
    /// It names nobody, or somebody else.
    pub fn check(&self, user: &User) -> Result<(), Refusal> {
        let tags = self.tags.iter().chain(&self.system_tags).flatten();
        let tagged = tags.filter_map(|tag| tag.strip_prefix(USER_TAG));
        let name = self.user_name.as_deref().unwrap_or_default();
        let named = std::iter::once(name).chain(tagged);
        match named.into_iter().find(|name| *name != user.as_str()) {
            Some(other) => Err(refuse_name("This run says it is of", other, user)),
            None => Ok(()),
        }
    }
}

impl TagChange {
    /// Reads the body.
    ///
    /// # Errors
    /// As [`NewRun::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        parse(body)
    }

    /// Checks that no tag that is added says that the run is somebody else's.
    ///
    /// # Errors
    /// One does.
    pub fn check(&self, user: &User, owner: &str) -> Result<(), Refusal> {
        let tags = self.tags_to_add.iter().flatten();
        let mut names = tags.filter_map(|tag| tag.strip_prefix(USER_TAG));
        match names.find(|name| *name != owner) {
            Some(other) => Err(refuse_name("The tag says the run is of", other, user)),
            None => Ok(()),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let refuse = |what: &str| {
        let message = format!("The body is not what Metaflow's client sends: {what}.");
        Refusal::new(Reason::InvalidBody, message)
    };
    // The library would take a list for an object too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(refuse("it is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| refuse(&error.to_string()))
}

fn refuse_name(what: &str, name: &str, user: &User) -> Refusal {
    let message = format!(
        "{what} {}, and you are {user}. Set METAFLOW_USER to {user}, or unset it if the package metaflow-namesake is installed, \
         which sets it.",
        quoted(name)
    );
    Refusal::new(Reason::NamesAnotherUser, message)
}
