//! Sessions as the documentation shows them: `testdata/NAME.txt`. `UPDATE_GOLDEN=1` writes them.

use std::path::Path;

use crate::answer::Answer;

/// Compares an answer for people, and its exit code, with its file.
pub(crate) fn check(name: &str, answer: &Answer) {
    check_as(name, name, answer);
}

/// The same for a command line with flags.
pub(crate) fn check_as(name: &str, command: &str, answer: &Answer) {
    let code = match answer.status.code() {
        0 => String::new(),
        code => format!("# exit code {code}\n"),
    };
    let text = answer.text.trim_end();
    let session = format!("$ kubectl namesake {command}\n{text}\n{code}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &session).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        session,
        expected,
        "{}: UPDATE_GOLDEN=1 writes it",
        file.display()
    );
}

/// The documentation has every session, word for word.
#[test]
fn the_documentation_has_every_session() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../docs/kubectl.md")).unwrap();
    let sessions = std::fs::read_dir(root.join("testdata")).unwrap();
    let mut missing = Vec::new();
    for session in sessions {
        let path = session.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            missing.extend((!page.contains(&format!("```\n{text}```\n"))).then_some(path));
        }
    }
    assert!(missing.is_empty(), "not in docs/kubectl.md: {missing:?}");
}
