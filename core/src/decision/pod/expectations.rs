//! Runs the tests that the rules have about themselves.

use crate::{
    names::quoted,
    rules::{Expectation, Problem, RuleTest, Rules},
    user::Requester,
};

use super::super::{Claims, Decision, PodAttributes};

impl Rules {
    /// How many tests the rules have about themselves.
    #[must_use]
    pub fn count_tests(&self) -> usize {
        self.model.tests.len()
    }

    /// The tests of the rules that fail, each with its place, what the pod gets instead, and by which rule.
    #[must_use]
    pub fn failed_tests(&self) -> Vec<Problem> {
        let tests = self.model.tests.iter();
        tests.filter_map(|test| self.run_test(test)).collect()
    }

    fn run_test(&self, test: &RuleTest) -> Option<Problem> {
        let decision = self.decide_test(test);
        if test.expect.is_met_by(&decision) {
            return None;
        }
        Some(Problem {
            file: test.file.clone(),
            line: test.at.line,
            column: test.at.column,
            key: test.key.clone(),
            what: format!(
                "the test fails: a {} of {} in {} {}, and the test expects that it {}",
                test.object.launcher.as_str(),
                test.requester,
                test.namespace,
                describe(&decision),
                test.expect.describe()
            ),
            remedy: "correct the rules, or what the test expects".to_owned(),
        })
    }

    fn decide_test(&self, test: &RuleTest) -> Decision {
        let object = &test.object;
        let requester = Requester {
            username: test.requester.clone(),
            groups: test.groups.clone(),
            has_credential_id: true,
        };
        let user = match self.user(&requester, |key| object.annotations.get(key).cloned()) {
            Ok(user) => user,
            Err(refusal) => return self.decision_without_user(refusal),
        };
        self.decide(&PodAttributes {
            user: &user,
            groups: &self.mentioned_groups(&test.groups),
            namespace: &test.namespace,
            launcher: object.launcher,
            claims: Claims {
                flow: object.flow.as_deref(),
                step: object.step.as_deref(),
                project: object.project.as_deref(),
                labels: &|key| object.labels.get(key).map(String::as_str),
            },
        })
    }
}

impl Expectation {
    fn is_met_by(&self, decision: &Decision) -> bool {
        match (self, decision) {
            (Self::Identity { class, user }, Decision::Identity(choice)) => {
                *class == choice.class && user.as_ref().is_none_or(|user| *user == choice.user)
            }
            (Self::ServiceAccount(name), Decision::ServiceAccount { name: got, .. }) => name == got,
            (Self::Keep, Decision::Keep) => true,
            (Self::Refused(reason), Decision::Deny(refusal)) => *reason == refusal.reason,
            _ => false,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Identity { class, user: None } => format!("gets identity {class}"),
            Self::Identity {
                class,
                user: Some(user),
            } => format!("gets identity {class} of {user}"),
            Self::ServiceAccount(name) => format!("gets service account {name}"),
            Self::Keep => "keeps its service account".to_owned(),
            Self::Refused(reason) => format!("is refused: {reason}"),
        }
    }
}

/// What a pod gets, and why, as the end of a sentence about the pod.
fn describe(decision: &Decision) -> String {
    match decision {
        Decision::Identity(choice) => format!(
            "gets identity {} of {} (rule {})",
            choice.class, choice.user, choice.rule
        ),
        Decision::ServiceAccount { rule, name } => {
            format!("gets service account {} (rule {rule})", quoted(name))
        }
        Decision::Keep => "keeps its service account, because no rule matches".to_owned(),
        Decision::Deny(refusal) => match &refusal.rule {
            Some(rule) => format!("is refused: {} (rule {rule})", refusal.reason),
            None => format!("is refused: {}", refusal.reason),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::{Rules, RulesErrors, Source};

    const RULES: &str = "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
        cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: keep\n\
        users: [{requester: \"*@acme.com\"}, {requester: ci, claim: \"annotation:for\", mayClaim: [\"*@acme.com\"]}]\n\
        identities:\n- {name: lab, for: {users: [\"*@acme.com\"]}, per: [user], project: acme-identities}\n\
        rules:\n- {name: gpu, match: {group: gpu@acme.com, labels: {gpu: \"*\"}}, serviceAccount: gpu-robot}\n\
        - {name: closed, match: {namespace: closed, user: \"*\"}, deny: it is closed}\n\
        - {name: all, match: {user: \"*@acme.com\"}, identity: lab}\n";

    fn parse(tests: &str) -> Result<Rules, RulesErrors> {
        let text = format!("{RULES}tests:\n{tests}");
        Rules::parse(&[Source {
            file: "rules.yaml",
            text: &text,
        }])
    }

    fn failed(tests: &str) -> Vec<String> {
        let rules = parse(tests).unwrap_or_else(|errors| panic!("{errors}"));
        let failed = rules.failed_tests();
        failed.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_that_hold_do_not_fail() {
        let tests = "- {as: alice@acme.com, in: research, expect: {identity: lab}}\n\
            - {as: Alice@acme.com, in: research, expect: {identity: lab, user: alice@acme.com}}\n\
            - {as: alice@acme.com, groups: [gpu@acme.com], in: research, object: {labels: {gpu: a100}}, expect: {serviceAccount: gpu-robot}}\n\
            - {as: alice@acme.com, in: closed, object: {launcher: CronJob, flow: F}, expect: {refused: DeniedByRule}}\n\
            - {as: ci, in: research, expect: {refused: MissingClaim}}\n\
            - {as: ci, in: research, object: {annotations: {for: bob@acme.com}}, expect: {identity: lab, user: bob@acme.com}}\n\
            - {as: stranger@else.com, in: research, expect: keep}\n";
        assert_eq!(failed(tests), [""; 0]);
        assert_eq!(parse(tests).unwrap().count_tests(), 7);
    }

    #[test]
    fn each_test_that_fails_says_where_and_what_the_pod_gets_instead() {
        let tests = "- {as: alice@acme.com, in: research, expect: {serviceAccount: robot}}\n\
            - {as: alice@acme.com, in: research, expect: {identity: lab, user: bob@acme.com}}\n\
            - {as: alice@acme.com, in: closed, expect: keep}\n\
            - {as: stranger@else.com, in: research, expect: {refused: UnknownRequester}}\n";
        assert_eq!(
            failed(tests),
            [
                "rules.yaml:14:46: tests[0].expect: the test fails: a Job of alice@acme.com in research gets identity lab of \
                 alice@acme.com (rule all), and the test expects that it gets service account robot: correct the rules, or what the \
                 test expects",
                "rules.yaml:15:46: tests[1].expect: the test fails: a Job of alice@acme.com in research gets identity lab of \
                 alice@acme.com (rule all), and the test expects that it gets identity lab of bob@acme.com: correct the rules, or \
                 what the test expects",
                "rules.yaml:16:44: tests[2].expect: the test fails: a Job of alice@acme.com in closed is refused: DeniedByRule (rule \
                 closed), and the test expects that it keeps its service account: correct the rules, or what the test expects",
                "rules.yaml:17:49: tests[3].expect: the test fails: a Job of stranger@else.com in research keeps its service \
                 account, because no rule matches, and the test expects that it is refused: UnknownRequester: correct the rules, or \
                 what the test expects",
            ]
        );
    }

    #[test]
    fn tests_do_not_change_the_revision_of_the_rules() {
        let without = parse("  []\n").unwrap();
        let with = parse("- {as: alice@acme.com, in: research, expect: keep}\n").unwrap();
        assert_eq!(without.revision(), with.revision());
        assert!(!with.to_yaml().contains("expect"));
    }

    #[test]
    fn a_test_that_cannot_be_read_is_a_problem_of_the_rules() {
        for (tests, problem) in [
            (
                "- {in: research, expect: keep}\n",
                "tests[0]: the key as is missing",
            ),
            (
                "- {as: a@acme.com, in: \"*\", expect: keep}\n",
                "tests[0].in: \"*\" is not a namespace",
            ),
            (
                "- {as: a@acme.com, in: r, expect: lose}\n",
                "tests[0].expect: \"lose\" is not expected of a pod",
            ),
            (
                "- {as: a@acme.com, in: r, expect: {}}\n",
                "tests[0].expect: not exactly one thing",
            ),
            (
                "- {as: a@acme.com, in: r, expect: {identity: lab, refused: NoMatch}}\n",
                "not exactly one thing",
            ),
            (
                "- {as: a@acme.com, in: r, expect: {refused: Nope}}\n",
                "tests[0].expect.refused: \"Nope\" is not a reason",
            ),
            (
                "- {as: a@acme.com, in: r, object: {kind: Job}, expect: keep}\n",
                "tests[0].object.kind: this key is unknown",
            ),
            (
                "- {as: a@acme.com, in: r, object: {labels: {a: [b]}}, expect: keep}\n",
                "tests[0].object.labels.a: text is expected",
            ),
        ] {
            let errors = parse(tests).unwrap_err().to_string();
            assert!(errors.contains(problem), "{tests}: {errors}");
        }
    }
}
