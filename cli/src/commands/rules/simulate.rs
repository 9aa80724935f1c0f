//! `simulate`: what the webhook would decide about objects if somebody created them. Creates nothing, and sends nothing to the webhook:
//! its code runs here.

use std::path::PathBuf;

use clap::Args as Flags;
use namesake_service::RulesFiles;
use namesake_webhook::simulate::{Simulated, SimulatedRequest, simulate};
use serde_json::{Value, json};

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain, quoted};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::flags::Global;
use crate::cluster::opt_in::why_not_asked;
use crate::cluster::{rules_of_stack, versions};
use crate::commands::rules::files::{self, File};
use crate::console::Console;

/// Groups that the API server gives to everybody whom it knows, to every service account, and to those of a namespace.
const AUTHENTICATED: &str = "system:authenticated";
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// Beginning of the usernames of service accounts.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// What is printed of an allowed object: the keys of its audit annotations, and their names.
const SHOWN: [(&str, &str); 6] = [
    ("user", "user"),
    ("rule", "rule"),
    ("class", "class"),
    ("service-account", "account"),
    ("outcome", "outcome"),
    ("would", "would"),
];

/// Options of `simulate`.
#[derive(Clone, Debug, Default, Flags)]
pub struct Simulate {
    /// Who creates the objects: the name by which the API server knows them
    #[arg(long = "as", value_name = "USER")]
    pub user: String,
    /// A group of theirs; may be repeated
    #[arg(long = "as-group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// File with the objects, in YAML or JSON; may be repeated, `-` is standard input
    #[arg(long = "file", short = 'f', value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Decide by these rules instead of those in force; may be repeated, all are read together; needs no cluster
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
}

/// An object, and in which namespace it would be created.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    namespace: String,
    object: Value,
}

/// What would be decided about an object.
#[derive(Clone, Debug, PartialEq)]
struct Decided {
    draft: Draft,
    answer: Simulated,
    /// Why the webhook would not be asked, if it would not.
    not_asked: Option<String>,
    /// What could not be seen.
    unseen: Option<String>,
}

pub(crate) async fn run(
    global: &Global,
    options: &Simulate,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let objects = objects(&files::read(&options.files, console.input)?)?;
    let edited = match options.rules.as_slice() {
        [] => None,
        paths => Some(files::read_rules(paths, console)?),
    };
    let (session, (files, rules)) = match edited {
        Some(edited) => (None, edited),
        None => {
            let session = Session::open(global).await?;
            versions::warn(&session, console).await;
            let rules = rules_of_stack::files(&session).await?;
            (Some(session), rules)
        }
    };
    let default = session.as_ref().map(|one| one.default_namespace.as_str());
    let drafts = drafts(
        objects,
        global.namespace.as_deref(),
        default.unwrap_or("default"),
    )?;
    let mut all = Vec::new();
    for draft in drafts {
        let (not_asked, unseen) = match &session {
            Some(session) => why_not_asked(session, &draft.namespace, rules.stack()).await?,
            None => (None, None),
        };
        let answer = decide(options, &files, &draft).await?;
        all.push(Decided {
            draft,
            answer,
            not_asked,
            unseen,
        });
    }
    Ok(answer(&options.user, rules.revision(), &all))
}

/// The objects in files, those of a List one by one.
fn objects(files: &[File]) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    for (name, text) in files {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
            let first = error.to_string();
            let first = first.lines().next().unwrap_or_default();
            Failure::Usage(format!("{name} is not YAML or JSON: {}", plain(first)))
        })?;
        for mut document in documents {
            match document.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => found.extend(items),
                _ if document.is_null() => {}
                _ => found.push(document),
            }
        }
    }
    match found.as_slice() {
        [] => Err(Failure::Usage("the files have no object".to_owned())),
        _ => Ok(found),
    }
}

/// The namespace of each object, as kubectl chooses it.
fn drafts(objects: Vec<Value>, named: Option<&str>, default: &str) -> Result<Vec<Draft>, Failure> {
    let each = objects.into_iter().map(|object| {
        let own = object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str);
        let namespace = match (own, named) {
            (Some(own), Some(named)) if own != named => {
                return Err(Failure::Usage(format!(
                    "{} is in namespace {}, and -n names {}",
                    name(&object),
                    plain(own),
                    plain(named)
                )));
            }
            (own, named) => own.or(named).unwrap_or(default).to_owned(),
        };
        Ok(Draft { namespace, object })
    });
    each.collect()
}

/// Kind and name of an object, as `Job t-b2bdfea8-*`.
fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = match (text("/metadata/name"), text("/metadata/generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(beginning)) => format!("{beginning}*"),
        (None, None) => "without a name".to_owned(),
    };
    plain(&format!("{kind} {name}"))
}

/// The groups that the API server would report.
fn groups(user: &str, named: &[String]) -> Vec<String> {
    let account = user.strip_prefix(SERVICE_ACCOUNT);
    let namespace = account.and_then(|account| account.split(':').next());
    let of_account = namespace.into_iter().flat_map(|namespace| {
        [
            SERVICE_ACCOUNTS.to_owned(),
            format!("{SERVICE_ACCOUNTS}:{namespace}"),
        ]
    });
    let all = named.iter().cloned().chain(of_account);
    all.chain([AUTHENTICATED.to_owned()]).collect()
}

async fn decide(
    options: &Simulate,
    rules: &RulesFiles,
    draft: &Draft,
) -> Result<Simulated, Failure> {
    let groups = groups(&options.user, &options.groups);
    let request = SimulatedRequest {
        requester: &options.user,
        groups: &groups,
        namespace: &draft.namespace,
        object: &draft.object,
    };
    let simulated = simulate(rules.clone(), &request).await;
    simulated.map(without_id).map_err(|error| {
        let why = plain(&format!("{error:#}"));
        Failure::Usage(format!("{}: {why}", name(&draft.object)))
    })
}

/// The answer without the id of the decision, which is in no log.
fn without_id(mut answer: Simulated) -> Simulated {
    let Some(id) = answer.audit_annotations.remove("decision") else {
        return answer;
    };
    let [alone, last] = [format!(" (decision {id})"), format!(", decision {id}")];
    let texts = answer.warnings.iter_mut();
    for text in texts.chain(answer.status.as_mut().map(|status| &mut status.message)) {
        *text = text.replace(&alone, "").replace(&last, "");
    }
    answer
}

/// Why the object would be refused; nothing if it would be created.
fn refusal(one: &Decided) -> Option<String> {
    let status = one.answer.status.as_ref().filter(|_| !one.answer.allowed)?;
    Some(format!("{} ({})", plain(&status.message), status.code))
}

fn answer(user: &str, revision: &str, all: &[Decided]) -> Answer {
    let refused = all.iter().filter(|one| refusal(one).is_some()).count();
    let unseen = all.iter().any(|one| one.unseen.is_some());
    let mut text: String = all.iter().map(|one| text(user, one)).collect();
    text += &format!(
        "\n{} by the rules of revision {revision}: {} would be created, {refused} refused. Nothing is created.\n",
        count(all.len(), "object", "objects"),
        all.len() - refused
    );
    let cases = all.iter().map(|one| Case {
        name: place(one),
        found: refusal(one).into_iter().collect(),
        skipped: None,
    });
    let json: Vec<_> = all
        .iter()
        .map(|one| {
            json!({
                "object": name(&one.draft.object), "namespace": one.draft.namespace, "as": user, "decided": one.answer,
                "notAsked": one.not_asked, "notSeen": one.unseen,
            })
        })
        .collect();
    Answer {
        text,
        short: all.iter().map(short).collect(),
        json: json!({"rules": revision, "objects": json}),
        cases: cases.collect(),
        status: ExitStatus::of(refused > 0, !unseen),
    }
}

fn place(one: &Decided) -> String {
    let name = name(&one.draft.object).replacen(' ', &format!(" {}/", one.draft.namespace), 1);
    plain(&name)
}

fn short(one: &Decided) -> String {
    let audit = |key: &str| one.answer.audit_annotations.get(key);
    match refusal(one) {
        Some(why) => format!("{}: refused: {why}\n", place(one)),
        None => format!(
            "{}: {}\n",
            place(one),
            plain(audit("service-account").map_or("created as it is", String::as_str))
        ),
    }
}

fn text(user: &str, one: &Decided) -> String {
    let mut text = format!("{} as {}: ", place(one), quoted(user));
    text += &match refusal(one) {
        Some(why) => format!("refused\n  {why}\n"),
        None => "created\n".to_owned(),
    };
    for (key, title) in SHOWN {
        let value = one.answer.audit_annotations.get(key);
        let value = value.filter(|_| one.answer.allowed);
        text += &value.map_or_else(String::new, |value| {
            format!("  {title:8} {}\n", plain(value))
        });
    }
    for warning in &one.answer.warnings {
        text += &format!("  warning  {}\n", plain(warning));
    }
    if let Some(why) = &one.not_asked {
        text += &format!(
            "  note     {why}: the object is created as it is, and the rest is what would be decided if the namespace were opted in\n"
        );
    }
    if let Some(what) = &one.unseen {
        text += &format!("  not seen {what}\n");
    }
    text
}

#[cfg(test)]
mod tests;
