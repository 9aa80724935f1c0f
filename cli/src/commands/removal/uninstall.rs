//! `uninstall`: the order and the commands of docs/uninstall.md, with the names of this stack. Writes nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use serde_json::json;

use crate::answer::Answer;
use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, quoted, some};
use crate::cluster::connect::Session;
use crate::cluster::identities;
use crate::cluster::rules_of_stack::stack_name;

/// Labels of the bindings of `manifests/opt-in`.
const OPT_IN_BINDINGS: &str =
    "app.kubernetes.io/part-of=namesake,app.kubernetes.io/component=opt-in";

/// What the order depends on.
struct Installed {
    stack: String,
    home: String,
    /// Namespaces that are opted in to the stack.
    opted_in: Vec<String>,
    /// How many identities of the stack each namespace has.
    identities: BTreeMap<String, usize>,
    /// The bindings that gave the stack rights in opted-in namespaces: namespace and name.
    bindings: Vec<(String, String)>,
    /// Whether the cluster has other stacks.
    others: bool,
}

pub(crate) async fn run(session: &Session) -> Result<Answer, Failure> {
    let stack = stack_name(session).await?;
    let namespaces: Api<Namespace> = Api::all(session.client.clone());
    let all = namespaces.list_metadata(&ListParams::default()).await;
    let all = all.map_err(Failure::to("list the namespaces"))?.items;
    let is_in = |one: &&kube::api::PartialObjectMeta<Namespace>| {
        one.labels().get(names::OPT_IN_LABEL) == Some(&stack)
    };
    let opted_in = all
        .iter()
        .filter(is_in)
        .map(ResourceExt::name_any)
        .collect();
    let is_other = |name: String| names::is_system_namespace(&name) && name != session.home;
    let others = all.iter().map(ResourceExt::name_any).any(is_other);
    let bindings = bindings(session).await?;
    let everywhere = Session {
        namespace: None,
        ..session.clone()
    };
    let of_stack = identities::list(&everywhere).await?;
    let of_stack = of_stack.iter().filter(|one| one.spec.stack == stack);
    let mut by_namespace = BTreeMap::new();
    for namespace in of_stack.filter_map(|one: &Identity| one.namespace()) {
        *by_namespace.entry(namespace).or_default() += 1;
    }
    Ok(answer(&Installed {
        stack,
        home: session.home.clone(),
        opted_in,
        identities: by_namespace,
        bindings,
        others,
    }))
}

/// The bindings of `manifests/opt-in` to the stack's accounts.
async fn bindings(session: &Session) -> Result<Vec<(String, String)>, Failure> {
    let all: Api<RoleBinding> = Api::all(session.client.clone());
    let all = all
        .list(&ListParams::default().labels(OPT_IN_BINDINGS))
        .await;
    let all = all.map_err(Failure::to("list the RoleBindings"))?.items;
    let is_ours = |binding: &&RoleBinding| {
        let mut subjects = binding.subjects.iter().flatten();
        subjects.any(|subject| subject.namespace.as_deref() == Some(session.home.as_str()))
    };
    let ours = all.iter().filter(is_ours);
    Ok(ours
        .map(|one| (one.namespace().unwrap_or_default(), one.name_any()))
        .collect())
}

fn answer(there: &Installed) -> Answer {
    let mut steps = Vec::new();
    let number: usize = there.identities.values().sum();
    if !there.opted_in.is_empty() {
        steps.push(opt_out(there));
    }
    if number > 0 {
        steps.push(delete_identities(there));
    }
    let text = if steps.is_empty() {
        steps.extend([delete_in_cluster(there), delete_at_google()]);
        format!(
            "Nothing of stack {} is in use. These commands delete the rest, in this order:\n\n",
            there.stack
        )
    } else {
        format!(
            "Stack {} is in use: {}, {}. The broker is needed until no identity is left, so the commands that delete Namesake are\n\
             printed only then. First, in this order:\n\n",
            there.stack,
            count(
                there.opted_in.len(),
                "opted-in namespace",
                "opted-in namespaces"
            ),
            count(number, "identity", "identities"),
        )
    };
    let in_use = number > 0 || !there.opted_in.is_empty();
    let commands: Vec<_> = steps
        .iter()
        .flat_map(|(_, commands)| commands.clone())
        .collect();
    let steps = steps.iter().enumerate().map(|(at, (title, commands))| {
        let commands: String = commands
            .iter()
            .map(|command| format!("  {command}\n"))
            .collect();
        format!("{}. {title}\n{commands}\n", at + 1)
    });
    let end = "What each does, and how to check it: docs/uninstall.md\n";
    Answer {
        text: text + &steps.collect::<String>() + end,
        short: commands.join("\n"),
        json: json!({"stack": there.stack, "namespaces": there.opted_in, "identities": there.identities, "commands": commands}),
        cases: Vec::new(),
        status: ExitStatus::of(in_use, true),
    }
}

/// A title, and commands.
type Step = (String, Vec<String>);

fn opt_out(there: &Installed) -> Step {
    let stack = format!("{}={}", names::OPT_IN_LABEL, quoted(&there.stack));
    let each = there.opted_in.iter().map(|namespace| {
        let namespace = quoted(namespace);
        format!(
            "kubectl annotate namespace {namespace} {}-",
            names::EPOCH_ANNOTATION
        )
    });
    let first = format!(
        "kubectl label namespaces --selector={stack} {}- {}-",
        names::OPT_IN_LABEL,
        names::MODE_LABEL
    );
    let title = format!(
        "Stop giving identities to pods in {}, and wait for running pods",
        some(&there.opted_in)
    );
    (title, [first].into_iter().chain(each).collect())
}

fn delete_identities(there: &Installed) -> Step {
    let each = there.identities.iter().flat_map(|(namespace, number)| {
        let quoted = quoted(namespace);
        [
            format!("kubectl -n {quoted} delete identities --all --wait=false   # {number}"),
            format!("kubectl -n {quoted} wait --for=delete identities --all --timeout=2h"),
        ]
    });
    let title = "Delete the identities; the broker deletes their accounts, bindings and grants at Google. If it is gone: \
                 namesake-broker clean";
    (title.to_owned(), each.collect())
}

fn delete_in_cluster(there: &Installed) -> Step {
    let selector = format!(
        "--selector=app.kubernetes.io/part-of=namesake,app.kubernetes.io/instance={}",
        quoted(&there.stack)
    );
    // Not by label: who opted a namespace in by hand may have left the label of another stack.
    let bindings = there.bindings.iter().map(|(namespace, name)| {
        let (namespace, name) = (quoted(namespace), quoted(name));
        format!("kubectl -n {namespace} delete rolebinding {name}")
    });
    let mut commands: Vec<_> = bindings.collect();
    commands.extend([
        format!("kubectl delete mutatingwebhookconfigurations,validatingwebhookconfigurations {selector}"),
        "kubectl delete --ignore-not-found -k OVERLAY --selector=app.kubernetes.io/part-of=namesake".to_owned(),
        format!("kubectl get namespace {} --ignore-not-found   # prints nothing", there.home),
    ]);
    if !there.others {
        commands.push("kubectl delete clusterrolebinding namesake-carriers namesake-guarded --ignore-not-found".to_owned());
        commands.push("kubectl delete --ignore-not-found -k manifests/cluster".to_owned());
        let label = names::WAS_OPTED_IN_LABEL;
        commands.push(format!(
            "kubectl label namespaces --selector={label} {label}-"
        ));
    }
    let title = match there.others {
        true => "Delete the stack; what all stacks share stays",
        false => "Delete the stack, and what all stacks share",
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
        Installed {
            stack: "prod".to_owned(),
            home: "namesake-system".to_owned(),
            opted_in: opted_in.iter().map(|&one| one.to_owned()).collect(),
            identities: identities
                .iter()
                .map(|&(one, number)| (one.to_owned(), number))
                .collect(),
            bindings: vec![("research".to_owned(), "namesake-broker".to_owned())],
            others: false,
        }
    }

    #[test]
    fn while_identities_exist_no_command_deletes_the_broker() {
        for there in [
            installed(&["research"], &[("research", 2)]),
            installed(&[], &[("research", 1)]),
            installed(&["try"], &[]),
        ] {
            let answer = answer(&there);
            assert_eq!(answer.status, ExitStatus::Found);
            assert!(
                !answer.text.contains("OVERLAY") && !answer.text.contains("webhookconfigurations"),
                "{}",
                answer.text
            );
        }
        let used = answer(&installed(&["research"], &[("research", 2)]));
        golden::check_as("uninstall", "uninstall", &used);
    }

    #[test]
    fn the_last_stack_takes_what_all_share_with_it_and_another_does_not() {
        let last = answer(&installed(&[], &[]));
        assert_eq!(last.status, ExitStatus::Fine);
        assert!(last.text.contains("-k manifests/cluster"));
        golden::check_as("uninstall-unused", "uninstall", &last);
        let another = Installed {
            others: true,
            ..installed(&[], &[])
        };
        assert!(!answer(&another).text.contains("manifests/cluster"));
    }
}
