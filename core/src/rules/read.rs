//! Reading all files at once, so that every problem of every file is reported.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    glob::Glob,
    text::{is_dns_label, is_dns_subdomain, is_project_id, shown},
    user::User,
};

use super::{
    Class, Launcher, NoMatch, Problem, Rule, RulesErrors, Source, UserRule,
    fields::{Fields, Item},
    legal,
    model::{self, API_VERSION, Admins, Carrier, KIND, Model},
    node::{Node, Value},
    pins::Pins,
    pods::Pods,
    problem::{At, Log, Wrong, wrong},
};

/// Longest stack and cluster together, in bytes: both stand in the mark of a GSA, whose description has 256.
const MAX_STACK_AND_CLUSTER: usize = 133;
/// All groups that rules may mention together, in bytes: they are in every stamp.
const MAX_GROUPS_BYTES: usize = 4096;
const START: At = At { line: 1, column: 1 };
/// All files together, in bytes. A ConfigMap holds 1,048,576 with its keys; the rules are refused in plain words before that.
pub(super) const MAX_BYTES: usize = 1_000_000;

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
        problems: vec![problem(largest.file, START, wrong(what, remedy))],
    })
}

/// Reads and checks everything.
pub(crate) fn read(sources: &[Source<'_>]) -> Result<Model, RulesErrors> {
    check_size(sources)?;
    let mut problems = Vec::new();
    let mut trees = Vec::new();
    for source in sources {
        match Node::parse(source.text) {
            Ok(node) => trees.push((source.file, node)),
            Err((at, wrong)) => problems.push(problem(source.file, at, wrong)),
        }
    }
    let is_main =
        |node: &Node| sources.len() == 1 || has_key(node, "kind") || has_key(node, "apiVersion");
    let (mains, extras): (Vec<_>, Vec<_>) = trees.iter().partition(|(_, node)| is_main(node));
    for (file, _) in mains.iter().skip(1) {
        let remedy = "keep one file of rules; other files hold pins only, user: GSA";
        problems.push(problem(
            file,
            START,
            wrong("this is a second file of rules", remedy),
        ));
    }
    if mains.is_empty() && problems.is_empty() {
        let what = format!("there is no file of rules: none has kind: {KIND}");
        let file = sources.first().map_or("rules.yaml", |source| source.file);
        problems.push(problem(
            file,
            START,
            wrong(
                what,
                "write one; the example in the documentation is a beginning",
            ),
        ));
    }
    let mut pins = Pins::default();
    let mut model = None;
    if let Some((file, node)) = mains.first() {
        let log = Log::new(file);
        model = read_main(&Item::new(node, "", &log), file, &mut pins);
        problems.extend(log.finish());
    }
    for (file, node) in extras {
        let log = Log::new(file);
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

fn problem(file: &str, at: At, wrong: Wrong) -> Problem {
    let Wrong { what, remedy } = wrong;
    Problem {
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        key: String::new(),
        what,
        remedy,
    }
}

fn has_key(node: &Node, key: &str) -> bool {
    let Value::Map(entries) = &node.value else {
        return false;
    };
    entries
        .iter()
        .any(|(name, _)| matches!(&name.value, Value::Text(text) if text == key))
}

fn read_main(item: &Item<'_>, file: &str, pins: &mut Pins) -> Option<Model> {
    let mut fields = item.fields()?;
    read_constant(&mut fields, "apiVersion", API_VERSION);
    read_constant(&mut fields, "kind", KIND);
    let place = read_place(&mut fields);
    let carriers = read_list(&mut fields, "carriers", read_carrier);
    let users = read_list(&mut fields, "users", |item| read_user(item, &carriers));
    let identities = read_list(&mut fields, "identities", Class::read);
    let names = names_of(&mut fields, "identities");
    let rules = read_list(&mut fields, "rules", |item| {
        Rule::read(item, &identities, &names)
    });
    names_of(&mut fields, "rules");
    let no_matches = [("deny", NoMatch::Deny), ("keep", NoMatch::Keep)];
    let no_match = fields.get("noMatch").map_or(Some(NoMatch::Deny), |item| {
        item.read(|text| legal::word(text, &no_matches))
    });
    let admins = fields
        .get("admins")
        .map_or_else(|| Some(Admins::default()), |item| Admins::read(&item));
    let updaters = fields
        .get("updaters")
        .map(|item| item.read_list(legal::account))
        .unwrap_or_default();
    let allowed = fields
        .get("allowedServiceAccounts")
        .map(|item| item.read_list(allowed_account));
    let pods = Pods::read(&mut fields);
    if let Some(fields) = fields.get("pins").and_then(|item| item.fields()) {
        pins.read(file, &fields);
    }
    let (offboarded, returned) = read_leavers(&mut fields);
    fields.close();
    let (stack, cluster) = place?;
    let model = Model {
        api_version: API_VERSION,
        kind: KIND,
        stack,
        cluster,
        users,
        identities,
        rules,
        no_match: no_match?,
        admins: admins?,
        carriers,
        updaters,
        allowed_service_accounts: allowed.unwrap_or_else(|| vec![Glob::new("default")]),
        pods,
        pins: BTreeMap::new(),
        offboarded,
        returned,
    };
    check_groups(item, &model);
    Some(model)
}

/// Who has left, and who of them is back: nobody is both.
fn read_leavers(fields: &mut Fields<'_>) -> (BTreeSet<User>, BTreeSet<User>) {
    let offboarded: BTreeSet<User> = fields
        .get("offboarded")
        .map(|item| item.read_list(legal::user).into_iter().collect())
        .unwrap_or_default();
    let Some(item) = fields.get("returned") else {
        return (offboarded, BTreeSet::new());
    };
    let returned: BTreeSet<User> = item.read_list(legal::user).into_iter().collect();
    for user in returned.intersection(&offboarded) {
        let what = format!("{user} is both offboarded and returned");
        item.report(wrong(what, "remove the user from one of the two"));
    }
    (offboarded, returned)
}

fn read_constant(fields: &mut Fields<'_>, key: &'static str, value: &'static str) {
    if let Some(item) = fields.need(key, &format!("write {key}: {value}")) {
        item.read(|text| legal::word(text, &[(value, ())]));
    }
}

/// Stack and cluster: part of every generated name.
fn read_place(fields: &mut Fields<'_>) -> Option<(String, String)> {
    let stack = fields
        .need("stack", "name this installation")
        .and_then(|item| {
            item.read(|text| {
                legal::named(
                    text,
                    "the name of a stack",
                    is_dns_label,
                    "write lower-case letters, digits and hyphens",
                )
            })
        });
    let cluster = fields
        .need("cluster", "write projects/P/locations/L/clusters/C")
        .and_then(|item| {
            item.read(|text| {
                legal::named(
                    text,
                    "the name of a cluster",
                    is_cluster,
                    "write projects/P/locations/L/clusters/C",
                )
            })
        });
    let (stack, cluster) = (stack?, cluster?);
    if stack.len() + cluster.len() > MAX_STACK_AND_CLUSTER {
        let what =
            format!("stack and cluster have more than {MAX_STACK_AND_CLUSTER} bytes together");
        fields
            .item
            .report(wrong(what, "choose a shorter name for the stack"));
    }
    Some((stack, cluster))
}

fn is_cluster(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [
        "projects",
        project,
        "locations",
        location,
        "clusters",
        cluster,
    ] = parts.as_slice()
    else {
        return false;
    };
    is_project_id(project) && is_dns_label(location) && is_dns_label(cluster) && cluster.len() <= 40
}

fn read_list<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Vec<T> {
    fields
        .get(key)
        .map(|item| item.list().iter().filter_map(read).collect())
        .unwrap_or_default()
}

/// The names in a list of named things, also of those that could not be read; reports names that are there twice.
fn names_of<'n>(fields: &mut Fields<'n>, key: &'static str) -> BTreeSet<&'n str> {
    let mut names = BTreeSet::new();
    let Some(item) = fields
        .get(key)
        .filter(|item| matches!(item.node.value, Value::List(_)))
    else {
        return names;
    };
    for item in item.list() {
        let Value::Map(entries) = &item.node.value else {
            continue;
        };
        let is_name = |key: &Node| matches!(&key.value, Value::Text(text) if text == "name");
        let Some((_, name)) = entries.iter().find(|(key, _)| is_name(key)) else {
            continue;
        };
        let Value::Text(text) = &name.value else {
            continue;
        };
        if !names.insert(text.as_str()) {
            item.report(wrong(
                format!("the name {} is given twice in {key}", shown(text)),
                "rename one of the two",
            ));
        }
    }
    names
}

fn read_user(item: &Item<'_>, carriers: &[Carrier]) -> Option<UserRule> {
    let rule = UserRule::read(item)?;
    if model::carries(carriers, rule.requester.as_str(), None) {
        let remedy = "remove the entry: what a carrier makes belongs to its parent's user";
        item.report(wrong(
            format!("{} is a carrier, not a person", rule.requester),
            remedy,
        ));
    }
    Some(rule)
}

fn read_carrier(item: &Item<'_>) -> Option<Carrier> {
    let mut fields = item.fields()?;
    let account = fields
        .need("account", "name the controller's account")
        .and_then(|item| item.read(legal::account));
    let kinds = Launcher::WORDS.get(1..).unwrap_or_default();
    let parents = fields.need(
        "parents",
        "name the kinds whose children the controller makes, as [Job]",
    );
    let parents = parents.and_then(|item| {
        let read = |text: &str| legal::word(text, kinds);
        item.read_some(
            read,
            "the controller makes nothing",
            "name at least one kind",
        )
    });
    fields.close();
    Some(Carrier {
        account: account?,
        parents: parents?.into_iter().collect(),
    })
}

impl Default for Admins {
    fn default() -> Admins {
        Admins {
            users: Vec::new(),
            groups: vec!["system:masters".to_owned()],
        }
    }
}

impl Admins {
    fn read(item: &Item<'_>) -> Option<Admins> {
        let mut fields = item.fields()?;
        let users = fields
            .get("users")
            .map(|item| item.read_list(legal::requester_glob))
            .unwrap_or_default();
        let groups = fields
            .get("groups")
            .map(|item| item.read_list(legal::group));
        fields.close();
        Some(Admins {
            users,
            groups: groups.unwrap_or_else(|| Admins::default().groups),
        })
    }
}

fn allowed_account(text: &str) -> Result<Glob, Wrong> {
    let glob = legal::name_glob("service account", is_dns_subdomain)(text)?;
    if glob.is_exact() {
        legal::service_account(text).map(|_| glob)
    } else {
        Ok(glob)
    }
}

/// All mentioned groups must fit into a stamp.
fn check_groups(item: &Item<'_>, model: &Model) {
    let groups: BTreeSet<&str> = model.mentioned_groups().collect();
    if groups.iter().map(|group| group.len() + 3).sum::<usize>() > MAX_GROUPS_BYTES {
        let what = format!(
            "the groups in rules and identities have more than {MAX_GROUPS_BYTES} bytes together"
        );
        item.report(wrong(what, "mention fewer groups: they are in every stamp"));
    }
}
