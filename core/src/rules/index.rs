//! The index of the rules: a pod is compared only with those whose most selective exact condition it has.

use std::collections::HashMap;

use crate::{
    names::Glob,
    user::{Groups, User},
};

use super::{Effect, Rule};

/// Positions of rules, ascending in each list, by the first of their exact conditions: user, group, flow, namespace; or else by what
/// the name of the user begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RuleIndex {
    of_user: HashMap<String, Vec<usize>>,
    of_group: HashMap<String, Vec<usize>>,
    of_flow: HashMap<String, Vec<usize>>,
    of_namespace: HashMap<String, Vec<usize>>,
    of_user_prefix: HashMap<String, Vec<usize>>,
    /// Rules without such a condition, which can match any pod.
    others: Vec<usize>,
}

impl RuleIndex {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (position, rule) in rules.iter().enumerate() {
            index.list_of(rule).push(position);
        }
        index
    }

    /// The list that a rule belongs to.
    fn list_of(&mut self, rule: &Rule) -> &mut Vec<usize> {
        let conditions = &rule.conditions;
        // A rule with `deny` also matches those whose membership is unknown.
        let group = conditions.group.as_ref();
        let group = group.filter(|_| !matches!(rule.effect, Effect::Deny { .. }));
        let (map, value) = if let Some(user) = exact(conditions.user.as_ref()) {
            (&mut self.of_user, user)
        } else if let Some(group) = group {
            (&mut self.of_group, group.as_str())
        } else if let Some(flow) = exact(conditions.flow.as_ref()) {
            (&mut self.of_flow, flow)
        } else if let Some(namespace) = exact(conditions.namespace.as_ref()) {
            (&mut self.of_namespace, namespace)
        } else if let Some(prefix) = conditions.user.as_ref().and_then(Glob::prefix) {
            (&mut self.of_user_prefix, prefix)
        } else {
            return &mut self.others;
        };
        map.entry(value.to_owned()).or_default()
    }

    /// Positions of all rules that could match a pod of this flow and namespace, whose user and groups are these, ascending.
    pub(crate) fn candidates(
        &self,
        (user, groups): (&User, &Groups),
        flow: Option<&str>,
        namespace: &str,
    ) -> impl Iterator<Item = usize> {
        let user = user.as_str();
        let prefixes = (1..=user.len()).filter_map(|end| user.get(..end));
        let of_prefixes = prefixes.filter_map(|prefix| self.of_user_prefix.get(prefix));
        let of_groups = groups.members().filter_map(|it| self.of_group.get(it));
        let mut lists: Vec<&[usize]> = of_groups
            .chain(self.of_user.get(user))
            .chain(of_prefixes)
            .chain(flow.and_then(|flow| self.of_flow.get(flow)))
            .chain(self.of_namespace.get(namespace))
            .chain([&self.others])
            .map(Vec::as_slice)
            .collect();
        std::iter::from_fn(move || {
            let heads = lists
                .iter_mut()
                .filter_map(|list| Some((*list.first()?, list)));
            let (position, list) = heads.min_by_key(|(position, _)| *position)?;
            *list = list.get(1..).unwrap_or_default();
            Some(position)
        })
    }
}

fn exact(glob: Option<&Glob>) -> Option<&str> {
    glob.filter(|glob| glob.is_exact()).map(Glob::as_str)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{
        decision::PodAttributes,
        rules::{
            Conditions,
            tests::fixtures::{pod_attributes, user},
        },
    };

    fn glob(words: &'static [&'static str]) -> impl Strategy<Value = Option<Glob>> {
        proptest::option::of(select(words).prop_map(Glob::new))
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let account = Effect::ServiceAccount {
            service_account: "a".to_owned(),
        };
        let deny = Effect::Deny {
            deny: "no".to_owned(),
        };
        (
            glob(&["a@x", "b@x", "*@x", "a*", "a@*", "a@x*", "b*x"]),
            proptest::option::of(select(&["g", "h"][..])),
            glob(&["F", "G", "F*"]),
            glob(&["n", "m", "*"]),
            select(vec![account, deny]),
        )
            .prop_map(|(user, group, flow, namespace, effect)| Rule {
                name: String::new(),
                conditions: Conditions {
                    user,
                    group: group.map(str::to_owned),
                    flow,
                    namespace,
                    ..Conditions::default()
                },
                effect,
            })
    }

    proptest! {
        #[test]
        fn the_first_candidate_that_matches_is_the_first_rule_that_matches(
            rules in vec(rule(), 0..12),
            member in any::<[bool; 2]>(),
            mentioned in any::<[bool; 2]>(),
            name in select(&["a@x", "b@x", "c@y"][..]),
            flow in proptest::option::of(select(&["F", "G", "H"][..])),
            namespace in select(&["n", "m", "o"][..]),
        ) {
            let chosen = |which: [bool; 2]| {
                let all = ["g", "h"].into_iter().zip(which);
                all.filter(|(_, is)| *is).map(|(group, _)| group.to_owned())
            };
            let groups = Groups::new(&chosen(mentioned).collect(), &chosen(member).collect::<Vec<_>>());
            let user = user(name);
            let mut pod = PodAttributes { namespace, ..pod_attributes(&user, &groups) };
            pod.claims.flow = flow;
            let matches = |position: &usize| rules[*position].matches(&pod);
            let index = RuleIndex::new(&rules);
            let candidates: Vec<usize> = index.candidates((&user, &groups), flow, namespace).collect();
            prop_assert!(candidates.is_sorted());
            prop_assert_eq!(candidates.into_iter().find(matches), (0..rules.len()).find(matches));
        }
    }
}
