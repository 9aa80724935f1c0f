//! Completions and manual pages, generated from the flags.

use clap::{Args as Flags, Command};
use clap_complete::Shell;

use crate::answer::failure::Failure;

/// Options of `completion`.
#[derive(Clone, Debug, Flags)]
pub struct Completion {
    /// The shell.
    pub shell: Shell,
}

/// Options of `man`.
#[derive(Clone, Debug, Flags)]
pub struct Man {
    /// The command; without it, the page of all commands.
    pub command: Option<String>,
}

/// The completions for a shell, for the program itself; [`super::kubectl_completion`] has those of `kubectl namesake`.
#[must_use]
pub(crate) fn completion(options: &Completion, all: Command) -> String {
    let mut bytes = Vec::new();
    let mut command = all.bin_name("kubectl-namesake");
    clap_complete::generate(options.shell, &mut command, "kubectl-namesake", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A manual page.
///
/// # Errors
/// There is no such command.
pub(crate) fn man(options: &Man, mut all: Command) -> Result<String, Failure> {
    all.build();
    let page = match &options.command {
        None => all,
        Some(name) => {
            let found = all.find_subcommand(name);
            let unknown = || Failure::Usage(format!("there is no command {name:?}: see --help"));
            found.ok_or_else(unknown)?.clone()
        }
    };
    let mut bytes = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut bytes);
    // Writing into memory cannot fail.
    rendered.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn completions_of_every_shell_know_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let text = completion(&Completion { shell }, Args::command());
            for command in Args::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell}, {command}");
            }
        }
    }

    #[test]
    fn a_page_of_a_command_names_its_flags_and_an_unknown_command_is_refused() {
        let page = |name: &str| {
            let command = Some(name.to_owned());
            man(&Man { command }, Args::command())
        };
        assert!(page("quota").unwrap().contains("kubeconfig"));
        let all = man(&Man { command: None }, Args::command());
        assert!(all.unwrap().contains("completion"));
        assert_eq!(page("nonsense").unwrap_err().status().code(), 2);
    }
}
