//! Completions of `kubectl namesake`. kubectl asks a program of the name `kubectl_complete-namesake` for them, and passes what it
//! prints to the shell: a candidate per line with its description, and a directive of cobra at the end
//! (<https://github.com/kubernetes/kubernetes/pull/105867>).

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, Command};

/// The name of the program that kubectl asks; a link of this name to `kubectl-namesake` is enough.
const PROGRAM: &str = "kubectl_complete-namesake";

/// Cobra's directives: files may be offered too, or may not.
const FILES: &str = ":0";
const NO_FILES: &str = ":4";

/// The words to complete, if the program was started by the name that kubectl asks.
pub(crate) fn words_to_complete(words: &[OsString]) -> Option<Vec<String>> {
    let (program, rest) = words.split_first()?;
    let is_asked = Path::new(program).file_stem()? == PROGRAM;
    let rest = rest.iter().map(|word| word.to_string_lossy().into_owned());
    is_asked.then(|| rest.collect())
}

/// What may follow: the last word is incomplete.
#[must_use]
pub(crate) fn candidates(mut all: Command, words: &[String]) -> String {
    all.build();
    let (incomplete, before) = match words.split_last() {
        Some((incomplete, before)) => (incomplete.as_str(), before),
        None => ("", words),
    };
    let mut command = &all;
    let mut flag = None;
    for word in before {
        if flag.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            flag = flag_of(command, word).filter(|arg| arg.get_action().takes_values());
        } else if let Some(found) = command.find_subcommand(word) {
            command = found;
        }
    }
    let offered = match flag {
        Some(arg) => values(arg),
        None if incomplete.starts_with('-') => flags(command),
        None if command.has_subcommands() => commands(command),
        None => command.get_positionals().flat_map(values).collect(),
    };
    let mut text = String::new();
    for (candidate, about) in offered {
        if candidate.starts_with(incomplete) {
            text += &format!("{candidate}\t{about}\n");
        }
    }
    let directive = if text.is_empty() { FILES } else { NO_FILES };
    format!("{text}{directive}\n")
}

// The flag that a word of the command line names; one with `=` has its value already.
fn flag_of<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        let short = arg.get_short().map(|short| format!("-{short}"));
        [long, short].into_iter().flatten().any(|name| name == word)
    })
}

fn values(arg: &Arg) -> Vec<(String, String)> {
    let all = arg.get_possible_values().into_iter();
    all.map(|value| {
        let about = value.get_help().map(ToString::to_string);
        (value.get_name().to_owned(), about.unwrap_or_default())
    })
    .collect()
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let all = command.get_arguments().filter(|arg| !arg.is_hide_set());
    all.filter_map(|arg| {
        let about = arg.get_help().map(ToString::to_string);
        Some((
            format!("--{}", arg.get_long()?),
            about.unwrap_or_default().replace('\n', " "),
        ))
    })
    .collect()
}

fn commands(command: &Command) -> Vec<(String, String)> {
    let all = command.get_subcommands().filter(|one| !one.is_hide_set());
    all.map(|one| {
        let about = one.get_about().map(ToString::to_string);
        (one.get_name().to_owned(), about.unwrap_or_default())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Args;

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let text = candidates(Args::command(), &words);
        let first = |line: &str| line.split('\t').next().unwrap().to_owned();
        text.lines().map(first).collect()
    }

    #[test]
    fn kubectl_asks_by_a_name_of_its_own() {
        let words = |program: &str| words_to_complete(&[program.into(), "exp".into()]);
        assert_eq!(
            words("/usr/local/bin/kubectl_complete-namesake"),
            Some(vec!["exp".to_owned()])
        );
        assert_eq!(words("kubectl-namesake"), None);
    }

    #[test]
    fn commands_flags_and_values_are_offered_by_what_was_typed() {
        assert_eq!(offered("exp"), ["explain", ":4"]);
        assert_eq!(offered("-n research exp"), ["explain", ":4"]);
        assert_eq!(offered("list --not"), ["--not-ready", ":4"]);
        assert_eq!(
            offered("list -o "),
            ["text", "short", "json", "junit", "markdown", ":4"]
        );
        assert_eq!(offered("list --not-ready --unp"), ["--unproven", ":4"]);
        assert!(offered("").len() > 15);
    }

    #[test]
    fn where_nothing_is_known_the_shell_offers_files() {
        assert_eq!(offered("lint rul"), [":0"]);
        assert_eq!(offered("nonsense"), [":0"]);
    }
}
