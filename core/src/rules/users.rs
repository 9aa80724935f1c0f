//! `users`: which requester is which user.

use serde::Serialize;

use crate::{
    names::{Glob, is_label_key, quoted},
    user::{SERVICE_ACCOUNT, User},
};

use super::yaml::{
    Item, Wrong,
    values::{requester_glob, user_glob},
    wrong,
};

const ANNOTATION: &str = "annotation:";

/// One entry of `users`: requesters, and the user that they are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct UserRule {
    pub(crate) requester: Glob,
    #[serde(flatten)]
    pub(crate) mapping: Mapping,
}

/// How a requester becomes a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Mapping {
    /// Speaks for others: the user that the annotation names, if `may_claim` allows. `claim` is `annotation:KEY`.
    Claim { claim: String, may_claim: Vec<Glob> },
    /// The text, with `{1}` for what the first `*` of the requester stands for.
    Template { user: String },
    /// The requester.
    Itself {},
}

impl UserRule {
    pub(crate) fn read(item: &Item<'_>) -> Option<UserRule> {
        let mut fields = item.fields()?;
        let requester = fields
            .need(
                "requester",
                "write the requester as the API server names it, with * for any characters",
            )
            .and_then(|item| item.read(requester_glob));
        let user = fields.get("user");
        let claim = fields.get("claim");
        let may_claim = fields.get("mayClaim");
        fields.close();
        let requester = requester?;
        let mapping = match (user, claim, may_claim) {
            (None, None, None) => Mapping::Itself {},
            (Some(user), None, None) => {
                let user = user.read(|text| template(text, &requester))?;
                if !keeps_all(&user, &requester) {
                    check_namespace(item, &requester)?;
                }
                Mapping::Template { user }
            }
            (None, Some(claim), Some(may_claim)) => {
                check_namespace(item, &requester)?;
                let claim = claim.read(annotation);
                let remedy = "write the users that may be claimed, as [\"*@acme.com\"]";
                let may_claim = may_claim.read_some(user_glob, "nobody may be claimed", remedy)?;
                Mapping::Claim {
                    claim: claim?,
                    may_claim,
                }
            }
            (None, Some(claim), None) => {
                claim.report(wrong(
                    "a claim proves nothing by itself",
                    "say for whom with mayClaim: [USERS]",
                ));
                return None;
            }
            (None, None, Some(may_claim)) => {
                may_claim.report(wrong(
                    "mayClaim without claim",
                    "say where the user is named with claim: annotation:KEY",
                ));
                return None;
            }
            (Some(user), ..) => {
                user.report(wrong(
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
    /// The one name that the entry lists: its user if there is one, otherwise its requester.
    pub(crate) fn listed(&self) -> Option<&str> {
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

/// Fills a template with what each `*` of the requester stands for, in one pass: what is filled in is not looked at again.
/// Nothing, if it names a `*` that is not there, or that stands for nothing.
pub(crate) fn fill(template: &str, captured: &[&str]) -> Option<String> {
    let mut pieces = template.split('{');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once('}')?;
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        text.push_str(captured.get(index).filter(|part| !part.is_empty())?);
        text.push_str(rest);
    }
    Some(text)
}

/// Whoever may make a namespace may make any account in it: an entry that speaks for others names its namespace.
fn check_namespace(item: &Item<'_>, requester: &Glob) -> Option<()> {
    if !is_any_namespace(requester) {
        return Some(());
    }
    let what = format!(
        "{requester} matches service accounts of any namespace, and whoever makes one would be somebody else"
    );
    item.report(wrong(
        what,
        "write the namespace in full, as system:serviceaccount:NAMESPACE:NAME, or make what each * stands for part of user",
    ));
    None
}

/// Whether all that the `*` stand for becomes part of the user, so that two namespaces make two users.
fn keeps_all(template: &str, requester: &Glob) -> bool {
    (1..=requester.stars()).all(|star| template.contains(&format!("{{{star}}}")))
}

/// Whether service accounts of more than one namespace can match.
fn is_any_namespace(requester: &Glob) -> bool {
    let mut pieces = requester.as_str().split('*');
    let first = pieces.next().unwrap_or_default();
    let namespace = match first.strip_prefix(SERVICE_ACCOUNT) {
        Some(rest) => rest,
        None if SERVICE_ACCOUNT.starts_with(first) => "",
        None => return false,
    };
    let is_in_accounts =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    !requester.is_exact()
        && !namespace.contains(':')
        && pieces.all(|piece| piece.chars().all(is_in_accounts))
}

fn template(text: &str, requester: &Glob) -> Result<String, Wrong> {
    let stars = requester.stars();
    let Some(example) = fill(text, &vec!["x"; stars]) else {
        let what = format!("{} names a part that requester does not have", quoted(text));
        return Err(wrong(
            what,
            format!("write {{1}} up to {{{stars}}}: requester has {stars} *"),
        ));
    };
    match User::exact(&example) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let what = format!("{} makes no user: {error}", quoted(text));
            Err(wrong(
                what,
                "write a user in lower case, such as {1}@acme.com",
            ))
        }
    }
}

fn annotation(text: &str) -> Result<String, Wrong> {
    match text.strip_prefix(ANNOTATION) {
        Some(key) if is_label_key(key) => Ok(text.to_owned()),
        _ => Err(wrong(
            format!("{} names no annotation", quoted(text)),
            "write annotation:KEY, as annotation:metaflow/user",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_named_in_full_where_a_service_account_becomes_somebody() {
        let any = [
            "system:serviceaccount:*",
            "system:serviceaccount:*:hub",
            "system:*",
            "*",
            "*-hub",
            "system:serviceaccount:hub*",
        ];
        for requester in any {
            assert!(is_any_namespace(&Glob::new(requester)), "{requester}");
        }
        let one = [
            "*@acme.com",
            "system:serviceaccount:hub:*",
            "system:serviceaccount:hub:jupyter-*",
            "system:node:*",
            "system:serviceaccount:hub:runner",
            "alice*",
        ];
        for requester in one {
            assert!(!is_any_namespace(&Glob::new(requester)), "{requester}");
        }
    }

    #[test]
    fn a_template_is_filled_only_with_what_is_there() {
        assert_eq!(fill("{2}-{1}", &["a", "b"]).as_deref(), Some("b-a"));
        assert_eq!(fill("plain", &[]).as_deref(), Some("plain"));
        assert_eq!(fill("{1}", &["{1}"]).as_deref(), Some("{1}"));
        for (template, captured) in [
            ("u-{1}", &[""][..]),
            ("{0}", &["a"]),
            ("{2}", &["a"]),
            ("{x}", &["a"]),
            ("{1", &["a"]),
        ] {
            assert_eq!(fill(template, captured), None, "{template}");
        }
    }
}
