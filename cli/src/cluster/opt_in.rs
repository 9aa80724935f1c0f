//! Whether the webhook is asked about the pods of a namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};
use namesake_api::names;
use namesake_webhook::decide::mode::Mode;

use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::cluster::connect::Session;

/// Why the webhook of a stack is not asked about a namespace, if it is not; and what could not be seen.
pub(crate) async fn why_not_asked(
    session: &Session,
    namespace: &str,
    stack: &str,
) -> Result<(Option<String>, Option<String>), Failure> {
    let api: Api<Namespace> = Api::all(session.client.clone());
    let what = format!("read namespace {}", plain(namespace));
    match api.get_opt(namespace).await.map_err(Failure::to(what)) {
        Ok(found) => Ok((not_asked(found.as_ref(), stack), None)),
        Err(Failure::Forbidden { .. }) => {
            Ok((None, Some("whether the namespace is opted in".to_owned())))
        }
        Err(failure) => Err(failure),
    }
}

fn not_asked(namespace: Option<&Namespace>, stack: &str) -> Option<String> {
    let Some(namespace) = namespace else {
        return Some("there is no such namespace".to_owned());
    };
    let labels = namespace.labels();
    let of_stack = labels.get(names::OPT_IN_LABEL);
    match Mode::of(labels.get(names::MODE_LABEL).map(String::as_str)) {
        _ if of_stack.is_none() => Some("the namespace is not opted in".to_owned()),
        _ if of_stack.map(String::as_str) != Some(stack) => Some(format!(
            "the namespace is of stack {}",
            plain(&of_stack.cloned().unwrap_or_default())
        )),
        Ok(Mode::Off) => Some("the namespace is switched off".to_owned()),
        Ok(Mode::Shadow) => Some("the namespace is in shadow mode".to_owned()),
        Ok(Mode::Enforce) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_namespace_that_is_not_opted_in_is_named() {
        let namespace = |labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let mut namespace = Namespace::default();
            namespace.metadata.labels = Some(labels.collect::<BTreeMap<_, _>>());
            namespace
        };
        let reason = |labels: &[(&str, &str)]| {
            not_asked(Some(&namespace(labels)), "prod").unwrap_or_default()
        };
        let of = (names::OPT_IN_LABEL, "prod");
        assert_eq!(reason(&[of]), "");
        assert_eq!(reason(&[]), "the namespace is not opted in");
        assert_eq!(
            reason(&[(names::OPT_IN_LABEL, "dev")]),
            "the namespace is of stack dev"
        );
        assert_eq!(
            reason(&[of, (names::MODE_LABEL, "off")]),
            "the namespace is switched off"
        );
        assert_eq!(
            reason(&[of, (names::MODE_LABEL, "shadow")]),
            "the namespace is in shadow mode"
        );
        assert!(not_asked(None, "prod").is_some());
    }
}
