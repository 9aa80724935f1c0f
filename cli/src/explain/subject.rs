//! What `explain` is asked about. Pure.

use namesake_webhook::decide::kinds::{self, Kind};

use crate::answer::failure::Failure;

/// A kind of thing that can be explained.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// A pod.
    Pod,
    /// What creates pods.
    Parent(&'static Kind),
    /// An Identity.
    Identity,
    /// A user of the rules.
    User,
}

impl Subject {
    /// The word on the command line.
    pub(super) fn word(self) -> String {
        match self {
            Self::Pod => "pod".to_owned(),
            Self::Parent(kind) => kind.kind.to_lowercase(),
            Self::Identity => "identity".to_owned(),
            Self::User => "user".to_owned(),
        }
    }
}

/// What the command line asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// About something of this kind.
    Of(Subject, &'a str),
    /// About whatever has this name.
    Any(&'a str),
}

/// Reads `KIND NAME`, `KIND/NAME` or `NAME`.
pub(super) fn parse(words: &[String]) -> Result<Asked<'_>, Failure> {
    let (kind, name) = match words {
        [kind, name] => (kind.as_str(), name.as_str()),
        [one] => match one.split_once('/') {
            Some(parts) => parts,
            // Users are not objects of Kubernetes, whose names have no @.
            None if one.contains('@') => ("user", one.as_str()),
            None if is_object_name(one) => return Ok(Asked::Any(one)),
            None if !one.is_empty() => return Err(not_a_name(one)),
            None => ("", ""),
        },
        _ => ("", ""),
    };
    if name.is_empty() {
        let text = "say what to explain: KIND NAME, such as pod t-1 or user alice@acme.com";
        return Err(Failure::Usage(text.to_owned()));
    }
    let word = kind.to_lowercase();
    if !matches!(word.as_str(), "user" | "users") && !is_object_name(name) {
        return Err(not_a_name(name));
    }
    let subject = match word.as_str() {
        "pod" | "pods" | "po" => Subject::Pod,
        "identity" | "identities" => Subject::Identity,
        "user" | "users" => Subject::User,
        _ => Subject::Parent(parent(&word)?),
    };
    Ok(Asked::Of(subject, name))
}

// What is part of a path of the API server must not have any other character.
fn is_object_name(name: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"-.:".contains(&c);
    !name.is_empty() && name.bytes().all(legal) && name.bytes().any(|c| c != b'.')
}

fn not_a_name(name: &str) -> Failure {
    Failure::Usage(format!(
        "{name:?} is not the name of an object of Kubernetes"
    ))
}

fn parent(word: &str) -> Result<&'static Kind, Failure> {
    let mut all = kinds::parents().map(|(kind, _)| kind);
    let found = all.find(|kind| word == kind.plural || word == kind.kind.to_lowercase());
    found.ok_or_else(|| {
        let known = kinds::parents().map(|(kind, _)| kind.kind.to_lowercase());
        let known: Vec<_> = known.collect();
        Failure::Usage(format!(
            "{word:?} cannot be explained: pod, user, identity, or one of {}",
            known.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<(String, String), Failure> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        Ok(match parse(&words)? {
            Asked::Of(subject, name) => (subject.word(), name.to_owned()),
            Asked::Any(name) => ("any".to_owned(), name.to_owned()),
        })
    }

    #[test]
    fn a_subject_is_written_as_kubectl_accepts_it() {
        for (words, kind, name) in [
            (&["pod", "t-1"][..], "pod", "t-1"),
            (&["po/t-1"], "pod", "t-1"),
            (&["Jobs", "t"], "job", "t"),
            (&["cronjob/nightly"], "cronjob", "nightly"),
            (&["user", "alice"], "user", "alice"),
            (&["alice@acme.com"], "user", "alice@acme.com"),
            (&["identity", "mf-a"], "identity", "mf-a"),
            (&["t-1"], "any", "t-1"),
        ] {
            let found = parsed(words).unwrap();
            assert_eq!(found, (kind.to_owned(), name.to_owned()), "{words:?}");
        }
        for words in [
            &["deployment", "a"][..],
            &["pod/"],
            &[""],
            &["secret/a"],
            &["pod", ""],
            &["pod", "a b"],
            &["pod", ".."],
            &["pod/a/b"],
            &["a?b"],
        ] {
            let failure = parsed(words).unwrap_err();
            assert_eq!(failure.status().code(), 2, "{words:?}");
        }
    }
}
