//! `includeFoldersAsPrefixes`: managed folders in the prefixes of a list, including those without objects.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::query::{is_true, parameter};

/// Whether a list request asks for folders; it must have the delimiter `/`, as documented.
pub(crate) fn includes_folders(query: &[(String, String)]) -> bool {
    is_true(query, "includeFoldersAsPrefixes") && parameter(query, "delimiter") == Some("/")
}

/// Adds the folders below the prefix of the request to `listing`, each truncated after the next `/`, within the bounds that
/// the object store applies to its own prefixes: from `pageToken` or `startOffset` up to `endOffset`.
pub(crate) fn add_folders<'a>(
    listing: &mut Value,
    query: &[(String, String)],
    folders: impl Iterator<Item = &'a String>,
) {
    let prefix = parameter(query, "prefix").unwrap_or_default();
    let from = parameter(query, "pageToken")
        .filter(|token| !token.is_empty())
        .or_else(|| parameter(query, "startOffset"))
        .unwrap_or_default();
    let end = parameter(query, "endOffset").filter(|end| !end.is_empty());
    let below = folders.filter_map(|folder| {
        let (first, _) = folder.strip_prefix(prefix)?.split_once('/')?;
        Some(format!("{prefix}{first}/"))
    });
    let found =
        below.filter(|name| name.as_str() >= from && end.is_none_or(|end| name.as_str() < end));
    let present = listing.get("prefixes").and_then(Value::as_array);
    let present = present.into_iter().flatten().filter_map(Value::as_str);
    let all: BTreeSet<String> = present.map(str::to_owned).chain(found).collect();
    if let (Some(listing), false) = (listing.as_object_mut(), all.is_empty()) {
        listing.insert("prefixes".to_owned(), json!(all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(query: &[(&str, &str)], listing: Value) -> Value {
        let query: Vec<(String, String)> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let folders = ["a/", "users/alice/", "users/alice/deep/", "users/bob/"].map(str::to_owned);
        let mut listing: Value = listing;
        add_folders(&mut listing, &query, folders.iter());
        listing["prefixes"].clone()
    }

    #[test]
    fn folders_are_truncated_at_the_next_slash_without_duplicates() {
        let listing = json!({"prefixes": ["users/bob/", "z/"]});
        assert_eq!(
            prefixes(&[], listing),
            json!(["a/", "users/", "users/bob/", "z/"])
        );
        assert_eq!(
            prefixes(&[("prefix", "users/")], json!({})),
            json!(["users/alice/", "users/bob/"])
        );
        assert_eq!(
            prefixes(&[("prefix", "users/alice/")], json!({})),
            json!(["users/alice/deep/"])
        );
        assert_eq!(
            prefixes(&[("prefix", "users/bob/")], json!({})),
            Value::Null
        );
    }

    #[test]
    fn the_bounds_of_the_page_apply_to_folders_too() {
        let page = [("prefix", "users/"), ("pageToken", "users/b")];
        assert_eq!(prefixes(&page, json!({})), json!(["users/bob/"]));
        let end = [("prefix", "users/"), ("endOffset", "users/b")];
        assert_eq!(prefixes(&end, json!({})), json!(["users/alice/"]));
    }

    #[test]
    fn folders_are_included_only_with_the_delimiter_slash() {
        let query = |value: &str, delimiter: &str| {
            [
                ("includeFoldersAsPrefixes", value),
                ("delimiter", delimiter),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        assert!(includes_folders(&query("true", "/")) && includes_folders(&query("True", "/")));
        assert!(!includes_folders(&query("true", "-")) && !includes_folders(&query("false", "/")));
    }
}
