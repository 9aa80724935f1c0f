//! The variables and functions of a condition. Those that IAM does not know are refused when a policy is written.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, SelectExpr};

/// Variables with the fields that IAM documents for them.
const FIELDS: [(&str, &[&str]); 3] = [
    ("request", &["time", "path", "host", "auth"]),
    ("resource", &["name", "type", "service"]),
    ("destination", &["ip", "port"]),
];
/// Functions and methods of IAM, and then those of CEL. Operators begin with `_`, `-`, `!` or `@`.
const FUNCTIONS: [&str; 42] = [
    "getAttribute",
    "hasOnly",
    "extract",
    "matchTag",
    "matchTagId",
    "hasTagKey",
    "hasTagKeyId",
    "inIpRange",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfYear",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "timestamp",
    "duration",
    "date",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "split",
    "join",
    "replace",
    "substring",
    "lowerAscii",
    "upperAscii",
    "trim",
    "indexOf",
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "type",
    "dyn",
];
/// Names of types, which an expression can compare with.
const TYPES: [&str; 7] = ["int", "uint", "double", "string", "bytes", "bool", "type"];

/// Checks that IAM knows all names in an expression.
///
/// # Errors
/// The unknown name.
pub(super) fn check(expression: &IdedExpr) -> Result<(), String> {
    visit(expression, &mut Vec::new())
}

/// `bound` has the variables of the enclosing macros.
fn visit(expression: &IdedExpr, bound: &mut Vec<String>) -> Result<(), String> {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => variable(name, bound),
        Expr::Select(select) => selection(select, bound),
        Expr::List(list) => list.elements.iter().try_for_each(|each| visit(each, bound)),
        Expr::Map(map) => entries(map.entries.iter().map(|entry| &entry.expr), bound),
        Expr::Struct(value) => entries(value.entries.iter().map(|entry| &entry.expr), bound),
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let operator = name.starts_with(['_', '-', '!', '@']);
            if !operator && !FUNCTIONS.contains(&name) && name != "api.getAttribute" {
                return Err(undeclared(name));
            }
            if let Some(target) = &call.target {
                match &target.expr {
                    // `api` has this method only; `resource` has several.
                    Expr::Ident(api) if api == "api" && name == "getAttribute" => {}
                    Expr::Ident(resource) if resource == "resource" => {}
                    _ => visit(target, bound)?,
                }
            }
            call.args.iter().try_for_each(|each| visit(each, bound))
        }
        Expr::Comprehension(each) => {
            visit(&each.iter_range, bound)?;
            visit(&each.accu_init, bound)?;
            let before = bound.len();
            bound.push(each.iter_var.clone());
            bound.extend(each.iter_var2.clone());
            bound.push(each.accu_var.clone());
            let parts = [&each.loop_cond, &each.loop_step, &each.result];
            let result = parts.into_iter().try_for_each(|part| visit(part, bound));
            bound.truncate(before);
            result
        }
    }
}

fn entries<'a>(
    mut entries: impl Iterator<Item = &'a EntryExpr>,
    bound: &mut Vec<String>,
) -> Result<(), String> {
    entries.try_for_each(|entry| match entry {
        EntryExpr::StructField(field) => visit(&field.value, bound),
        EntryExpr::MapEntry(entry) => {
            visit(&entry.key, bound)?;
            visit(&entry.value, bound)
        }
    })
}

fn variable(name: &str, bound: &[String]) -> Result<(), String> {
    let known = FIELDS.iter().any(|(variable, _)| *variable == name)
        || TYPES.contains(&name)
        || name.starts_with('@')
        || bound.iter().any(|each| each == name);
    match known {
        true => Ok(()),
        false => Err(undeclared(name)),
    }
}

/// Checks the first field of a variable; the fields of that field are not checked.
fn selection(select: &SelectExpr, bound: &mut Vec<String>) -> Result<(), String> {
    if let Expr::Ident(name) = &select.operand.expr
        && !bound.contains(name)
        && let Some((_, fields)) = FIELDS.iter().find(|(variable, _)| variable == name)
        && !fields.contains(&select.field.as_str())
    {
        return Err(format!("undefined field '{}'", select.field));
    }
    visit(&select.operand, bound)
}

fn undeclared(name: &str) -> String {
    format!("undeclared reference to '{name}' (in container '')")
}

#[cfg(test)]
mod tests {
    use cel::Program;

    use super::*;

    fn checked(expression: &str) -> Result<(), String> {
        check(Program::compile(expression).unwrap().expression())
    }

    #[test]
    fn names_that_iam_documents_are_accepted() {
        for expression in [
            "request.time < timestamp('2026-12-01T00:00:00Z')",
            "request.time.getHours('Europe/Berlin') >= 9 && !(request.path.startsWith('/admin'))",
            "resource.name.extract('/o/{name}/') == 'x' || resource.matchTag('1/env', 'prod')",
            "resource.type == 'storage.googleapis.com/Bucket' && resource.service in ['a', 'b']",
            "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/x'])",
            "destination.port == 22 && inIpRange(destination.ip, '10.0.0.0/8')",
            "'accessPolicies/1/accessLevels/a' in request.auth.access_levels",
            "['a', 'b'].exists(part, resource.name.startsWith(part))",
            "type(resource.name) == string && {'a': 1}['a'] == 1",
        ] {
            assert_eq!(checked(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn other_names_are_refused_anywhere_in_the_expression() {
        for (expression, word) in [
            ("nobody.knows == 1", "'nobody'"),
            ("resource.colour == 'red'", "'colour'"),
            ("request.user == 'bob'", "'user'"),
            ("resource.name.frobs('x')", "'frobs'"),
            ("[1, two].exists(x, x == 1)", "'two'"),
            ("['a'].exists(x, x == y)", "'y'"),
            ("{'a': b}['a'] == 1", "'b'"),
            ("api == 1", "'api'"),
            ("api.forget('x') == 1", "'forget'"),
            ("has(resource.labels)", "'labels'"),
        ] {
            let error = checked(expression).unwrap_err();
            assert!(error.contains(word), "{expression}: {error}");
        }
    }
}
