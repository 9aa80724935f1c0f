//! Templates of users, such as `{1}@acme.com`.

use crate::{
    names::{Glob, quoted},
    rules::yaml::{InvalidValue, invalid},
    user::User,
};

/// Reads a template that can be filled in with what the `*` of `requester` match.
pub(super) fn read_template(text: &str, requester: &Glob) -> Result<String, InvalidValue> {
    let stars = requester.count_stars();
    let Some(example) = fill_in(text, &vec!["x"; stars]) else {
        let what = format!("{} names a part that requester does not have", quoted(text));
        return Err(invalid(
            what,
            format!("write {{1}} up to {{{stars}}}: requester has {stars} *"),
        ));
    };
    match User::exact(&example) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let what = format!("{} does not give a user: {error}", quoted(text));
            Err(invalid(
                what,
                "write a user in lower case, such as {1}@acme.com",
            ))
        }
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

/// Whether the user contains what each `*` matches, so that two namespaces give two users.
pub(super) fn uses_all_stars(template: &str, requester: &Glob) -> bool {
    (1..=requester.count_stars()).all(|star| template.contains(&format!("{{{star}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
