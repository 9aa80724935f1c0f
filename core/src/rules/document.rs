//! Reading the main file: every top-level key of the rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::{Glob, is_dns_label, is_dns_subdomain, is_project_id, quoted},
    user::User,
};

use super::{
    classes::Class,
    matching::{NoMatch, Rule, RuleTest},
    model::{API_VERSION, KIND, Model},
    pods::Pods,
    users::UserRule,
    users::endpoints::Endpoints,
    users::pins::Pins,
    users::trusted::{Admins, Carrier, is_carrier},
    yaml::{Fields, InvalidValue, Item, Node, Value, invalid, values},
};

/// Largest size of stack and cluster together, in bytes: both are part of the mark in the description of a GSA, which holds 256.
const MAX_STACK_AND_CLUSTER: usize = 133;
/// Largest size of all groups that the rules mention, in bytes: they are part of every stamp.
const MAX_GROUPS_BYTES: usize = 4096;

/// Reads the main file; its pins are added to `pins`.
pub(super) fn read_document(item: &Item<'_>, file: &str, pins: &mut Pins) -> Option<Model> {
    let mut fields = item.fields()?;
    read_constant(&mut fields, "apiVersion", API_VERSION);
    read_constant(&mut fields, "kind", KIND);
    let stack_and_cluster = read_stack_and_cluster(&mut fields);
    let carriers = fields.list("carriers", Carrier::read);
    let users = fields.list("users", |item| read_user(item, &carriers));
    let identities = fields.list("identities", Class::read);
    let names = read_names(&mut fields, "identities");
    let rules = fields.list("rules", |item| Rule::read(item, &identities, &names));
    read_names(&mut fields, "rules");
    let no_matches = [("deny", NoMatch::Deny), ("keep", NoMatch::Keep)];
    let no_match = fields.word("noMatch", no_matches);
    let admins = fields
        .get("admins")
        .map_or_else(|| Some(Admins::default()), |item| Admins::read(&item));
    let updaters = fields.texts("updaters", values::account);
    let allowed = fields
        .get("allowedServiceAccounts")
        .map(|item| item.read_list(allowed_account));
    let pods = Pods::read(&mut fields);
    let endpoints = fields
        .get("endpoints")
        .and_then(|item| Endpoints::read(&item));
    if let Some(fields) = fields.get("pins").and_then(|item| item.fields()) {
        pins.read(file, &fields);
    }
    let (offboarded, returned) = read_offboarded(&mut fields);
    let tests = fields.list("tests", |item| RuleTest::read(item, file));
    fields.report_unknown_keys();
    let (stack, cluster) = stack_and_cluster?;
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
        endpoints,
        pins: BTreeMap::new(),
        offboarded,
        returned,
        tests,
    };
    check_groups(item, &model);
    Some(model)
}

/// `offboarded` and `returned`. No user may be in both.
fn read_offboarded(fields: &mut Fields<'_>) -> (BTreeSet<User>, BTreeSet<User>) {
    let mut users = |key| fields.texts(key, values::user).into_iter().collect();
    let (offboarded, returned): (BTreeSet<User>, BTreeSet<User>) =
        (users("offboarded"), users("returned"));
    for user in returned.intersection(&offboarded) {
        let what = format!("{user} is both offboarded and returned");
        if let Some(item) = fields.get("returned") {
            item.report(invalid(what, "remove the user from one of the two"));
        }
    }
    (offboarded, returned)
}

fn read_constant(fields: &mut Fields<'_>, key: &'static str, value: &'static str) {
    let remedy = format!("write {key}: {value}");
    fields.required(key, &remedy, |text| values::word(text, &[(value, ())]));
}

/// Stack and cluster, which are part of every generated name.
fn read_stack_and_cluster(fields: &mut Fields<'_>) -> Option<(String, String)> {
    let stack = |text: &str| {
        let remedy = "write lower-case letters, digits and hyphens";
        values::named(text, "the name of a stack", is_dns_label, remedy)
    };
    let stack = fields.required("stack", "name this installation", stack);
    let remedy = "write projects/P/locations/L/clusters/C";
    let cluster = |text: &str| values::named(text, "the name of a cluster", is_cluster, remedy);
    let cluster = fields.required("cluster", remedy, cluster);
    let (stack, cluster) = (stack?, cluster?);
    if stack.len() + cluster.len() > MAX_STACK_AND_CLUSTER {
        let what =
            format!("stack and cluster have more than {MAX_STACK_AND_CLUSTER} bytes together");
        fields
            .item
            .report(invalid(what, "choose a shorter name for the stack"));
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

/// The names in a list of items, also of items that could not be read. Reports names that are given twice.
fn read_names<'n>(fields: &mut Fields<'n>, key: &'static str) -> BTreeSet<&'n str> {
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
            item.report(invalid(
                format!("the name {} is given twice in {key}", quoted(text)),
                "rename one of the two",
            ));
        }
    }
    names
}

fn read_user(item: &Item<'_>, carriers: &[Carrier]) -> Option<UserRule> {
    let rule = UserRule::read(item)?;
    if is_carrier(carriers, rule.requester.as_str(), None) {
        let remedy = "remove the entry: what a carrier creates belongs to its parent's user";
        item.report(invalid(
            format!("{} is a carrier, not a person", rule.requester),
            remedy,
        ));
    }
    Some(rule)
}

fn allowed_account(text: &str) -> Result<Glob, InvalidValue> {
    let glob = values::name_glob("service account", is_dns_subdomain)(text)?;
    if glob.is_exact() {
        values::service_account(text).map(|_| glob)
    } else {
        Ok(glob)
    }
}

/// All mentioned groups together must fit into a stamp.
fn check_groups(item: &Item<'_>, model: &Model) {
    let groups: BTreeSet<&str> = model.mentioned_groups().collect();
    if groups.iter().map(|group| group.len() + 3).sum::<usize>() > MAX_GROUPS_BYTES {
        let what = format!(
            "the groups in rules and identities have more than {MAX_GROUPS_BYTES} bytes together"
        );
        item.report(invalid(
            what,
            "mention fewer groups: they are in every stamp",
        ));
    }
}
