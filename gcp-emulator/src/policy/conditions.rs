//! IAM conditions in CEL, with `request.time`, `resource.*`, `api.getAttribute` and `hasOnly`.

use std::collections::HashMap;
use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, Program, Value};
use jiff::Timestamp;

use crate::world::controls::clock::rfc3339;

mod references;

/// Maximum number of logical operators in a condition, as Google documents.
const MAX_OPERATORS: usize = 12;

/// The attributes that a condition is evaluated with.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) now: Timestamp,
    /// Name of the resource, such as `projects/_/buckets/B/objects/O`.
    pub(crate) name: &'a str,
    /// Type of the resource, such as `storage.googleapis.com/Object`.
    pub(crate) kind: &'a str,
    pub(crate) service: &'a str,
    /// `prefix` of a list request.
    pub(crate) list_prefix: Option<&'a str>,
    /// The roles whose bindings a setIamPolicy call changes.
    pub(crate) modified_roles: Option<&'a [String]>,
}

/// Parses an expression and checks that IAM knows its names.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(expression: &str) -> Result<Program, String> {
    if expression.trim().is_empty() {
        return Err("the expression is empty".to_owned());
    }
    let operators =
        expression.matches("&&").count() + expression.matches("||").count() + negations(expression);
    if operators > MAX_OPERATORS {
        return Err(format!(
            "{operators} logic operators: at most {MAX_OPERATORS}"
        ));
    }
    let program = Program::compile(expression).map_err(|errors| errors.to_string())?;
    references::check(program.expression())?;
    Ok(program)
}

/// Number of `!` that are not part of `!=`.
fn negations(expression: &str) -> usize {
    expression.matches('!').count() - expression.matches("!=").count()
}

/// Whether the condition is true. A condition that cannot be evaluated is not.
pub(crate) fn holds(program: &Program, about: &Attributes<'_>) -> bool {
    let evaluated = context(about).map(|context| program.execute(&context));
    matches!(evaluated, Some(Ok(Value::Bool(true))))
}

fn context(about: &Attributes<'_>) -> Option<Context<'static, 'static>> {
    let mut context = Context::default();
    let time = Program::compile(&format!("timestamp('{}')", rfc3339(about.now)))
        .ok()?
        .execute(&context)
        .ok()?;
    let map = |entries: Vec<(&str, Value)>| -> Value {
        let entries: HashMap<String, Value> = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        entries.into()
    };
    context.add_variable_from_value("request", map(vec![("time", time)]));
    context.add_variable_from_value(
        "resource",
        map(vec![
            ("name", about.name.into()),
            ("type", about.kind.into()),
            ("service", about.service.into()),
        ]),
    );
    let prefix = about.list_prefix.map(str::to_owned);
    let roles = about.modified_roles.map(<[String]>::to_vec);
    let attribute = move |name: Arc<String>, default: Value| -> Value {
        match (name.as_str(), &prefix, &roles) {
            ("storage.googleapis.com/objectListPrefix", Some(prefix), _) => prefix.as_str().into(),
            ("iam.googleapis.com/modifiedGrantsByRole", _, Some(roles)) => roles.clone().into(),
            _ => default,
        }
    };
    context.add_function("api.getAttribute", attribute).ok()?;
    // `LIST.hasOnly(ALLOWED)`: whether every element of the list is allowed; so is an empty list.
    let has_only = |This(list): This<Arc<Vec<Value>>>, allowed: Arc<Vec<Value>>| -> bool {
        list.iter().all(|each| allowed.contains(each))
    };
    context.add_function("hasOnly", has_only).ok()?;
    Some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str, name: &str, list_prefix: Option<&str>) -> bool {
        let program = compile(expression).unwrap();
        holds(
            &program,
            &Attributes {
                now: "2026-06-01T12:00:00Z".parse().unwrap(),
                name,
                kind: "storage.googleapis.com/Object",
                service: "storage.googleapis.com",
                list_prefix,
                modified_roles: None,
            },
        )
    }

    #[test]
    fn has_only_limits_the_roles_that_a_call_changes() {
        let expression = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])\
                          .hasOnly(['roles/a', 'roles/b'])";
        let program = compile(expression).unwrap();
        let changed = |roles: Option<&[&str]>| {
            let roles: Option<Vec<String>> =
                roles.map(|roles| roles.iter().map(|&role| role.to_owned()).collect());
            let about = Attributes {
                now: "2026-06-01T12:00:00Z".parse().unwrap(),
                name: "projects/p",
                kind: "cloudresourcemanager.googleapis.com/Project",
                service: "cloudresourcemanager.googleapis.com",
                list_prefix: None,
                modified_roles: roles.as_deref(),
            };
            holds(&program, &about)
        };
        assert!(changed(Some(&["roles/a"])));
        assert!(changed(Some(&[])));
        assert!(!changed(Some(&["roles/a", "roles/owner"])));
        // A call that changes no policy, such as testIamPermissions.
        assert!(changed(None));
    }

    #[test]
    fn conditions_see_time_name_type_and_list_prefix() {
        assert!(evaluate(
            "request.time < timestamp(\"2026-12-01T00:00:00Z\")",
            "",
            None
        ));
        assert!(!evaluate(
            "request.time < timestamp(\"2026-01-01T00:00:00Z\")",
            "",
            None
        ));
        let prefix = r#"resource.name.startsWith("projects/_/buckets/b/objects/t1/") ||
            api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("t1/")"#;
        assert!(evaluate(prefix, "projects/_/buckets/b/objects/t1/x", None));
        assert!(!evaluate(prefix, "projects/_/buckets/b/objects/t2/x", None));
        assert!(evaluate(prefix, "projects/_/buckets/b", Some("t1/deep/")));
        assert!(!evaluate(prefix, "projects/_/buckets/b", Some("")));
        assert!(evaluate(
            "resource.type == 'storage.googleapis.com/Object' && resource.service != 'x'",
            "",
            None
        ));
    }

    #[test]
    fn a_condition_that_cannot_be_evaluated_is_not_true() {
        assert!(!evaluate("resource.name.extract('/{x}') == 'y'", "", None));
        assert!(!evaluate("'text'", "", None));
        assert!(compile("request.time <").is_err());
        assert!(compile("").is_err());
        assert!(
            compile(&["true"; 14].join(" && "))
                .unwrap_err()
                .contains("at most 12")
        );
    }
}
