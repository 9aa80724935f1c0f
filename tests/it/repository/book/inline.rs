//! The commands in the text of a page, between backticks.

use super::*;

/// What begins a command that reads, after the options before the verb.
const READ: [&str; 5] = ["get", "describe", "logs", "auth", "namesake"];
/// A workload that is Metaflow's, not ours.
const FOREIGN: &str = "deployment/metadata-service";

/// Whether a reader must replace this word.
fn is_placeholder(word: &str) -> bool {
    word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase())
}

/// Whether this reads only, and what it reads exists in every stack.
fn reads_what_exists(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    let (["kubectl", "-n", _, verb, _, ..] | ["kubectl", verb, _, ..]) = words.as_slice() else {
        return false;
    };
    READ.contains(verb)
        && !words
            .iter()
            .any(|word| is_placeholder(word) || *word == FOREIGN)
}

/// The commands of a page's text that can be run as they are.
pub(super) fn commands(page: &Page) -> Vec<String> {
    let spans = page
        .text
        .split("```")
        .step_by(2)
        .flat_map(|text| text.split('`').skip(1).step_by(2));
    let all = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut all: Vec<String> = all.filter(|command| reads_what_exists(command)).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn only_commands_that_read_and_need_no_edit_are_run() {
    for command in [
        "kubectl get identities -A",
        "kubectl -n namesake-system get pods",
    ] {
        assert!(reads_what_exists(command), "{command}");
    }
    for command in [
        "kubectl -n namesake-system scale deployment namesake-webhook --replicas=4",
        "kubectl -n research describe identity NAME",
        "kubectl namesake",
        "kubectl delete identities --all",
        "gcloud projects list",
    ] {
        assert!(!reads_what_exists(command), "{command}");
    }
}
