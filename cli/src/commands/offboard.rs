//! `offboard` and `return`: what an edit of the rules would do to a user's identities, and that edit as a patch. Neither writes.

mod edit;

use clap::Args as Flags;
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::{Identity, Phase, names};
use namesake_core::{Rules, UserStatus};
use namesake_service::{RulesFiles, parse_rules, rules_files};
use serde_json::json;
use similar::TextDiff;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, quoted, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::identities;

/// Options of `offboard`.
#[derive(Clone, Debug, Flags)]
pub struct Offboard {
    /// The user, as the rules name users, such as bob@acme.com
    pub user: String,
    /// Instead, print what is left of the user; exit code 1 while there is something
    #[arg(long)]
    pub receipt: bool,
}

/// Options of `return`.
#[derive(Clone, Debug, Flags)]
pub struct Return {
    /// The user, as the rules name users, such as bob@acme.com
    pub user: String,
}

/// Which edit is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Offboard,
    Return,
}

impl Direction {
    const fn command(self) -> &'static str {
        match self {
            Self::Offboard => "offboard",
            Self::Return => "return",
        }
    }

    /// The list of the rules that gets the user, and the one that loses it.
    const fn lists(self) -> (&'static str, &'static str) {
        match self {
            Self::Offboard => ("offboarded", "returned"),
            Self::Return => ("returned", "offboarded"),
        }
    }

    const fn wanted(self) -> UserStatus {
        match self {
            Self::Offboard => UserStatus::Offboarded,
            Self::Return => UserStatus::Returned,
        }
    }

    /// What happens to an identity in this phase.
    const fn outcome(self, phase: Phase) -> &'static str {
        match (self, phase) {
            (Self::Offboard, Phase::Gone) => "is gone already",
            (Self::Offboard, _) => {
                "pods at their gate end, the account at Google is disabled; after the grace period grants and account are deleted"
            }
            (Self::Return, Phase::Gone | Phase::Offboarding) => "is restored and verified",
            (Self::Return, _) => "stays as it is",
        }
    }
}

pub(crate) async fn run(session: &Session, options: &Offboard) -> Result<Answer, Failure> {
    if options.receipt {
        let mine = of_user(session, &options.user).await?;
        return Ok(receipt(&options.user, &mine));
    }
    change(session, &options.user, Direction::Offboard).await
}

pub(crate) async fn run_return(session: &Session, options: &Return) -> Result<Answer, Failure> {
    change(session, &options.user, Direction::Return).await
}

async fn change(session: &Session, user: &str, direction: Direction) -> Result<Answer, Failure> {
    let name = names::RULES_CONFIG_MAP;
    let map = session.at_home::<ConfigMap>().get(name).await;
    let map = map.map_err(Failure::to(format!(
        "read ConfigMap {}/{name}",
        session.home
    )))?;
    let files = rules_files(map.data.as_ref());
    let edited = edited(&files, user, direction)?;
    let mine = of_user(session, user).await?;
    Ok(plan(&session.home, user, direction, &mine, &files, &edited))
}

async fn of_user(session: &Session, user: &str) -> Result<Vec<Identity>, Failure> {
    let all = identities::list(session).await?;
    let mine = all.into_iter().filter(|one| one.spec.user == user);
    Ok(mine.collect())
}

/// An edited file: its name, and its text; `None` if the rules say so already.
type Edited = Option<(String, String)>;

/// The edit of the main file, checked: with it the rules are valid and say what is wanted.
fn edited(files: &RulesFiles, user: &str, direction: Direction) -> Result<Edited, Failure> {
    let before = parse(files)?;
    if before.user_status(user) == direction.wanted() {
        return Ok(None);
    }
    let (to, from) = direction.lists();
    let (file, text) = main_file(files);
    let new = edit::remove(text, from, user);
    let new = edit::add(&new, to, user);
    let by_hand = || {
        Failure::Usage(format!(
            "{file} cannot be edited here: add {user} to {to} and remove it from {from} by hand"
        ))
    };
    let new = new.ok_or_else(by_hand)?;
    let mut all = files.clone();
    all.insert(file.to_owned(), new.clone());
    match parse_rules(&all) {
        Ok(rules) if rules.user_status(user) == direction.wanted() => {
            Ok(Some((file.to_owned(), new)))
        }
        Ok(_) => Err(by_hand()),
        Err(errors) => Err(Failure::Usage(plain(&errors.problems[0].to_string()))),
    }
}

fn parse(files: &RulesFiles) -> Result<Rules, Failure> {
    let rules = parse_rules(files);
    rules.map_err(|errors| {
        let first = plain(&errors.problems[0].to_string());
        Failure::Usage(format!("the rules in the cluster are not valid, correct them first (kubectl namesake lint): {first}"))
    })
}

fn main_file(files: &RulesFiles) -> (&str, &str) {
    let main = files
        .get_key_value(names::RULES_KEY)
        .or_else(|| files.iter().next());
    main.map_or((names::RULES_KEY, ""), |(file, text)| (file, text))
}

fn plan(
    home: &str,
    user: &str,
    direction: Direction,
    mine: &[Identity],
    files: &RulesFiles,
    edited: &Edited,
) -> Answer {
    let rows: Vec<_> = mine
        .iter()
        .map(|one| {
            let [namespace, name] = place(one);
            let phase = one.phase();
            [
                namespace,
                name,
                phase.to_string(),
                direction.outcome(phase).to_owned(),
            ]
        })
        .collect();
    let mut text = match rows.as_slice() {
        [] => format!("{} has no identity.\n", plain(user)),
        _ => table(["NAMESPACE", "IDENTITY", "PHASE", "THEN"], &rows),
    };
    let left = mine
        .iter()
        .flat_map(|one| one.status.iter().flat_map(|status| &status.left));
    for workload in left {
        text += &format!("still there: {}\n", plain(workload));
    }
    let command = direction.command();
    let patch = edited
        .as_ref()
        .map(|(file, new)| json!({"data": {file: new}}));
    match edited {
        None => text += "\nThe rules say so already: nothing to do.\n",
        Some((file, new)) => {
            let old = files.get(file).map(String::as_str).unwrap_or_default();
            let diff = TextDiff::from_lines(old, new);
            let diff = diff.unified_diff().header(file, file).to_string();
            let user = quoted(user);
            text += &format!(
                "\n{diff}\nNothing is changed yet. Apply the change to {file} of the overlay (patch reads it), or at once:\n  \
                 kubectl namesake {command} {user} -o short > patch.json\n  \
                 kubectl -n {home} patch configmap {} --type=merge --patch-file=patch.json\n",
                names::RULES_CONFIG_MAP
            );
        }
    }
    let json: Vec<_> = rows
        .iter()
        .map(|[namespace, name, phase, then]| json!({"namespace": namespace, "name": name, "phase": phase, "then": then}))
        .collect();
    Answer {
        text,
        short: patch
            .as_ref()
            .map(|patch| format!("{patch}\n"))
            .unwrap_or_default(),
        json: json!({"user": user, "identities": json, "patch": patch}),
        cases: Vec::new(),
        status: ExitStatus::Fine,
    }
}

fn place(identity: &Identity) -> [String; 2] {
    let metadata = &identity.metadata;
    [metadata.namespace.clone(), metadata.name.clone()].map(Option::unwrap_or_default)
}

/// What is left of an identity in the cluster and at Google, as its status records it.
fn left(identity: &Identity) -> Vec<String> {
    let mut left = Vec::new();
    let status = identity.status.clone().unwrap_or_default();
    let phase = identity.phase();
    if phase != Phase::Gone {
        left.push(format!("phase {phase}"));
    }
    left.extend(
        status
            .bindings
            .iter()
            .map(|one| format!("binding on {}", one.google_service_account)),
    );
    left.extend(
        status
            .grants
            .iter()
            .map(|one| format!("grant {}", one.grant.role)),
    );
    left.extend(
        status
            .service_account_uid
            .iter()
            .map(|_| "Kubernetes service account".to_owned()),
    );
    left.extend(status.left);
    left
}

fn receipt(user: &str, mine: &[Identity]) -> Answer {
    let rows: Vec<_> = mine
        .iter()
        .map(|one| {
            let ([namespace, name], left) = (place(one), left(one));
            let left = if left.is_empty() {
                "nothing".to_owned()
            } else {
                left.join(", ")
            };
            [namespace, name, left]
        })
        .collect();
    let remains = mine.iter().any(|one| !left(one).is_empty());
    let mut text = match rows.as_slice() {
        [] => format!("{} has no identity.\n", plain(user)),
        _ => table(
            ["NAMESPACE", "IDENTITY", "LEFT IN THE CLUSTER AND AT GOOGLE"],
            &rows,
        ),
    };
    if !remains && !mine.is_empty() {
        text += &format!(
            "\nAll of {} is gone. The names stay reserved. Google keeps deleted accounts for 30 days.\n",
            plain(user)
        );
    }
    let cases = rows.iter().map(|[namespace, name, left]| Case {
        name: format!("{namespace}/{name}"),
        found: (left != "nothing")
            .then(|| left.clone())
            .into_iter()
            .collect(),
        skipped: None,
    });
    let json: Vec<_> = rows
        .iter()
        .map(|[namespace, name, left]| json!({"namespace": namespace, "name": name, "left": left}))
        .collect();
    Answer {
        text,
        short: rows
            .iter()
            .map(|row| plain(&row.join(" ")) + "\n")
            .collect(),
        json: json!({"user": user, "identities": json}),
        cases: cases.collect(),
        status: ExitStatus::of(remains, true),
    }
}

#[cfg(test)]
mod tests;
