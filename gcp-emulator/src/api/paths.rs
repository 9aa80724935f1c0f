//! Which of Google's APIs serves a path.

/// Whether Cloud Storage serves that path. `/storage`, `/upload`, `/download` and `/batch` are its own; any other path
/// that no other API has may be the XML API's `/BUCKET/OBJECT`. A version (`v2`, `v1beta1`) begins the path of another
/// API.
pub(crate) fn is_storage(path: &str) -> bool {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let other_api = matches!(
        first,
        "tokeninfo" | "oauth2" | "robot" | "service_accounts" | "emulator" | ""
    );
    !other_api && !is_version(first)
}

/// `v` and a number, optionally followed by `alpha` or `beta` and an optional number.
fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let (number, stage) = match rest.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let stage = stage.strip_prefix("alpha").or(stage.strip_prefix("beta"));
    is_number(number) && (rest == number || stage.is_some_and(|it| it.is_empty() || is_number(it)))
}

/// The API that serves a percent-decoded path with its verb; none for a path that belongs to no API that can be
/// disabled.
pub(crate) fn service(path: &str) -> Option<&'static str> {
    if is_storage(path) {
        return Some("storage.googleapis.com");
    }
    let path = path.trim_start_matches('/');
    let credentials = [
        ":generateAccessToken",
        ":generateIdToken",
        ":signBlob",
        ":signJwt",
    ];
    if path == "v1/token" {
        Some("sts.googleapis.com")
    } else if credentials.iter().any(|verb| path.ends_with(verb)) {
        Some("iamcredentials.googleapis.com")
    } else if path.contains("/services") {
        Some("serviceusage.googleapis.com")
    } else if path.ends_with("/billingInfo") || path.starts_with("v1/billingAccounts/") {
        Some("cloudbilling.googleapis.com")
    } else if path.contains("/serviceAccounts") || path.contains("roles/") {
        Some("iam.googleapis.com")
    } else if path.starts_with("v1/projects") || path.starts_with("v3/projects") {
        Some("cloudresourcemanager.googleapis.com")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_apis_are_not_buckets() {
        for path in [
            "/v1/projects/p",
            "/v2/policies/x",
            "/v1beta1/x",
            "/v3alpha",
            "/oauth2/v3/certs",
        ] {
            assert!(!is_storage(path), "{path}");
        }
        for path in ["/storage/v1/b", "/vault/o", "/v1bucket/o", "/v/o", "/v2x/o"] {
            assert!(is_storage(path), "{path}");
        }
    }

    #[test]
    fn every_path_belongs_to_the_api_that_serves_it() {
        let email = "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com";
        for (path, expected) in [
            ("/v1/token".to_owned(), Some("sts.googleapis.com")),
            (
                format!("{email}:generateAccessToken"),
                Some("iamcredentials.googleapis.com"),
            ),
            (format!("{email}:getIamPolicy"), Some("iam.googleapis.com")),
            (
                "/v3/projects/acme:getIamPolicy".to_owned(),
                Some("cloudresourcemanager.googleapis.com"),
            ),
            (
                "/storage/v1/b/acme-mf/iam".to_owned(),
                Some("storage.googleapis.com"),
            ),
            ("/tokeninfo".to_owned(), None),
        ] {
            assert_eq!(service(&path), expected, "{path}");
        }
    }
}
