//! `users`: how requesters are mapped to users. Also the keys that are about single users: `pins`, `admins`, `carriers`,
//! `endpoints`.

use serde::Serialize;

use crate::names::{Glob, is_label_key, quoted};

use super::yaml::{
    InvalidValue, Item, invalid,
    values::{requester_glob, user_glob},
};

pub(crate) mod endpoints;
mod namespace;
pub(crate) mod pins;
mod template;
pub(crate) mod trusted;

pub(crate) use template::fill_in;

use namespace::check_namespace;
use template::{read_template, uses_all_stars};

const ANNOTATION: &str = "annotation:";

/// One entry of `users`: requesters, and the user that each is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct UserRule {
    pub(crate) requester: Glob,
    #[serde(flatten)]
    pub(crate) mapping: Mapping,
}

/// How a requester is mapped to a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Mapping {
    /// The requester acts for other users: the user that the annotation names, if `may_claim` allows it. `claim` is
    /// `annotation:KEY`.
    Claim { claim: String, may_claim: Vec<Glob> },
    /// The text, with `{1}` replaced by what the first `*` of `requester` matches.
    Template { user: String },
    /// The requester's own name.
    Identical {},
}

impl UserRule {
    pub(crate) fn read(item: &Item<'_>) -> Option<UserRule> {
        let mut fields = item.fields()?;
        let remedy = "write the requester as the API server reports it, with * for any characters";
        let requester = fields.required("requester", remedy, requester_glob);
        let user = fields.get("user");
        let claim = fields.get("claim");
        let may_claim = fields.get("mayClaim");
        fields.report_unknown_keys();
        let requester = requester?;
        let mapping = match (user, claim, may_claim) {
            (None, None, None) => Mapping::Identical {},
            (Some(user), None, None) => {
                let user = user.read(|text| read_template(text, &requester))?;
                if !uses_all_stars(&user, &requester) {
                    check_namespace(item, &requester)?;
                }
                Mapping::Template { user }
            }
            (None, Some(claim), Some(may_claim)) => {
                check_namespace(item, &requester)?;
                let claim = claim.read(read_claim);
                let remedy = "write the users that may be claimed, as [\"*@acme.com\"]";
                let may_claim =
                    may_claim.read_non_empty_list(user_glob, "the list is empty", remedy)?;
                Mapping::Claim {
                    claim: claim?,
                    may_claim,
                }
            }
            (None, Some(claim), None) => {
                claim.report(invalid(
                    "a claim proves nothing by itself",
                    "say for whom with mayClaim: [USERS]",
                ));
                return None;
            }
            (None, None, Some(may_claim)) => {
                may_claim.report(invalid(
                    "mayClaim without claim",
                    "say where the user is named with claim: annotation:KEY",
                ));
                return None;
            }
            (Some(user), ..) => {
                user.report(invalid(
                    "user together with claim or mayClaim",
                    "keep user, or keep claim and mayClaim",
                ));
                return None;
            }
        };
        Some(UserRule { requester, mapping })
    }
}

impl UserRule {
    /// The exact name in the entry, if there is one: its user, otherwise its requester.
    pub(crate) fn listed_name(&self) -> Option<&str> {
        match &self.mapping {
            Mapping::Template { user } => (!user.contains('{')).then_some(user),
            _ => self.requester.is_exact().then(|| self.requester.as_str()),
        }
    }
}

impl Mapping {
    /// The key of the annotation in a claim.
    pub(crate) fn annotation(claim: &str) -> &str {
        claim.strip_prefix(ANNOTATION).unwrap_or(claim)
    }
}

fn read_claim(text: &str) -> Result<String, InvalidValue> {
    match text.strip_prefix(ANNOTATION) {
        Some(key) if is_label_key(key) => Ok(text.to_owned()),
        _ => Err(invalid(
            format!("{} does not name an annotation", quoted(text)),
            "write annotation:KEY, as annotation:metaflow/user",
        )),
    }
}
