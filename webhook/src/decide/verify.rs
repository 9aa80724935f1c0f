//! Verifies signed texts for people, who ask by a dry run of a Job.
//!
//! Whoever asks brings each text, and learns whether it is valid; nothing is looked up for the answer. The namespace is that of the
//! request, in which the API server let the requester create Jobs: nobody asks about another one.

use namesake_api::names::{VERIFIED_ANNOTATION, VERIFY_ANNOTATION};
use namesake_api::{MAX_SIGNED_TEXTS, SignedText, Validity};
use namesake_core::{ExistingPod, Resolution, SealError, SeenObject};

use crate::decide::context::AdmissionContext;
use crate::decide::kinds;
use crate::decide::who::stamp;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Verdict};
use crate::review::{Object, Request};

/// Whether a request only asks: a dry run of a new Job with a question.
#[must_use]
pub fn is_question(request: &Request<'_>) -> bool {
    let is_job = request.kind.group.as_str() == "batch" && request.kind.kind.as_str() == "Job";
    is_job
        && request.is_dry_run()
        && request.is_whole_object()
        && request.operation.as_str() == "CREATE"
        && question(request).is_some()
}

/// Answers a question.
#[must_use]
pub fn answer(context: &AdmissionContext, request: &Request<'_>) -> Verdict {
    let facts = Facts::of_requester(&request.user_info.username, Outcome::Verified);
    match validities(context, request) {
        Ok((object, validities)) => {
            // Words and texts only, so serialization cannot fail.
            let text = serde_json::to_string(&validities).unwrap_or_default();
            let mut patch = Patch::default();
            patch.set_annotations(&object.metadata, &[(VERIFIED_ANNOTATION, Some(&text))]);
            Verdict::change(patch, facts)
        }
        Err(refused) => Verdict::refuse(refused, facts),
    }
}

fn question<'r>(request: &'r Request<'_>) -> Option<(&'r Object<'r>, &'r str)> {
    let object = request.object.as_ref()?;
    Some((object, object.metadata.annotation(VERIFY_ANNOTATION)?))
}

fn validities<'r>(
    context: &AdmissionContext,
    request: &'r Request<'_>,
) -> Result<(&'r Object<'r>, Vec<Validity>), Refused> {
    let unreadable = |why: &str| {
        Refused::bad_request(format!(
            "the annotation {VERIFY_ANNOTATION} is not a question that this webhook understands: {why}; use kubectl-namesake of the \
             same release"
        ))
    };
    let (object, text) = question(request).ok_or_else(|| unreadable("there is none"))?;
    let asked: Vec<SignedText> =
        serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
    if asked.len() > MAX_SIGNED_TEXTS {
        return Err(unreadable(&format!("more than {MAX_SIGNED_TEXTS} texts")));
    }
    let validity = |one: &SignedText| match verify(context, &request.namespace, one) {
        Ok(()) => Validity::Valid,
        Err(error) => Validity::Invalid(error.to_string()),
    };
    Ok((object, asked.iter().map(validity).collect()))
}

fn verify(
    context: &AdmissionContext,
    namespace: &str,
    asked: &SignedText,
) -> Result<(), SealError> {
    match asked {
        SignedText::Stamp {
            text,
            kind,
            name,
            generate_name,
            uid,
            created,
        } => {
            let known = kinds::named(kind);
            let namespace = known.map_or(namespace, |(kind, _)| kind.stamp_namespace(namespace));
            let seen = SeenObject {
                stack: context.rules.stack(),
                namespace,
                kind,
                name,
                generate_name: generate_name.as_deref(),
                uid,
                created: *created,
                epoch: context.epoch_of(namespace),
            };
            stamp::verify(context, text, &seen).map(drop)
        }
        SignedText::Resolution {
            text,
            name,
            generate_name,
            service_account,
        } => {
            let pod = ExistingPod {
                stack: context.rules.stack(),
                namespace,
                service_account,
                name,
                generate_name: generate_name.as_deref(),
                epoch: &context.epoch,
            };
            if pod.epoch.is_empty() {
                return Err(SealError::Epoch);
            }
            Resolution::verify_existing(text, &context.keys, &pod).map(drop)
        }
    }
}
