//! What the rules give to a Job of somebody that says nothing about itself. Pure.

use namesake_core::{
    Claims, Decision, IdentityChoice, Launcher, PodAttributes, Requester, Rules, User,
};

use crate::answer::text::plain;

/// The user that a requester is, or why they are none.
fn user(rules: &Rules, name: &str, groups: &[String]) -> Result<User, String> {
    let requester = Requester {
        username: name.to_owned(),
        groups: groups.to_vec(),
        // Whoever asks for them impersonates them.
        has_credential_id: false,
    };
    let user = rules.user(&requester, |_| None);
    user.map_err(|refusal| match rules.decision_without_user(refusal) {
        Decision::Deny(refusal) => plain(&format!("{}: {}", refusal.reason, refusal.message)),
        _ => KEEPS.to_owned(),
    })
}

const KEEPS: &str = "no rule matches: their pods keep their service account";

/// The identity of a Job without labels, flow, step and project, or why it gets none.
pub(crate) fn identity_of_bare_job(
    rules: &Rules,
    (name, groups): (&str, &[String]),
    namespace: &str,
) -> Result<IdentityChoice, String> {
    let user = user(rules, name, groups)?;
    let decision = rules.decide(&PodAttributes {
        user: &user,
        groups: &rules.mentioned_groups(groups),
        namespace,
        launcher: Launcher::Job,
        claims: Claims {
            flow: None,
            step: None,
            project: None,
            labels: &|_| None,
        },
    });
    match decision {
        Decision::Identity(choice) => Ok(choice),
        Decision::ServiceAccount { rule, name } => {
            Err(plain(&format!("rule {rule} gives service account {name}")))
        }
        Decision::Keep => Err(KEEPS.to_owned()),
        Decision::Deny(refusal) => Err(plain(&format!("{}: {}", refusal.reason, refusal.message))),
    }
}

#[cfg(test)]
mod tests {
    use namesake_core::Source;

    use super::*;

    #[test]
    fn the_rules_decide_with_the_groups_and_the_canonical_name_of_a_person() {
        let text = "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
            cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: keep\nusers: [{requester: \"*@acme.com\"}]\n\
            identities:\n- {name: lab, for: {groups: [ml@acme.com]}, per: [user], project: acme-identities}\n\
            - {name: flows, for: {users: [\"*@acme.com\"]}, per: [user, flow], project: acme-identities}\n\
            rules:\n- {name: gone, match: {user: gone@acme.com}, deny: ask}\n\
            - {name: robot, match: {user: ci@acme.com}, serviceAccount: robot}\n\
            - {name: ml, match: {group: ml@acme.com}, identity: lab}\n\
            - {name: all, match: {user: \"*@acme.com\"}, identity: flows}\n";
        let file = "rules.yaml";
        let rules = Rules::parse(&[Source { file, text }]).unwrap();
        let of = |name: &str, groups: &[String]| {
            identity_of_bare_job(&rules, (name, groups), "research")
        };
        let ml = ["ml@acme.com".to_owned()];
        let choice = of("Alice@acme.com", &ml).unwrap();
        assert_eq!(
            (choice.class.as_str(), choice.user.as_str()),
            ("lab", "alice@acme.com")
        );
        for (name, part) in [
            ("alice@acme.com", "flow"),
            ("gone@acme.com", "DeniedByRule: "),
            ("ci@acme.com", "rule robot gives service account robot"),
            ("stranger@else.com", "no rule matches"),
            ("system:serviceaccount:a:b", "no rule matches"),
        ] {
            let why = of(name, &[]).unwrap_err();
            assert!(why.contains(part), "{name}: {why}");
        }
    }
}
