//! Service accounts that the rules refer to: carriers, and those that are or act for users. Pure.

use std::collections::{BTreeMap, BTreeSet};

use namesake_core::{Reason, Requester, Rules, is_managed_name};

use super::Rbac;
use super::rights::{CARRY, GUARDED, READ_JOBS};
use super::subject::{Subject, Trusted};
use crate::answer::text;
use crate::check::{Account, Finding, Snapshot, TokenSecret};
use namesake_api::names::WEBHOOK_SERVICE_ACCOUNT;

/// Accounts that the rules refer to: carriers, and those that are or act for users.
struct AccountsOfRules {
    carriers: BTreeSet<Subject>,
    mapped: BTreeSet<Subject>,
}

impl AccountsOfRules {
    fn of(snapshot: &Snapshot) -> AccountsOfRules {
        let rules = snapshot.rules.as_ref().ok();
        let accounts = snapshot.accounts.iter().flatten().map(subject);
        AccountsOfRules {
            carriers: carriers(snapshot),
            mapped: accounts
                .filter(|a| rules.is_some_and(|rules| acts_for_users(rules, a)))
                .collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Subject> {
        self.carriers.iter().chain(&self.mapped)
    }
}

/// The carriers of the rules, the built-in ones included.
pub(in crate::check) fn carriers(snapshot: &Snapshot) -> BTreeSet<Subject> {
    let rules = snapshot.rules.iter();
    rules.flat_map(Rules::carriers).map(Subject::user).collect()
}

fn subject((namespace, name): &Account) -> Subject {
    Subject::Account(namespace.clone(), name.clone())
}

/// Whether the rules map an account to a user, or let it act for one. Managed accounts are protected by their name.
fn acts_for_users(rules: &Rules, account: &Subject) -> bool {
    let requester = Requester {
        username: account.api_name(),
        groups: Vec::new(),
        has_credential_id: true,
    };
    let managed = matches!(account, Subject::Account(_, name) if is_managed_name(name));
    let user = rules.user(&requester, |_| None);
    !managed && !matches!(user, Err(refusal) if refusal.reason == Reason::UnknownRequester)
}

/// Namespaces with guarded accounts, except Namesake's and those that are opted in; and the names of the accounts.
pub(in crate::check) fn homes(
    snapshot: &Snapshot,
    rbac: &Rbac,
    trusted: &Trusted<'_>,
) -> Vec<(String, String)> {
    let known = AccountsOfRules::of(snapshot);
    let accounts = snapshot.accounts.iter().flatten().map(subject);
    let holders = rbac.holders(&GUARDED);
    let guarded = accounts.filter(|account| holders.has(account));
    let mut homes = BTreeMap::<String, BTreeSet<String>>::new();
    for account in known.all().cloned().chain(guarded) {
        if let Subject::Account(namespace, name) = account {
            homes.entry(namespace).or_default().insert(name);
        }
    }
    let separate = homes.into_iter().filter(|(namespace, _)| {
        namespace.as_str() != trusted.home && !trusted.opted_in.contains(namespace)
    });
    separate
        .map(|(namespace, names)| (namespace, text::some(&names)))
        .collect()
}

/// The gaps concerning such accounts.
pub(in crate::check) fn findings(
    snapshot: &Snapshot,
    rbac: &Rbac,
    trusted: &Trusted<'_>,
) -> Vec<Finding> {
    let known = AccountsOfRules::of(snapshot);
    let mut findings = inside(snapshot, rbac, trusted, &known);
    findings.extend(absent(snapshot, &known));
    findings.extend(not_guarded(rbac, &known));
    findings.extend(token_secrets(snapshot, rbac, &known));
    findings.extend(without_rights(rbac, trusted));
    findings
}

/// Carriers in opted-in namespaces.
fn inside(
    snapshot: &Snapshot,
    rbac: &Rbac,
    trusted: &Trusted<'_>,
    known: &AccountsOfRules,
) -> Vec<Finding> {
    let accounts = snapshot.accounts.iter().flatten().map(subject);
    let holders = rbac.holders(&CARRY);
    let carriers = accounts.filter(|account| holders.has(account));
    let all: BTreeSet<_> = carriers.chain(known.carriers.iter().cloned()).collect();
    let what = "is a carrier in a namespace that is opted in: whoever can create a pod there could act as it, so nothing that it creates \
                belongs to anybody";
    let remedy = "move the controller to a namespace of its own, and name it there (carriers of the rules, ClusterRole \
                  namesake-carrier)";
    all.iter()
        .filter(|account| trusted.is_inside(account))
        .map(|account| {
            Finding::critical(
                Reason::CheckCarriers,
                account.to_string(),
                what,
                remedy.to_owned(),
            )
        })
        .collect()
}

/// Carriers that do not exist: whoever creates such an account has its rights.
fn absent(snapshot: &Snapshot, known: &AccountsOfRules) -> Vec<Finding> {
    let Ok(accounts) = &snapshot.accounts else {
        return Vec::new();
    };
    let existing: BTreeSet<_> = accounts.iter().map(subject).collect();
    let absent = known
        .carriers
        .iter()
        .filter(|carrier| !existing.contains(carrier) && !is_built_in(carrier));
    let what = "is a carrier of the rules and does not exist: whoever can create it, or its namespace, has its rights";
    absent
        .map(|carrier| {
            let remedy = "remove it from carriers in the rules until it is installed".to_owned();
            Finding::warning(Reason::CheckCarriers, carrier.to_string(), what, remedy)
        })
        .collect()
}

/// Accounts of kube-system: the policies name the built-in carriers themselves.
fn is_built_in(account: &Subject) -> bool {
    matches!(account, Subject::Account(namespace, _) if namespace == "kube-system")
}

/// Accounts whose tokens no policy protects: the rules refer to them, and no binding marks them as guarded.
fn not_guarded(rbac: &Rbac, known: &AccountsOfRules) -> Vec<Finding> {
    let holders = rbac.holders(&GUARDED);
    let is_unprotected = |account: &&Subject| !is_built_in(account) && !holders.has(account);
    let of = |role: &str, what: &str, accounts: &BTreeSet<Subject>| {
        let mut by_home = BTreeMap::<&str, Vec<&str>>::new();
        for account in accounts.iter().filter(is_unprotected) {
            if let Subject::Account(namespace, name) = account {
                by_home.entry(namespace).or_default().push(name);
            }
        }
        let each = by_home.into_iter().map(|(namespace, names)| {
            let place = format!("ServiceAccounts {namespace}/{}", text::some(&names));
            let what = format!("{what}, and no policy protects their tokens: bind {role}");
            let remedy = bind(role, namespace, &names);
            Finding::warning(Reason::CheckGuardedAccounts, place, what, remedy)
        });
        each.collect::<Vec<_>>()
    };
    let mut findings = of(
        "namesake-carrier",
        "are carriers of the rules",
        &known.carriers,
    );
    findings.extend(of(
        "namesake-guarded",
        "are users to the rules, or act for some",
        &known.mapped,
    ));
    findings
}

/// The command that binds a role to the one account, or to all accounts of its namespace.
fn bind(role: &str, namespace: &str, names: &[&str]) -> String {
    let (flag, subject) = match names {
        [name] => ("serviceaccount", format!("{namespace}:{name}")),
        _ => ("group", format!("system:serviceaccounts:{namespace}")),
    };
    let subject = text::quoted(&subject);
    let binding = text::quoted(&format!("{role}-{namespace}"));
    format!("kubectl create clusterrolebinding {binding} --clusterrole={role} --{flag}={subject}")
}

/// Secrets with tokens of such accounts.
fn token_secrets(snapshot: &Snapshot, rbac: &Rbac, known: &AccountsOfRules) -> Vec<Finding> {
    let holders = rbac.holders(&GUARDED);
    let guarded = |account: &Subject| {
        matches!(account, Subject::Account(_, name) if is_managed_name(name))
            || known.all().any(|one| one == account)
            || holders.has(account)
    };
    let secrets = snapshot.token_secrets.iter().flatten();
    secrets
        .filter_map(|secret| {
            let account = Subject::Account(secret.namespace.clone(), secret.account.clone());
            let what = format!("has a token of {account} that does not expire: whoever reads it acts as that account");
            let TokenSecret { namespace, name, .. } = secret;
            let place = format!("Secret {namespace}/{name}");
            let (namespace, name) = (text::quoted(namespace), text::quoted(name));
            let remedy = format!("kubectl -n {namespace} delete secret {name}");
            guarded(&account).then(|| Finding::critical(Reason::CheckTokenSecrets, place, what, remedy))
        })
        .collect()
}

/// Opted-in namespaces in which the webhook is not allowed to read.
fn without_rights(rbac: &Rbac, trusted: &Trusted<'_>) -> Vec<Finding> {
    let webhook = Subject::Account(trusted.home.to_owned(), WEBHOOK_SERVICE_ACCOUNT.to_owned());
    let reads = |namespace: &String| rbac.holders_in(namespace, &READ_JOBS).has(&webhook);
    let what =
        "is opted in, and the webhook is not allowed to read there: new pods are refused or wait";
    let unreadable = trusted.opted_in.iter().filter(|one| !reads(one));
    unreadable
        .map(|namespace| {
            let (place, name) = (format!("Namespace {namespace}"), text::quoted(namespace));
            let remedy = format!(
                "kubectl apply --server-side -n {name} -f manifests/opt-in/role-bindings.yaml"
            );
            Finding::warning(Reason::CheckOptIn, place, what, remedy)
        })
        .collect()
}
