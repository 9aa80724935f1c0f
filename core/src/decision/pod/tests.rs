use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rules::tests::fixtures::{everything, example, groups, pod_attributes, user};
use crate::{Claims, Groups, Launcher, Per};

fn denied(decision: Decision) -> (Option<String>, Reason, String) {
    match decision {
        Decision::Deny(refusal) => (refusal.rule, refusal.reason, refusal.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_gives_alice_her_identity() {
    let (rules, alice) = (example(), user("alice@acme.com"));
    let groups = groups(&rules, &[]);
    let labels = |key: &str| (key == "team").then_some("ml");
    let pod = pod_attributes(&alice, &groups);
    let decision = rules.decide(&PodAttributes {
        claims: Claims {
            labels: &labels,
            ..pod.claims
        },
        ..pod
    });
    let Decision::Identity(choice) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (choice.rule.as_str(), choice.class.as_str()),
        ("everyone", "research")
    );
    assert_eq!(
        choice.values,
        BTreeMap::from([(Per::User, "alice@acme.com".to_owned())])
    );
    assert_eq!(choice.name.as_str(), "mf-alice-4k72lwgc2tsmxd");
}

#[test]
fn the_first_rule_that_matches_applies() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let member = groups(&rules, &["billing@acme.com"]);
    let gpu = |key: &str| (key == "gpu").then_some("");
    let pod = PodAttributes {
        namespace: "prod",
        ..pod_attributes(&alice, &member)
    };
    let billing = Claims {
        flow: Some("BillingFlow"),
        ..pod.claims
    };
    let account = Decision::ServiceAccount {
        rule: "billing".to_owned(),
        name: "metaflow-billing".to_owned(),
    };
    assert_eq!(
        rules.decide(&PodAttributes {
            claims: billing,
            ..pod
        }),
        account
    );
    let (rule, reason, message) = denied(rules.decide(&PodAttributes {
        claims: Claims {
            labels: &gpu,
            ..billing
        },
        ..pod
    }));
    assert_eq!(
        (rule.as_deref(), reason),
        (Some("no-gpu"), Reason::DeniedByRule)
    );
    assert_eq!(
        message,
        "Rule no-gpu refuses pods of alice@acme.com here: GPUs are on the other cluster: ask #ml-platform"
    );
}

#[test]
fn every_condition_must_hold() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let (member, other) = (groups(&rules, &["billing@acme.com"]), groups(&rules, &[]));
    let pod = PodAttributes {
        namespace: "prod",
        ..pod_attributes(&alice, &member)
    };
    let billing = PodAttributes {
        claims: Claims {
            flow: Some("BillingFlow"),
            ..pod.claims
        },
        ..pod
    };
    let is_billing =
        |pod: &PodAttributes<'_>| matches!(rules.decide(pod), Decision::ServiceAccount { .. });
    assert!(is_billing(&billing));
    assert!(!is_billing(&pod));
    assert!(!is_billing(&PodAttributes {
        groups: &other,
        ..billing
    }));
    assert!(!is_billing(&PodAttributes {
        namespace: "research",
        ..billing
    }));
    assert!(!is_billing(&PodAttributes {
        claims: Claims {
            flow: Some("XBilling"),
            ..pod.claims
        },
        ..billing
    }));
}

#[test]
fn an_unknown_group_matches_no_rule_that_gives_something_and_every_deny() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let unknown = Groups::default();
    let pod = PodAttributes {
        namespace: "prod",
        ..pod_attributes(&alice, &unknown)
    };
    let billing = PodAttributes {
        claims: Claims {
            flow: Some("BillingFlow"),
            ..pod.claims
        },
        ..pod
    };
    assert_eq!(denied(rules.decide(&billing)).0.as_deref(), Some("barred"));
    let known = groups(&rules, &[]);
    assert!(
        !matches!(rules.decide(&PodAttributes { groups: &known, ..billing }), Decision::Deny(r) if r.rule.as_deref() == Some("barred"))
    );
}

#[test]
fn a_class_is_only_for_those_in_its_for() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let (release, none) = (groups(&rules, &["release@acme.com"]), groups(&rules, &[]));
    let claims = Claims {
        flow: Some("F"),
        step: Some("start"),
        project: Some("churn"),
        labels: &|_| None,
    };
    let pod = PodAttributes {
        namespace: "prod-eu",
        claims,
        ..pod_attributes(&alice, &release)
    };
    assert!(
        matches!(rules.decide(&pod), Decision::Identity(choice) if choice.class == "pipeline" && choice.values.len() == 3)
    );
    let (rule, reason, message) = denied(rules.decide(&PodAttributes {
        groups: &none,
        ..pod
    }));
    assert_eq!(
        (rule.as_deref(), reason),
        (Some("release"), Reason::NotEntitled)
    );
    assert_eq!(
        message,
        "Rule release matched this pod. Class pipeline is not for alice@acme.com, nor for a group that alice@acme.com is proven \
         to be in. Ask the admin of stack dev to add the user to the class, or for another rule."
    );
    let (_, _, message) = denied(rules.decide(&PodAttributes {
        namespace: "production",
        ..pod
    }));
    assert_eq!(
        message,
        "Rule release matched this pod. Class pipeline is not for namespace \"production\", where alice@acme.com requested it. \
         Ask the admin of stack dev to add the namespace to the class, or for another rule."
    );
}

#[test]
fn a_pod_that_does_not_name_a_value_of_per_is_refused() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let release = groups(&rules, &["release@acme.com"]);
    let whole = Claims {
        flow: Some("F"),
        step: Some("start"),
        project: Some("churn"),
        labels: &|_| None,
    };
    let decide = |claims| {
        denied(rules.decide(&PodAttributes {
            namespace: "prod",
            claims,
            ..pod_attributes(&alice, &release)
        }))
    };
    for claims in [
        Claims {
            project: None,
            ..whole
        },
        Claims {
            step: Some(""),
            ..whole
        },
        Claims {
            flow: None,
            ..whole
        },
    ] {
        assert_eq!(decide(claims).1, Reason::MissingValue);
    }
    assert_eq!(
        decide(Claims {
            project: None,
            ..whole
        })
        .2,
        "Rule release matched this pod. Class pipeline has one identity for each project, and this pod of alice@acme.com names no project. Start it with Metaflow \
         so that it names its project (add @project to the flow), or ask your admin for another class."
    );
    for claims in [
        Claims {
            project: Some("../x"),
            ..whole
        },
        Claims {
            step: Some("a\nb"),
            ..whole
        },
    ] {
        assert_eq!(decide(claims).1, Reason::IllegalValue);
    }
}

#[test]
fn a_pod_that_no_rule_matches_is_refused_or_kept() {
    let alice = user("alice@acme.com");
    let rules = example();
    let known = groups(&rules, &[]);
    let pod = pod_attributes(&alice, &known);
    let (rule, reason, message) = denied(rules.decide(&PodAttributes {
        claims: Claims {
            flow: Some("Hello"),
            ..pod.claims
        },
        ..pod
    }));
    assert_eq!((rule, reason), (None, Reason::NoMatch));
    assert_eq!(
        message,
        "No rule matched this pod of alice@acme.com (namespace research, launcher Job, flow \"Hello\"). Change the pod \
         so that a rule of stack prod matches, or ask your admin for a rule."
    );
    let (rules, bob) = (everything(), user("bob@elsewhere.example"));
    let known = groups(&rules, &[]);
    assert_eq!(rules.decide(&pod_attributes(&bob, &known)), Decision::Keep);
}

#[test]
fn an_offboarded_user_gets_nothing() {
    let mallory = user("mallory@acme.com");
    for rules in [example(), everything()] {
        let known = groups(&rules, &[]);
        let (_, reason, message) = denied(rules.decide(&pod_attributes(&mallory, &known)));
        assert_eq!(reason, Reason::Offboarded);
        let stack = rules.stack();
        assert_eq!(
            message,
            format!(
                "mallory@acme.com is offboarded in the rules of stack {stack}. Ask your admin if that is wrong."
            )
        );
    }
}

#[test]
fn the_launcher_is_what_created_the_pod() {
    let (rules, alice) = (everything(), user("alice@acme.com"));
    let release = groups(&rules, &["release@acme.com"]);
    let pod = PodAttributes {
        namespace: "prod",
        launcher: Launcher::Pod,
        ..pod_attributes(&alice, &release)
    };
    assert!(matches!(rules.decide(&pod), Decision::Identity(choice) if choice.rule == "everyone"));
}

proptest! {
    #[test]
    fn no_claim_causes_a_panic_or_gives_more_than_is_proven(
        flow in any::<Option<String>>(), step in any::<Option<String>>(), project in any::<Option<String>>(), value in any::<String>()
    ) {
        let (rules, eve) = (everything(), user("eve@elsewhere.example"));
        let known = groups(&rules, &[]);
        let labels = |_: &str| Some(value.as_str());
        let claims = Claims { flow: flow.as_deref(), step: step.as_deref(), project: project.as_deref(), labels: &labels };
        let decision = rules.decide(&PodAttributes { claims, ..pod_attributes(&eve, &known) });
        let is_power = matches!(decision, Decision::ServiceAccount { .. } | Decision::Identity(_));
        // The one rule that says `anyone: true` asks for a project and a step.
        prop_assert!(!is_power || (step.as_deref() == Some("start") && project.is_some_and(|name| name.starts_with("churn"))));
    }
}
