//! By which rules a question is answered.

use super::*;
use crate::api::tests::broker;
use crate::fixtures::rules_with;

#[tokio::test]
async fn a_broker_with_other_rules_than_the_webhooks_waits_for_those_and_then_says_503() {
    let broker = broker();
    let (old, new) = (rules_with(""), rules_with("  mode: direct\n"));
    let wanted = new.revision().to_owned();
    assert_ne!(old.revision(), wanted);
    broker.rules.set(old);
    let error = rules(&broker, Some(&wanted)).await.err().unwrap();
    assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error.reason(), "RulesDiffer");
    assert!(error.message().contains(&wanted), "{}", error.message());
    // Asked just before its own watch shows the edit.
    let asks = rules(&broker, Some(&wanted));
    let edit = async {
        tokio::task::yield_now().await;
        broker.rules.set(new);
    };
    let (answer, ()) = tokio::join!(asks, edit);
    assert_eq!(answer.ok().unwrap().revision(), wanted);
}

#[tokio::test]
async fn a_caller_that_names_no_rules_is_answered_by_those_in_force_once_there_are_some() {
    let broker = broker();
    let none = rules(&broker, None).await.err().unwrap();
    assert_eq!(none.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(none.reason(), "RulesNotLoaded");
    broker.rules.set(rules_with(""));
    assert!(rules(&broker, None).await.is_ok());
}
