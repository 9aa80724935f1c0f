//! Whether any pod of a namespace can get anything from the rules.

use crate::rules::{Conditions, Effect, Rule, Rules};

impl Rules {
    /// Whether a rule could give some pod of this namespace an identity or a service account. Ignores conditions on users and
    /// pods, except that an earlier rule may refuse every pod of the namespace.
    #[must_use]
    pub fn can_match_in(&self, namespace: &str) -> bool {
        let mut rules = self
            .model
            .rules
            .iter()
            .filter(|rule| rule.conditions.include(namespace));
        let first =
            rules.find(|rule| self.can_give(rule, namespace) || rule.conditions.match_every_pod());
        first.is_some_and(|rule| self.can_give(rule, namespace))
    }

    fn can_give(&self, rule: &Rule, namespace: &str) -> bool {
        match &rule.effect {
            Effect::Deny { .. } => false,
            Effect::ServiceAccount { .. } => true,
            Effect::Identity { identity } => {
                let class = self.class(identity);
                class.is_none_or(|class| class.entitlement.includes_namespace(namespace))
            }
        }
    }
}

impl Conditions {
    fn include(&self, namespace: &str) -> bool {
        let glob = self.namespace.as_ref();
        glob.is_none_or(|glob| glob.matches(namespace))
    }

    /// Whether they match every pod of their namespaces.
    fn match_every_pod(&self) -> bool {
        let only_namespace = Conditions {
            anyone: self.anyone,
            namespace: self.namespace.clone(),
            ..Conditions::default()
        };
        *self == only_namespace
    }
}

#[cfg(test)]
mod tests {
    use crate::{Rules, Source};

    fn rules(rules: &str) -> Rules {
        let text = format!(
            "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
             cluster: projects/acme/locations/us-central1/clusters/ml\nusers: [{{requester: \"*@acme.com\"}}]\n\
             identities:\n- {{name: lab, for: {{users: [\"*@acme.com\"], namespaces: [research, \"team-*\"]}}, per: [user], project: acme-identities}}\n\
             - {{name: any, for: {{users: [\"*@acme.com\"]}}, per: [user], project: acme-identities}}\n\
             rules:\n{rules}"
        );
        let file = "rules.yaml";
        Rules::parse(&[Source { file, text: &text }]).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_rule_matches_only_in_its_own_namespaces_and_those_of_its_class() {
        let both = rules(
            "- {name: a, match: {user: \"*@acme.com\", namespace: research}, identity: lab}\n",
        );
        assert!(both.can_match_in("research"));
        assert!(!both.can_match_in("try") && !both.can_match_in("team-a"));
        let class_only = rules("- {name: a, match: {user: \"*@acme.com\"}, identity: lab}\n");
        assert!(class_only.can_match_in("team-a") && !class_only.can_match_in("try"));
        assert!(
            rules("- {name: a, match: {user: \"*@acme.com\"}, identity: any}\n")
                .can_match_in("try")
        );
        let account =
            "- {name: a, match: {group: ops@acme.com, namespace: try}, serviceAccount: robot}\n";
        assert!(rules(account).can_match_in("try"));
    }

    #[test]
    fn a_deny_gives_nothing_and_one_for_every_pod_hides_later_rules() {
        let gives = "- {name: b, match: {user: \"*@acme.com\"}, identity: any}\n";
        let all = format!("- {{name: a, match: {{namespace: try}}, deny: closed}}\n{gives}");
        assert!(!rules(&all).can_match_in("try") && rules(&all).can_match_in("research"));
        let some = format!(
            "- {{name: a, match: {{namespace: try, launcher: Pod}}, deny: use a Job}}\n{gives}"
        );
        assert!(rules(&some).can_match_in("try"));
    }
}
