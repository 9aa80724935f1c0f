//! Asks the webhook whether signed texts are valid: it alone has the keys.
//!
//! The question is an annotation on a dry run of a suspended Job, so the API server says to the webhook who asks, and lets only
//! people ask who may create Jobs in the namespace. Nothing is created.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Error, ResourceExt};
use namesake_api::names::{VERIFIED_ANNOTATION, VERIFY_ANNOTATION};
use namesake_api::{SignedText, Validity};

use crate::answer::failure::causes;
use crate::answer::text::plain;

/// The validity of each text, in order; or why nobody says it.
pub(super) async fn verify(
    client: &Client,
    namespace: &str,
    asked: &[SignedText],
) -> Result<Vec<Validity>, String> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let job = question(asked).map_err(|error| error.to_string())?;
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let answered = jobs.create(&params, &job).await;
    let answered = answered.map_err(|error| why_not(&error, namespace))?;
    let answer = answered.annotations().get(VERIFIED_ANNOTATION);
    let answer = answer.ok_or_else(|| {
        format!("the API server does not call the webhook in {namespace}: it is not opted in, or switched off")
    })?;
    match serde_json::from_str::<Vec<Validity>>(answer) {
        Ok(all) if all.len() == asked.len() => Ok(all),
        _ => Err("the webhook's answer is of another version".to_owned()),
    }
}

fn question(asked: &[SignedText]) -> serde_json::Result<Job> {
    let text = serde_json::to_string(asked)?;
    let pod = PodSpec {
        containers: vec![Container {
            name: "none".to_owned(),
            image: Some("none".to_owned()),
            ..Container::default()
        }],
        restart_policy: Some("Never".to_owned()),
        ..PodSpec::default()
    };
    let template = PodTemplateSpec {
        spec: Some(pod),
        ..PodTemplateSpec::default()
    };
    Ok(Job {
        metadata: ObjectMeta {
            generate_name: Some("namesake-explain-".to_owned()),
            annotations: Some(BTreeMap::from([(VERIFY_ANNOTATION.to_owned(), text)])),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            suspend: Some(true),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}

fn why_not(error: &Error, namespace: &str) -> String {
    let Error::Api(status) = error else {
        return causes(error);
    };
    let message = plain(&status.message);
    if status.code == 403 && message.contains("cannot create resource") {
        return format!(
            "you may not create Jobs in {namespace}, and only who may can ask the webhook"
        );
    }
    if message.contains("failed calling webhook") {
        return format!("the webhook does not answer: {message}");
    }
    message
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn each_refusal_says_who_can_ask_or_that_the_webhook_is_down() {
        let why = |code: u16, message: &str| {
            let status = Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            };
            why_not(&Error::Api(Box::new(status)), "research")
        };
        let rbac =
            "jobs.batch is forbidden: User \"v\" cannot create resource \"jobs\" in API group";
        assert_eq!(
            why(403, rbac),
            "you may not create Jobs in research, and only who may can ask the webhook"
        );
        let down =
            "Internal error occurred: failed calling webhook \"mutate.namesake.dev\": refused";
        assert!(why(500, down).starts_with("the webhook does not answer: Internal error"));
        assert_eq!(why(403, "quota\u{1b} exceeded"), "quota\\u{1b} exceeded");
    }
}
