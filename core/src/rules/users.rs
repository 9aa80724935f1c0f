//! `users`: how requesters are mapped to users.

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
        let requester = fields
            .require(
                "requester",
                "write the requester as the API server reports it, with * for any characters",
            )
            .and_then(|item| item.read(requester_glob));
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

/// Fills a template in with what each `*` of the requester matched, in one pass: what is filled in is not filled in again.
/// `None` if the template names a `*` that does not exist or matched nothing.
pub(crate) fn fill_in(template: &str, captured: &[&str]) -> Option<String> {
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

/// Who can create a namespace can create any service account in it, so the requester must name its namespace.
fn check_namespace(item: &Item<'_>, requester: &Glob) -> Option<()> {
    if !matches_several_namespaces(requester) {
        return Some(());
    }
    let what = format!(
        "{requester} matches service accounts of several namespaces, and anyone who creates one could act as another user"
    );
    item.report(wrong(
        what,
        "write the namespace in full, as system:serviceaccount:NAMESPACE:NAME, or use what each * matches in user",
    ));
    None
}

/// Whether the user contains what each `*` matches, so that two namespaces give two users.
fn uses_all_stars(template: &str, requester: &Glob) -> bool {
    (1..=requester.count_stars()).all(|star| template.contains(&format!("{{{star}}}")))
}

/// Whether service accounts of more than one namespace can match.
fn matches_several_namespaces(requester: &Glob) -> bool {
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

fn read_template(text: &str, requester: &Glob) -> Result<String, Wrong> {
    let stars = requester.count_stars();
    let Some(example) = fill_in(text, &vec!["x"; stars]) else {
        let what = format!("{} names a part that requester does not have", quoted(text));
        return Err(wrong(
            what,
            format!("write {{1}} up to {{{stars}}}: requester has {stars} *"),
        ));
    };
    match User::exact(&example) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let what = format!("{} does not give a user: {error}", quoted(text));
            Err(wrong(
                what,
                "write a user in lower case, such as {1}@acme.com",
            ))
        }
    }
}

fn read_claim(text: &str) -> Result<String, Wrong> {
    match text.strip_prefix(ANNOTATION) {
        Some(key) if is_label_key(key) => Ok(text.to_owned()),
        _ => Err(wrong(
            format!("{} does not name an annotation", quoted(text)),
            "write annotation:KEY, as annotation:metaflow/user",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requester_with_a_star_in_the_namespace_matches_several_namespaces() {
        let several = [
            "system:serviceaccount:*",
            "system:serviceaccount:*:hub",
            "system:*",
            "*",
            "*-hub",
            "system:serviceaccount:hub*",
        ];
        for requester in several {
            assert!(
                matches_several_namespaces(&Glob::new(requester)),
                "{requester}"
            );
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
            assert!(
                !matches_several_namespaces(&Glob::new(requester)),
                "{requester}"
            );
        }
    }

    #[test]
    fn a_template_is_filled_in_only_with_what_was_matched() {
        assert_eq!(fill_in("{2}-{1}", &["a", "b"]).as_deref(), Some("b-a"));
        assert_eq!(fill_in("plain", &[]).as_deref(), Some("plain"));
        assert_eq!(fill_in("{1}", &["{1}"]).as_deref(), Some("{1}"));
        for (template, captured) in [
            ("u-{1}", &[""][..]),
            ("{0}", &["a"]),
            ("{2}", &["a"]),
            ("{x}", &["a"]),
            ("{1", &["a"]),
        ] {
            assert_eq!(fill_in(template, captured), None, "{template}");
        }
    }
}
