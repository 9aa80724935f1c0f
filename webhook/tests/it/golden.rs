//! Every `testdata/cases/KIND/NAME.input.yaml` with its `NAME.golden.yaml`. `UPDATE_GOLDEN=1` writes the latter.

use data_encoding::BASE64URL_NOPAD;
use namesake_api::names::SKIP_FINAL_CHECK_LABEL;
use namesake_webhook::admit::Webhook;
use serde_json::{Value, json};

use crate::cases::{self, ask, patch, patched, review, state, testdata};

// Shows the payload of signed text.
fn show_signed_payloads(value: &mut Value) {
    match value {
        Value::String(text) => {
            let parts: Vec<_> = text.split('.').collect();
            if let ["v2", key, epoch, payload, _] = parts[..]
                && let Ok(bytes) = BASE64URL_NOPAD.decode(payload.as_bytes())
                && let Ok(payload) = serde_json::from_slice::<Value>(&bytes)
            {
                *value = json!({"$signed": {"key": key, "epoch": epoch, "payload": payload}});
            }
        }
        Value::Object(map) => map.values_mut().for_each(show_signed_payloads),
        Value::Array(all) => all.iter_mut().for_each(show_signed_payloads),
        _ => {}
    }
}

async fn answer(name: &str, case: &Value) -> Value {
    let webhook = match case.get("webhook").and_then(Value::as_str) {
        Some("validate") => Webhook::Validate,
        Some("mutate-labels") => Webhook::MutateLabels,
        _ => Webhook::Mutate,
    };
    let state = state(case);
    let mut input = review(&case["request"]);
    let response = ask(&state, webhook, &input).await;
    assert_eq!(response["uid"], "review-1");
    let changes = patch(&response);
    let object = patched(&input["request"]["object"], &changes);
    input["request"]["object"] = object;
    if response["allowed"] == true && webhook == Webhook::Mutate {
        let second_answer = ask(&state, webhook, &input).await;
        // A second call means that something changed the pod meanwhile, so it gets a final check.
        let is_labelled =
            input["request"]["object"]["metadata"]["labels"][SKIP_FINAL_CHECK_LABEL] != Value::Null;
        let expected = match is_labelled {
            true => {
                json!([{"op": "remove", "path": "/metadata/labels/namesake.dev~1skip-final-check"}])
            }
            false => json!([]),
        };
        assert_eq!(
            patch(&second_answer),
            expected,
            "{name}: what a second pass changes"
        );
    }
    let mut shown = json!({"allowed": response["allowed"], "audit": response["auditAnnotations"]});
    if let Some(status) = response.get("status") {
        shown["status"] = status.clone();
    }
    if let Some(warnings) = response.get("warnings") {
        shown["warnings"] = warnings.clone();
    }
    shown["patch"] = changes;
    show_signed_payloads(&mut shown);
    shown
}

/// All cases, as `cases/KIND/NAME`.
pub(crate) fn names() -> Vec<String> {
    let list = |folder: &str| {
        let files = std::fs::read_dir(testdata(folder)).unwrap();
        files.map(|f| f.unwrap().file_name().into_string().unwrap())
    };
    let files = list("cases").flat_map(|kind| {
        list(&format!("cases/{kind}")).map(move |file| format!("cases/{kind}/{file}"))
    });
    let mut names: Vec<_> = files
        .filter_map(|f| Some(f.strip_suffix(".input.yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn every_case_gets_the_answer_of_its_golden_file() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut mismatches = Vec::new();
    let names = names();
    assert!(names.len() >= 30, "cases are missing");
    for name in names {
        let input = cases::read(&format!("{name}.input.yaml"));
        let mut case: Value =
            serde_saphyr::from_str(&input).unwrap_or_else(|e| panic!("{name}: {e}"));
        cases::sign(&mut case);
        let got = answer(&name, &case).await;
        let golden = format!("{name}.golden.yaml");
        if update {
            std::fs::write(testdata(&golden), serde_saphyr::to_string(&got).unwrap()).unwrap();
            continue;
        }
        let want: Value = serde_saphyr::from_str(&cases::read(&golden)).unwrap();
        if got != want {
            mismatches.push(format!("{name}:\n  got  {got}\n  want {want}"));
        }
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[tokio::test]
async fn every_refusal_names_requester_rule_and_remedy() {
    for name in names() {
        let golden: Value =
            serde_saphyr::from_str(&cases::read(&format!("{name}.golden.yaml"))).unwrap();
        if golden["allowed"] == true {
            continue;
        }
        let message = golden["status"]["message"].as_str().unwrap();
        let names = |key: &str| {
            golden["audit"][key]
                .as_str()
                .is_none_or(|text| message.contains(text))
        };
        let user = golden["audit"]["user"].as_str();
        assert!(
            names("requester") || user.is_some_and(|u| message.contains(u)),
            "{name} does not name the requester: {message}"
        );
        assert!(names("rule"), "{name} does not name the rule: {message}");
        let message = message.to_lowercase();
        let remedies = [
            "try again",
            "tries again",
            "ask ",
            "delete it",
            "take ",
            "remove ",
            "create ",
            "sign in",
            "send the request",
            "let it leave",
            "fix the",
            "set the",
            "write what",
            "copy the",
        ];
        assert!(
            remedies.iter().any(|r| message.contains(r)),
            "{name} has no remedy: {message}"
        );
    }
}
