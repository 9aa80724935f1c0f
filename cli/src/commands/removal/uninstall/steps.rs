//! Which commands come next, from what there is. Pure.

use namesake_api::names;
use serde_json::json;

use super::Installed;
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{MAX_PRINTED, count, plain, quoted, some};
use crate::answer::{Answer, Case};

/// A title, and commands.
type Step = (String, Vec<String>);

pub(super) fn answer(there: &Installed) -> Answer {
    let mut steps = Vec::new();
    if !there.opted_in.is_empty() {
        steps.push(opt_out(there));
    }
    if identities(there) > 0 {
        steps.push(delete_identities(there));
    }
    let in_use = !steps.is_empty();
    let is_needed = there.has_shared_objects && !there.others.is_empty();
    if is_needed {
        steps.push(uninstall_others(there));
    }
    let is_refused = !steps.is_empty();
    if !is_refused {
        steps.extend([delete_in_cluster(there), delete_at_google()]);
    }
    let text = introduction(there, in_use, is_needed);
    let commands: Vec<_> = steps
        .iter()
        .flat_map(|(_, commands)| commands.clone())
        .collect();
    // While the uninstall is refused, each step is still to be done.
    let cases = steps.iter().map(|(title, commands)| Case {
        name: title.clone(),
        found: if is_refused {
            commands.clone()
        } else {
            Vec::new()
        },
        skipped: None,
    });
    let cases = cases.collect();
    let steps = steps.iter().enumerate().map(|(at, (title, commands))| {
        let commands: String = commands
            .iter()
            .map(|command| format!("  {command}\n"))
            .collect();
        format!("{}. {title}\n{commands}\n", at + 1)
    });
    let mut text = text + &steps.collect::<String>() + &waiting(there);
    if is_refused && let Some(release) = &there.release {
        text += &keep(release, &there.home);
    }
    Answer {
        text: text + "What each does, and how to check it: docs/uninstall.md\n",
        short: commands.join("\n"),
        json: json!({"stack": there.stack, "namespaces": there.opted_in, "identities": there.identities, "commands": commands}),
        cases,
        status: ExitStatus::of(is_refused, true),
    }
}

/// How many identities the stack has.
fn identities(there: &Installed) -> usize {
    there.identities.values().map(Vec::len).sum()
}

/// Says what the steps are for. `is_needed`: other stacks need what the release has.
fn introduction(there: &Installed, in_use: bool, is_needed: bool) -> String {
    let stack = plain(&there.stack);
    if in_use {
        let namespaces = there.opted_in.len();
        format!(
            "Stack {stack} is in use: {}, {}. The broker is needed until no identity is left, so the commands that delete Namesake are\n\
             printed only then. First, in this order:\n\n",
            count(namespaces, "opted-in namespace", "opted-in namespaces"),
            count(identities(there), "identity", "identities"),
        )
    } else if is_needed {
        format!(
            "Nothing of stack {stack} is in use, but its release has the policies and roles that other stacks need. First:\n\n"
        )
    } else {
        format!(
            "Nothing of stack {stack} is in use. These commands delete the rest, in this order:\n\n"
        )
    }
}

/// Opts all namespaces of a stack out. With the label that an opt-out must keep: the webhook wrote it, unless it did not run at the
/// opt-in.
pub(super) fn opt_out_command(stack: &str) -> String {
    format!(
        "kubectl label namespaces --selector={}={stack} {0}- {}- {}={} --overwrite",
        names::OPT_IN_LABEL,
        names::MODE_LABEL,
        names::WAS_OPTED_IN_LABEL,
        names::WAS_OPTED_IN_VALUE
    )
}

fn opt_out(there: &Installed) -> Step {
    let each = there.opted_in.iter().map(|namespace| {
        let namespace = quoted(namespace);
        format!(
            "kubectl annotate namespace {namespace} {}-",
            names::EPOCH_ANNOTATION
        )
    });
    let first = opt_out_command(&quoted(&there.stack));
    let title = format!(
        "Stop giving identities to pods in {}, and wait for running pods",
        some(&there.opted_in)
    );
    (title, [first].into_iter().chain(each).collect())
}

fn delete_identities(there: &Installed) -> Step {
    if let Some(why) = &there.no_broker {
        let clean = format!("namesake-broker clean --stack {}", quoted(&there.stack));
        let title = format!(
            "Delete the identities. No broker leads (Lease {}/{}: {}), so do what it would do at Google,\n   \
             with credentials for Google that have its permissions; or start it, and run this again",
            plain(&there.home),
            names::BROKER_LEASE,
            plain(why)
        );
        return (title, vec![format!("{clean} --dry-run"), clean]);
    }
    let each = there.identities.iter().flat_map(|(namespace, all)| {
        let quoted_namespace = quoted(namespace);
        let delete = |which: &str, wait: &str| {
            let number = all.len();
            [
                format!("kubectl -n {quoted_namespace} delete identities {which} --wait=false   # {number}"),
                format!("kubectl -n {quoted_namespace} wait --for=delete {wait} --timeout=2h"),
            ]
        };
        if there.shared.contains(namespace) {
            let names: Vec<_> = all.iter().map(|name| quoted(name)).collect();
            let each: Vec<_> = names.iter().map(|name| format!("identities/{name}")).collect();
            delete(&names.join(" "), &each.join(" "))
        } else {
            delete("--all", "identities --all")
        }
    });
    let title = "Delete the identities; the broker deletes their accounts, bindings and grants at Google. If it is gone: \
                 namesake-broker clean";
    (title.to_owned(), each.collect())
}

/// What all stacks share goes with the last of them.
fn uninstall_others(there: &Installed) -> Step {
    let each = there.others.iter().map(|home| {
        format!(
            "kubectl namesake uninstall --system-namespace={}",
            quoted(home)
        )
    });
    let title = format!(
        "Uninstall the other stacks: release {} has what all stacks share, and Helm deletes it with the release",
        plain(there.release.as_deref().unwrap_or_default())
    );
    (title, each.collect())
}

/// What identities that are being deleted wait for.
fn waiting(there: &Installed) -> String {
    if there.waiting.is_empty() {
        return String::new();
    }
    let mut text = "Being deleted:\n".to_owned();
    for (place, why) in there.waiting.iter().take(MAX_PRINTED) {
        text += &format!("  {}: {}\n", plain(place), plain(why));
    }
    if let more @ 1.. = there.waiting.len().saturating_sub(MAX_PRINTED) {
        text += &format!("  and {more} more\n");
    }
    text + "\n"
}

/// How to go on with a release whose uninstall was refused.
fn keep(release: &str, home: &str) -> String {
    let (release, home) = (quoted(release), quoted(home));
    format!(
        "Helm does not upgrade a release whose uninstall was refused. To keep Namesake instead, roll back to the revision that it has:\n  \
         helm history {release} --namespace={home} --max=1\n  \
         helm rollback {release} REVISION --namespace={home}\n\n"
    )
}

fn delete_in_cluster(there: &Installed) -> Step {
    // Not by label: who opted a namespace in by hand may have left the label of another stack.
    let bindings = there.bindings.iter().map(|(namespace, name)| {
        let (namespace, name) = (quoted(namespace), quoted(name));
        format!("kubectl -n {namespace} delete rolebinding {name}")
    });
    let mut commands: Vec<_> = bindings.collect();
    let home = quoted(&there.home);
    match &there.release {
        Some(release) => commands.extend([
            format!("helm uninstall {} --namespace={home}", quoted(release)),
            format!("kubectl delete namespace {home} --ignore-not-found"),
        ]),
        None => commands.extend([
            format!(
                "kubectl delete mutatingwebhookconfigurations,validatingwebhookconfigurations \
                 --selector=app.kubernetes.io/part-of=namesake,app.kubernetes.io/instance={}",
                quoted(&there.stack)
            ),
            "kubectl delete --ignore-not-found -k OVERLAY --selector=app.kubernetes.io/part-of=namesake".to_owned(),
            format!("kubectl get namespace {home} --ignore-not-found   # prints nothing"),
        ]),
    }
    if there.others.is_empty() {
        commands.push("kubectl delete clusterrolebinding namesake-carriers namesake-guarded --ignore-not-found".to_owned());
        let shared = match there.has_shared_objects {
            true => {
                "kubectl delete customresourcedefinition identities.namesake.dev --ignore-not-found"
            }
            false => "kubectl delete --ignore-not-found -k manifests/cluster",
        };
        commands.push(shared.to_owned());
        let label = names::WAS_OPTED_IN_LABEL;
        commands.push(format!(
            "kubectl label namespaces --selector={label} {label}-"
        ));
    }
    let title = match there.others.is_empty() {
        true => "Delete the stack, and what all stacks share",
        false => "Delete the stack; what all stacks share stays",
    };
    (title.to_owned(), commands)
}

fn delete_at_google() -> Step {
    let command = "gcloud iam service-accounts list --project=PROJECT   # no account whose name begins with mf-";
    let title = "Delete the broker at Google: its roles, its account, its custom roles (docs/uninstall.md, step 4). Check";
    (title.to_owned(), vec![command.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;

    fn installed(opted_in: &[&str], identities: &[(&str, usize)]) -> Installed {
        let named = |number: usize| (0..number).map(|at| format!("mf-{at}")).collect();
        Installed {
            stack: "prod".to_owned(),
            home: "namesake-system".to_owned(),
            opted_in: opted_in.iter().map(|&one| one.to_owned()).collect(),
            identities: identities
                .iter()
                .map(|&(one, number)| (one.to_owned(), named(number)))
                .collect(),
            bindings: vec![("research".to_owned(), "namesake-broker".to_owned())],
            ..Installed::default()
        }
    }

    #[test]
    fn while_identities_exist_no_command_deletes_the_broker() {
        for there in [
            installed(&["research"], &[("research", 2)]),
            installed(&[], &[("research", 1)]),
            installed(&["try"], &[]),
        ] {
            for release in [None, Some("namesake".to_owned())] {
                let answer = answer(&Installed {
                    release,
                    ..there.clone()
                });
                assert_eq!(answer.status, ExitStatus::Found);
                let deletes = ["OVERLAY", "webhookconfigurations", "helm uninstall"];
                assert!(
                    !deletes.iter().any(|word| answer.text.contains(word)),
                    "{}",
                    answer.text
                );
            }
        }
        let used = answer(&installed(&["research"], &[("research", 2)]));
        let to_do = used.cases.iter().filter(|case| !case.found.is_empty());
        assert_eq!((used.cases.len(), to_do.count()), (2, 2));
        golden::check_as("uninstall", "uninstall", &used);
    }

    #[test]
    fn the_last_stack_takes_what_all_share_with_it_and_another_does_not() {
        let last = answer(&installed(&[], &[]));
        assert_eq!(last.status, ExitStatus::Fine);
        assert!(last.text.contains("-k manifests/cluster"));
        assert!(last.cases.iter().all(|case| case.found.is_empty()) && last.cases.len() == 2);
        golden::check_as("uninstall-unused", "uninstall", &last);
        let another = Installed {
            others: vec!["namesake-system-blue".to_owned()],
            ..installed(&[], &[])
        };
        assert!(!answer(&another).text.contains("manifests/cluster"));
    }

    #[test]
    fn a_release_with_what_all_stacks_share_is_removed_last() {
        let shared = Installed {
            release: Some("gold".to_owned()),
            others: vec!["namesake-system-blue".to_owned()],
            has_shared_objects: true,
            ..installed(&[], &[])
        };
        let said = answer(&shared);
        assert_eq!(said.status, ExitStatus::Found);
        assert_eq!(
            said.short,
            "kubectl namesake uninstall --system-namespace=namesake-system-blue"
        );
        golden::check_as("uninstall-shared", "uninstall", &said);
        let in_use = answer(&Installed {
            identities: [("research".to_owned(), vec!["mf-0".to_owned()])].into(),
            ..shared.clone()
        });
        assert!(in_use.short.ends_with(&said.short), "{}", in_use.short);
        let others_gone = Installed {
            others: Vec::new(),
            ..shared
        };
        assert_eq!(answer(&others_gone).status, ExitStatus::Fine);
    }

    #[test]
    fn a_release_of_helm_is_removed_by_helm_and_kept_by_a_rollback() {
        let release = Some("gold".to_owned());
        let used = Installed {
            release: release.clone(),
            ..installed(&[], &[("research", 1)])
        };
        let said = answer(&used);
        let keep = "helm rollback gold REVISION --namespace=namesake-system";
        assert!(said.text.contains(keep), "{}", said.text);
        assert!(!said.short.contains("helm"), "{}", said.short);
        let unused = answer(&Installed {
            release,
            has_shared_objects: true,
            ..installed(&[], &[])
        });
        let order = [
            "helm uninstall gold --namespace=namesake-system",
            "delete namespace namesake-system",
            "delete customresourcedefinition identities.namesake.dev",
        ];
        let places: Vec<_> = order.iter().map(|word| unused.text.find(word)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{}", unused.text);
        assert!(!unused.text.contains("-k "), "{}", unused.text);
    }

    #[test]
    fn without_a_broker_the_identities_are_deleted_by_the_command_clean() {
        let waits = "the Identity stays until its Google side is deleted: Google is unavailable";
        let said = answer(&Installed {
            no_broker: Some("no broker holds it".to_owned()),
            release: Some("namesake".to_owned()),
            waiting: vec![("research/mf-0".to_owned(), waits.to_owned())],
            ..installed(&[], &[("research", 2)])
        });
        assert_eq!(
            said.short,
            "namesake-broker clean --stack prod --dry-run\nnamesake-broker clean --stack prod"
        );
        golden::check_as("uninstall-without-broker", "uninstall", &said);
    }

    #[test]
    fn identities_of_another_stack_in_the_same_namespace_are_not_deleted() {
        let said = answer(&Installed {
            shared: ["research".to_owned()].into(),
            ..installed(&[], &[("research", 2)])
        });
        assert!(
            said.short
                .contains("delete identities mf-0 mf-1 --wait=false"),
            "{}",
            said.short
        );
        assert!(!said.short.contains("--all"), "{}", said.short);
    }

    #[test]
    fn what_an_identity_waits_for_is_said_for_the_first_ones() {
        let waiting = |number: usize| {
            let all =
                (0..number).map(|at| (format!("research/mf-{at}"), "Google is away".to_owned()));
            let there = Installed {
                waiting: all.collect(),
                ..installed(&[], &[("research", number)])
            };
            answer(&there).text
        };
        assert!(!waiting(0).contains("Being deleted"));
        let text = waiting(MAX_PRINTED + 2);
        assert!(text.contains("  research/mf-0: Google is away\n"), "{text}");
        assert!(text.contains("  and 2 more\n"), "{text}");
        assert_eq!(text.matches("Google is away").count(), MAX_PRINTED);
    }
}
