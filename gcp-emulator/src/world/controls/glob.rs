//! Text patterns of planned faults and refusals.

/// Whether `pattern`, in which `*` matches any text, matches all of `text`.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| text.get(at..).is_some_and(|tail| glob(rest, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_slashes_and_a_pattern_matches_the_whole_text() {
        assert!(glob(
            "/v1/*:setIamPolicy",
            "/v1/projects/p/serviceAccounts/a@b:setIamPolicy"
        ));
        assert!(!glob("/v1/*:setIamPolicy", "/v1/projects/p:getIamPolicy"));
        assert!(glob("/v1/token", "/v1/token"));
        assert!(!glob("/v1/token", "/v1/tokens"));
        assert!(glob("*", ""));
    }
}
