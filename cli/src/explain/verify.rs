//! Asks the webhook whether signed texts are valid: it alone has the keys.
//!
//! The question is an annotation on a dry run of a suspended Job, so the API server tells the webhook who asks, and only
//! people who may create Jobs in the namespace can ask. Nothing is created.

use futures::future::join;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Error, ResourceExt};
use namesake_api::names::{self, VERIFIED_ANNOTATION, VERIFY_ANNOTATION};
use namesake_api::{SignedText, Validity};
use namesake_webhook::decide::mode::Mode;

use crate::answer::failure::causes;
use crate::answer::text::plain;
use crate::cluster::connect::Session;
use crate::cluster::suspended_job::suspended_job;
use crate::cluster::versions::{self, OWN};

/// The validity of each text, in order; or why nobody says it.
pub(super) async fn verify(
    session: &Session,
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
    let jobs: Api<Job> = Api::namespaced(session.client.clone(), namespace);
    let answered = jobs.create(&params, &job).await;
    let answered = answered.map_err(|error| why_not(&error, namespace))?;
    let Some(answer) = answered.annotations().get(VERIFIED_ANNOTATION) else {
        let namespaces: Api<Namespace> = Api::all(session.client.clone());
        let (place, skew) = join(namespaces.get_opt(namespace), versions::skew(session)).await;
        return Err(not_answered(namespace, place.ok().flatten().as_ref(), skew));
    };
    match serde_json::from_str::<Vec<Validity>>(answer) {
        Ok(all) if all.len() == asked.len() => Ok(all),
        _ => Err(format!(
            "the webhook's answer is of another version; this kubectl-namesake is {OWN}"
        )),
    }
}

/// Why there is no answer although the API server would create the Job. `skew`: how the webhook's version differs, if that is known.
fn not_answered(namespace: &str, place: Option<&Namespace>, skew: Option<String>) -> String {
    let skew = skew.unwrap_or_else(|| {
        format!("the webhook is older than this kubectl-namesake {OWN}, or the API server does not call it")
    });
    let Some(place) = place else {
        return format!("{namespace} is not opted in or is switched off, or {skew}");
    };
    let labels = place.labels();
    let mode = labels.get(names::MODE_LABEL).map(String::as_str);
    match (labels.contains_key(names::OPT_IN_LABEL), Mode::of(mode)) {
        (false, _) => {
            format!("{namespace} is not opted in, so the API server does not ask the webhook")
        }
        (true, Ok(Mode::Off)) => {
            format!("{namespace} is switched off, so the API server does not ask the webhook")
        }
        (true, _) => format!("the question was not answered: {skew} (kubectl namesake doctor)"),
    }
}

fn question(asked: &[SignedText]) -> serde_json::Result<Job> {
    let text = serde_json::to_string(asked)?;
    let mut job = suspended_job("namesake-explain-");
    job.annotations_mut()
        .insert(VERIFY_ANNOTATION.to_owned(), text);
    Ok(job)
}

fn why_not(error: &Error, namespace: &str) -> String {
    let Error::Api(status) = error else {
        return causes(error);
    };
    let message = plain(&status.message);
    if status.code == 403 && message.contains("cannot create resource") {
        return format!(
            "you may not create Jobs in {namespace}, so you cannot ask the webhook there"
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
    fn without_an_answer_the_text_says_only_what_is_known() {
        let place = |labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let mut place = Namespace::default();
            place.labels_mut().extend(labels);
            place
        };
        let opted_in = place(&[("namesake.dev/stack", "prod")]);
        let off = place(&[("namesake.dev/stack", "prod"), ("namesake.dev/mode", "off")]);
        let old =
            || Some("the webhook is 0.0.9, older than this kubectl-namesake 0.1.0".to_owned());
        for (place, skew, text) in [
            (Some(&place(&[])), old(), "research is not opted in, so"),
            (Some(&off), old(), "research is switched off, so"),
            (
                Some(&opted_in),
                old(),
                "the question was not answered: the webhook is 0.0.9, older than",
            ),
            (
                Some(&opted_in),
                None,
                "the question was not answered: the webhook is older than this",
            ),
            (
                None,
                None,
                "research is not opted in or is switched off, or the webhook is older than",
            ),
        ] {
            let why = not_answered("research", place, skew);
            assert!(why.starts_with(text), "{why}");
        }
    }

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
            "you may not create Jobs in research, so you cannot ask the webhook there"
        );
        let down =
            "Internal error occurred: failed calling webhook \"mutate.namesake.dev\": refused";
        assert!(why(500, down).starts_with("the webhook does not answer: Internal error"));
        assert_eq!(why(403, "quota\u{1b} exceeded"), "quota\\u{1b} exceeded");
    }
}
