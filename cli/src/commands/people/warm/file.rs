//! The file of people that `warm` reads.

use std::path::Path;

use crate::answer::failure::Failure;

/// Between the groups in a line of the file.
const GROUP_SEPARATOR: char = ';';
/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// Reads it.
pub(super) fn read(file: &Path) -> Result<Vec<Person>, Failure> {
    let text = std::fs::read_to_string(file);
    let unreadable = |error| Failure::Usage(format!("failed to read {}: {error}", file.display()));
    parse(&text.map_err(unreadable)?)
}

/// The people in a file, without its head line, comments and empty lines.
fn parse(text: &str) -> Result<Vec<Person>, Failure> {
    let mut people: Vec<Person> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let (name, groups) = line.split_once(',').unwrap_or((line, ""));
        let name = name.trim().trim_matches('"');
        let is_head = at == 0 && ["user", "name", "email"].contains(&name.to_lowercase().as_str());
        if name.starts_with('#') || line.is_empty() || is_head {
            continue;
        }
        if name.is_empty()
            || groups.contains(',')
            || people.iter().any(|person| person.name == name)
        {
            let what = "write NAME or NAME,GROUP;GROUP, and each name once";
            return Err(Failure::Usage(format!("line {}: {line:?}: {what}", at + 1)));
        }
        let groups = groups
            .split(GROUP_SEPARATOR)
            .map(|group| group.trim().trim_matches('"'));
        people.push(Person {
            name: name.to_owned(),
            groups: groups
                .filter(|group| !group.is_empty())
                .map(str::to_owned)
                .collect(),
        });
    }
    match people.as_slice() {
        [] => Err(Failure::Usage("the file names nobody".to_owned())),
        _ => Ok(people),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_person_with_groups() {
        let text = "user,groups\nalice@acme.com,ml@acme.com;research@acme.com\n\n# later\n\"bob@acme.com\"\n";
        let people = parse(text).unwrap();
        assert_eq!(people[0].groups, ["ml@acme.com", "research@acme.com"]);
        assert_eq!(
            (
                people[1].name.as_str(),
                people[1].groups.len(),
                people.len()
            ),
            ("bob@acme.com", 0, 2)
        );
    }

    #[test]
    fn a_line_that_is_not_a_person_is_a_usage_error_with_its_number() {
        for (text, part) in [
            ("", "nobody"),
            ("user\n", "nobody"),
            ("a@b.c\na@b.c\n", "line 2"),
            ("a@b.c,x,y\n", "line 1"),
            (",x\n", "line 1"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.to_string().contains(part), "{failure}");
        }
    }
}
