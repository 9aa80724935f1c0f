//! Entering a running pod: whoever enters it acts as the pod's user.

use namesake_core::{Reason, Text, User, is_managed_name};

use crate::decide::known::KnownIdentity;
use crate::decide::validate::guarded::{Guarded, RunningPod};
use crate::review::refused::Refused;

/// SIGTERM and SIGKILL, which Argo sends.
const SIGNALS: [&str; 2] = ["15", "9"];
/// The commands of Argo's executor in a container: by its name in its own image, by its path where it was copied.
const EXECUTORS: [&str; 2] = ["argoexec", "/var/run/argo/argoexec"];

/// The pod in the name of a CONNECT request. The API server's proxy takes `[SCHEME:]NAME[:PORT]`, as
/// `k8s.io/apimachinery/pkg/util/net.SplitSchemeNamePort` reads it; the others take a name.
#[must_use]
pub fn pod_name<'n>(sub_resource: &str, name: &'n str) -> &'n str {
    if sub_resource != "proxy" {
        return name;
    }
    let parts: Vec<&str> = name.split(':').collect();
    match parts[..] {
        [pod, _] | ["" | "http" | "https", pod, _] => pod,
        // A name that the proxy cannot parse is not a pod's.
        _ => name,
    }
}

/// Whether a command is how Argo's controller stops a container: a signal to its first process, and nothing else. What the
/// annotations `kill-cmd-…` of a pod contain is not.
#[must_use]
pub fn is_kill_command(options: &Guarded<'_>) -> bool {
    let command: Vec<&str> = options.command.iter().flatten().map(Text::as_str).collect();
    let is_interactive = options.stdin == Some(true) || options.tty == Some(true);
    !is_interactive
        && match command[..] {
            [executor, "kill", signal, "1"] => {
                EXECUTORS.contains(&executor) && SIGNALS.contains(&signal)
            }
            ["/bin/sh", "-c", text] => SIGNALS.iter().any(|s| text == format!("kill -{s} 1")),
            _ => false,
        }
}

/// Checks who enters a pod by subresource `what`. `user` is the requester's, if there is one; `known` is the Identity of the pod's
/// KSA. `is_given`: whether a rule gives that KSA to the requester, if only rules give it.
///
/// # Errors
/// The pod runs as the identity of somebody else, or as a KSA that no rule gives to the requester.
pub fn check(
    what: &str,
    requester: &str,
    user: Option<&User>,
    pod: &RunningPod,
    known: Option<&KnownIdentity>,
    is_given: Option<bool>,
) -> Result<(), Refused> {
    let account = &pod.service_account;
    if !is_managed_name(account) {
        return if is_given == Some(false) {
            Err(not_given(what, requester, pod))
        } else {
            Ok(())
        };
    }
    let owner = known
        .map(|known| &*known.user)
        .filter(|owner| !owner.is_empty());
    if owner.is_some() && owner == user.map(User::as_str) {
        return Ok(());
    }
    let owner_text = owner.map_or_else(
        || "shared by several users".to_owned(),
        |owner| format!("{owner}'s"),
    );
    Err(Refused::new(
        Reason::NotYourPod,
        format!(
            "pod {} runs as service account {account}, which is {owner_text}: whoever enters it acts as that identity, so {requester} \
             may not use {what} on it: ask its user or an admin, or run a pod of your own",
            pod.name
        ),
    ))
}

fn not_given(what: &str, requester: &str, pod: &RunningPod) -> Refused {
    Refused::new(
        Reason::NotYourPod,
        format!(
            "pod {} runs as service account {}, which only rules give: whoever enters it acts as that account, and no rule gives it \
             to {requester}, who may not use {what} on it: ask an admin, or run a pod of your own",
            pod.name, pod.service_account
        ),
    )
}

#[cfg(test)]
mod tests;
