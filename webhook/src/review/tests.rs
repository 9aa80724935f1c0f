use super::*;

fn read(body: &str) -> Result<Request<'_>, Malformed> {
    parse(body.as_bytes())
}

#[test]
fn a_body_that_is_not_a_review_is_malformed_and_the_error_says_why() {
    for body in ["", "{", "[]", "null", "7", "\"x\"", "{\"request\":3}"] {
        assert!(matches!(read(body), Err(Malformed::Json(_))), "{body}");
    }
    let text = read(r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#);
    let text = text.unwrap_err().to_string();
    assert!(text.contains("v1beta1") && text.contains("admissionReviewVersions"));
    let none = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#;
    assert!(matches!(read(none), Err(Malformed::NoRequest)));
    let empty = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#;
    assert!(matches!(read(empty), Err(Malformed::NoRequest)));
}

#[test]
fn a_value_that_is_not_utf_8_is_malformed_and_the_error_says_where() {
    let body = b"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"\xff\"}}";
    let error = parse::<Object<'_>>(body).unwrap_err().to_string();
    assert!(
        error.contains("unicode") && error.contains("line 1 column"),
        "{error}"
    );
}

#[test]
fn an_annotation_that_is_not_a_string_is_malformed() {
    let body = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
        "request":{"uid":"u","object":{"metadata":{"annotations":{"a":1}}}}}"#;
    assert!(read(body).unwrap_err().to_string().contains("string"));
}

#[test]
fn null_is_the_same_as_absent() {
    let body = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","dryRun":null,
        "userInfo":{"username":"a","groups":null,"extra":null},"object":{"metadata":{"labels":null},"spec":null}}}"#;
    let request = read(body).unwrap();
    assert!(!request.is_dry_run() && !request.user_info.has_credential_id());
    assert!(request.object.unwrap().spec.is_none());
}
