//! Reading all files of the rules. Every problem of every file is reported.

use super::{
    Source,
    document::read_document,
    model::{KIND, Model},
    users::pins::Pins,
    yaml::{Item, Node, Problem, ProblemLog, RulesErrors, Value, invalid},
};

/// Largest size of all files together, in bytes. A ConfigMap holds 1,048,576 with its keys; the rules are refused with a clear
/// message before that.
pub(super) const MAX_BYTES: usize = 1_000_000;

/// Reads and checks all files together.
pub(crate) fn read(sources: &[Source<'_>]) -> Result<Model, RulesErrors> {
    check_size(sources)?;
    let mut problems = Vec::new();
    let mut trees = Vec::new();
    for source in sources {
        match Node::parse(source.text) {
            Ok(node) => trees.push((source.file, node)),
            Err((at, invalid)) => problems.push(Problem::new(source.file, at, "", invalid)),
        }
    }
    let is_main =
        |node: &Node| sources.len() == 1 || has_key(node, "kind") || has_key(node, "apiVersion");
    let (mains, extras): (Vec<_>, Vec<_>) = trees.iter().partition(|(_, node)| is_main(node));
    for (file, _) in mains.iter().skip(1) {
        let remedy = "keep one file of rules; other files hold pins only, user: GSA";
        problems.push(Problem::of_file(
            file,
            invalid("this is a second file of rules", remedy),
        ));
    }
    if mains.is_empty() && problems.is_empty() {
        let what = format!("there is no file of rules: none has kind: {KIND}");
        let file = sources.first().map_or("rules.yaml", |source| source.file);
        problems.push(Problem::of_file(
            file,
            invalid(
                what,
                "write one, starting from the example in docs/rules.md",
            ),
        ));
    }
    let mut pins = Pins::default();
    let mut model = None;
    if let Some((file, node)) = mains.first() {
        let log = ProblemLog::new(file);
        model = read_document(&Item::new(node, "", &log), file, &mut pins);
        problems.extend(log.finish());
    }
    for (file, node) in extras {
        let log = ProblemLog::new(file);
        if let Some(fields) = Item::new(node, "", &log).fields() {
            pins.read(file, &fields);
        }
        problems.extend(log.finish());
    }
    match model {
        Some(model) if problems.is_empty() => Ok(Model {
            pins: pins.by_user,
            ..model
        }),
        _ => Err(RulesErrors { problems }),
    }
}

/// Refuses files that are too large before they are parsed.
fn check_size(sources: &[Source<'_>]) -> Result<(), RulesErrors> {
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    let largest = sources.iter().max_by_key(|source| source.text.len());
    let Some(largest) = largest.filter(|_| bytes > MAX_BYTES) else {
        return Ok(());
    };
    let what = format!(
        "all files of rules have {bytes} bytes together, and at most {MAX_BYTES} are read, because one ConfigMap holds them all"
    );
    let remedy = "remove pins: only a user who must keep an account that exists already needs one";
    Err(RulesErrors {
        problems: vec![Problem::of_file(largest.file, invalid(what, remedy))],
    })
}

fn has_key(node: &Node, key: &str) -> bool {
    let Value::Map(entries) = &node.value else {
        return false;
    };
    entries
        .iter()
        .any(|(name, _)| matches!(&name.value, Value::Text(text) if text == key))
}
