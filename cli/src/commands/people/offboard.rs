//! `offboard` and `return`: what an edit of the rules would do to a user's identities, and that edit as a patch. Neither writes.

mod edit;
mod receipt;
mod remains;

use clap::Args as Flags;
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::{Identity, Phase, names};
use namesake_core::{Rules, UserStatus};
use namesake_service::{RulesFiles, parse_and_test_rules, parse_rules, rules_files};
use serde_json::json;
use similar::TextDiff;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, quoted, table};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::identities::{self, Which, Within};
use remains::Remains;

/// Options of `offboard`.
#[derive(Clone, Debug, Flags)]
pub struct Offboard {
    /// The user, as the rules name users, such as bob@acme.com
    pub user: String,
    /// Instead, print what is gone of the user and what is left; exit code 1 while there is something
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
        return Ok(receipt::answer(
            &options.user,
            &mine.read,
            mine.unseen.as_deref(),
        ));
    }
    change(session, &options.user, Direction::Offboard).await
}

pub(crate) async fn run_return(session: &Session, options: &Return) -> Result<Answer, Failure> {
    change(session, &options.user, Direction::Return).await
}

async fn change(session: &Session, user: &str, direction: Direction) -> Result<Answer, Failure> {
    let name = names::RULES_CONFIG_MAP;
    let what = format!("read ConfigMap {}/{name}", session.home);
    let map = session.at_home::<ConfigMap>().get_opt(name).await;
    let map = map.map_err(Failure::to(what.clone()))?;
    let map = map.ok_or_else(|| Failure::Refused {
        what,
        why: "there are no rules".to_owned(),
    })?;
    let files = rules_files(map.data.as_ref());
    let edited = edited(&files, user, direction)?;
    let Within { read: mine, unseen } = of_user(session, user).await?;
    let mut remains = match direction {
        Direction::Offboard => remains::of_user(session, user, &mine).await?,
        Direction::Return => Remains::default(),
    };
    remains.unseen.extend(unseen);
    let rules = (&files, &edited);
    Ok(plan(
        &session.home,
        user,
        direction,
        (&mine, &remains),
        rules,
    ))
}

/// The identities of a user in all namespaces, whichever the caller named: the rules are about all of them. Who may not list
/// those gets the ones of that namespace.
async fn of_user(session: &Session, user: &str) -> Result<Within<Vec<Identity>>, Failure> {
    let named = session.namespace.as_ref();
    let everywhere = Session {
        namespace: None,
        default_namespace: named.unwrap_or(&session.default_namespace).clone(),
        ..session.clone()
    };
    identities::within_rights(&everywhere, async |session| {
        identities::select(session, Which::OfUser(user)).await
    })
    .await
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
    match parse_and_test_rules(&all) {
        Ok(rules) if rules.user_status(user) == direction.wanted() => {
            Ok(Some((file.to_owned(), new)))
        }
        Ok(_) => Err(by_hand()),
        Err(rejection) => Err(Failure::Usage(format!(
            "the edited rules would be refused: {}",
            plain(&rejection.problems()[0].to_string())
        ))),
    }
}

fn parse(files: &RulesFiles) -> Result<Rules, Failure> {
    let rules = parse_rules(files);
    rules.map_err(|errors| {
        let first = plain(&errors.problems[0].to_string());
        Failure::Refused {
            what: "edit the rules in the cluster".to_owned(),
            why: format!("they are not valid, correct them first (kubectl namesake lint): {first}"),
        }
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
    (mine, remains): (&[Identity], &Remains),
    (files, edited): (&RulesFiles, &Edited),
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
        [] if !remains.unseen.is_empty() => {
            format!("{} has no identity that you may see.\n", plain(user))
        }
        [] => format!("{} has no identity.\n", plain(user)),
        _ => table(["NAMESPACE", "IDENTITY", "PHASE", "THEN"], &rows),
    };
    text += &still_there(remains);
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
        json: json!({
            "user": user, "identities": json, "stillThere": remains.objects, "notSeen": remains.unseen, "patch": patch,
        }),
        cases: cases(&rows, edited.is_some(), &remains.unseen),
        status: ExitStatus::of(false, remains.unseen.is_empty()),
    }
}

/// What the user still has running or scheduled, and what could not be seen.
fn still_there(remains: &Remains) -> String {
    let mut text = String::new();
    for object in &remains.objects {
        text += &format!("still there: {}\n", plain(object));
    }
    if !remains.objects.is_empty() {
        text += "Their new pods will be refused: delete these objects, or assign them to somebody else (kubectl namesake adopt).\n";
    }
    for unseen in &remains.unseen {
        text += &format!("NOT SEEN {}\n", plain(unseen));
    }
    text
}

/// A plan finds nothing: its cases are what it is about.
fn cases(rows: &[[String; 4]], edits_rules: bool, unseen: &[String]) -> Vec<Case> {
    let case = |name: String| Case {
        name,
        found: Vec::new(),
        skipped: None,
    };
    let identities = rows.iter();
    let identities =
        identities.map(|[namespace, name, _, then]| case(format!("{namespace}/{name} {then}")));
    let rules = case(match edits_rules {
        true => "the rules can be edited".to_owned(),
        false => "the rules say so already".to_owned(),
    });
    let unseen = unseen.iter().map(|why| Case {
        skipped: Some(why.clone()),
        ..case("seen".to_owned())
    });
    identities.chain([rules]).chain(unseen).collect()
}

fn place(identity: &Identity) -> [String; 2] {
    let metadata = &identity.metadata;
    [metadata.namespace.clone(), metadata.name.clone()].map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests;
