//! Explains what is wrong with a file that the YAML library cannot read.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter, budget::BudgetBreach};

use super::problem::{InvalidValue, invalid};

/// What is wrong, and what to do about it.
pub(super) fn explain(error: &Error) -> InvalidValue {
    let (what, remedy) = match error.without_snippet() {
        Error::AliasError { error, .. } => return explain(error),
        Error::UnknownAnchor { .. } => (
            "a value begins with *, which in YAML refers to a value marked with & elsewhere, and there is none of this name"
                .to_owned(),
            "write the value in quotes",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "a value contains a reference (*) to itself".to_owned(),
            "write the value out, or put it in quotes if it is not a reference",
        ),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            ("the references (*) in this file expand to too many values".to_owned(), WRITE_OUT)
        }
        Error::Budget { breach, .. } => explain_limit(breach),
        Error::Eof { .. } => (
            "the file ends in the middle of a value".to_owned(),
            "close every quote, [ and {",
        ),
        Error::MultipleDocuments { .. } => (
            "a second YAML document begins here, after ---".to_owned(),
            "write everything in one document",
        ),
        Error::ContainerEndMismatch { .. } => (
            "a ] or } closes nothing".to_owned(),
            "remove it, or write the [ or { that it closes",
        ),
        other => (
            format!("the YAML parser says: {}", UserMessageFormatter.format_message(other)),
            "correct the file at this place; put a value that begins with * or { in quotes",
        ),
    };
    invalid(format!("this is not valid YAML: {what}"), remedy)
}

const WRITE_OUT: &str = "write the values out";

fn explain_limit(breach: &BudgetBreach) -> (String, &'static str) {
    match breach {
        BudgetBreach::Depth { depth } => (
            format!("lists and maps are nested {depth} deep, deeper than rules ever need"),
            "look for brackets that are not closed",
        ),
        BudgetBreach::Nodes { nodes } => (
            format!("the file has {nodes} keys and values, more than are allowed"),
            "write fewer",
        ),
        BudgetBreach::Events { .. } | BudgetBreach::ScalarBytes { .. } => (
            "the file is larger than is allowed".to_owned(),
            "write less",
        ),
        _ => (
            "the file has more references (& and *) or merge keys (<<) than are allowed".to_owned(),
            WRITE_OUT,
        ),
    }
}
