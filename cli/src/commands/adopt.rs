//! `adopt`: assigns a parent of pods to a user, as docs/operate.md describes it. Shows first what would run, and asks.

mod what_runs;

use clap::Args as Flags;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Error, ResourceExt};
use namesake_api::names;
use namesake_webhook::decide::kinds::{self, Kind, Scope};
use namesake_webhook::state::served;
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::plain;
use crate::answer::{Answer, Case, Output};
use crate::cluster::connect::Session;
use crate::console::{Console, say};
use what_runs::{WhatRuns, place, shown};

/// How often an object is annotated again that was updated meanwhile.
const MAX_ATTEMPTS: usize = 10;

/// Options of `adopt`.
#[derive(Clone, Debug, Flags)]
pub struct Adopt {
    /// The object, such as job/nightly-1 or workflowtemplate/trainflow
    #[arg(value_name = "KIND/NAME")]
    pub object: String,
    /// The user whose pods it creates from now on, such as alice@acme.com
    #[arg(long = "for", value_name = "USER")]
    pub user: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

pub(crate) async fn run(
    session: &Session,
    options: &Adopt,
    output: Output,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let (kind, name) = parse(&options.object)?;
    let (api, place) = api(session, kind).await?;
    let object = api.get(name).await;
    let object = object.map_err(Failure::to(format!("read {} {place}{name}", kind.kind)))?;
    let plan = shown(kind, &object, &options.user);
    match output {
        Output::Text => say(console.out, &plan),
        // What programs read has only the answer.
        _ => say(console.err, &plan),
    }
    if !options.yes && !confirmed(console, &options.user) {
        return Ok(answer(kind, &object, &options.user, false));
    }
    let patched = annotate(&api, kind, &place, &object, &options.user).await?;
    if patched.annotations().contains_key(names::ADOPT_ANNOTATION) {
        return Err(Failure::Refused {
            what: format!("adopt {} {place}{name}", kind.kind),
            why: "the webhook did not see the annotation: is the namespace opted in and not switched off? Remove the annotation".to_owned(),
        });
    }
    Ok(answer(kind, &object, &options.user, true))
}

/// What was done with the object that was shown.
fn answer(kind: &Kind, object: &DynamicObject, user: &str, is_adopted: bool) -> Answer {
    let place = plain(&place(object));
    let name = format!("{} {place}", kind.kind);
    let text = match is_adopted {
        true => format!("{name} belongs to {} now.\n", plain(user)),
        false => "Nothing is changed.\n".to_owned(),
    };
    let what_runs = WhatRuns::of(object);
    Answer {
        short: text.clone(),
        text,
        json: json!({
            "object": {"kind": kind.kind, "namespace": object.namespace(), "name": object.name_any()}, "user": user,
            "containers": what_runs.containers(), "templates": what_runs.templates(), "adopted": is_adopted,
        }),
        cases: vec![Case {
            name,
            found: Vec::new(),
            skipped: (!is_adopted).then(|| "not confirmed: nothing is changed".to_owned()),
        }],
        status: ExitStatus::Fine,
    }
}

/// Annotates the object that was shown. While only its status changes, it tries again.
async fn annotate(
    api: &Api<DynamicObject>,
    kind: &Kind,
    place: &str,
    shown: &DynamicObject,
    user: &str,
) -> Result<DynamicObject, Failure> {
    let name = shown.name_any();
    let what = |verb: &str| format!("{verb} {} {place}{name}", kind.kind);
    let mut object = shown.clone();
    for _ in 0..MAX_ATTEMPTS {
        let annotation = json!({"metadata": {
            "annotations": {names::ADOPT_ANNOTATION: user},
            "resourceVersion": object.resource_version(),
        }});
        let params = PatchParams::default();
        match api.patch(&name, &params, &Patch::Merge(&annotation)).await {
            Err(Error::Api(status)) if status.code == 409 => {}
            patched => return patched.map_err(Failure::to(what("annotate"))),
        }
        object = api.get(&name).await.map_err(Failure::to(what("read")))?;
        if object.data.get("spec") != shown.data.get("spec") || object.uid() != shown.uid() {
            break;
        }
    }
    Err(Failure::Refused {
        what: what("adopt"),
        why: "it changed after it was shown: look at it again".to_owned(),
    })
}

/// Kind and name in `KIND/NAME`, where the kind is written as kubectl accepts it.
fn parse(object: &str) -> Result<(&'static Kind, &str), Failure> {
    let form = || {
        Failure::Usage(format!(
            "{object:?} is not KIND/NAME, such as job/nightly-1"
        ))
    };
    let (word, name) = object.split_once('/').ok_or_else(form)?;
    if name.is_empty() {
        return Err(form());
    }
    let word = word.to_lowercase();
    let is_named = |kind: &&Kind| word == kind.plural || word == kind.kind.to_lowercase();
    let mut all = kinds::parents().map(|(kind, _)| kind);
    let found = all.find(is_named);
    let known: Vec<_> = kinds::parents()
        .map(|(kind, _)| kind.kind.to_lowercase())
        .collect();
    let unknown = || {
        Failure::Usage(format!(
            "{word:?} cannot be adopted: name one of {}",
            known.join(", ")
        ))
    };
    Ok((found.ok_or_else(unknown)?, name))
}

/// The objects of the kind, and the beginning of their names in messages.
async fn api(session: &Session, kind: &Kind) -> Result<(Api<DynamicObject>, String), Failure> {
    let served = served(&session.client).await;
    let served = served.map_err(Failure::to("read which kinds the API server has"))?;
    let unserved = || Failure::Usage(format!("this cluster has no {}", kind.plural));
    let resource = served.get(kind.name).ok_or_else(unserved)?;
    let client = session.client.clone();
    Ok(match kind.scope {
        Scope::Namespaced => {
            let namespace = session
                .namespace
                .as_ref()
                .unwrap_or(&session.default_namespace);
            (
                Api::namespaced_with(client, namespace, resource),
                format!("{namespace}/"),
            )
        }
        _ => (Api::all_with(client, resource), String::new()),
    })
}

fn confirmed(console: &mut Console<'_>, user: &str) -> bool {
    say(
        console.err,
        &format!("Adopt it for {}? [y/N] ", plain(user)),
    );
    let mut line = String::new();
    let read = console.input.read_line(&mut line);
    read.is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_kubectl_accepts_it() {
        for word in [
            "job/a",
            "jobs/a",
            "Job/a",
            "CronJob/a",
            "workflowtemplates/a",
        ] {
            assert_eq!(parse(word).unwrap().1, "a", "{word}");
        }
        for word in ["a", "job/", "pod/a", "deployment/a"] {
            assert_eq!(
                parse(word).unwrap_err().status(),
                ExitStatus::Usage,
                "{word}"
            );
        }
    }

    #[test]
    fn what_was_adopted_is_one_document_with_object_user_and_containers() {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "t-1", "namespace": "research"},
            "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "python", "command": ["a", "b"]}]}}},
        });
        let object: DynamicObject = serde_json::from_value(job).unwrap();
        let (kind, _) = parse("job/t-1").unwrap();
        let adopted = answer(kind, &object, "alice@acme.com", true);
        let expected = json!({
            "object": {"kind": "Job", "namespace": "research", "name": "t-1"}, "user": "alice@acme.com", "adopted": true,
            "containers": [{"name": "main", "image": "python", "command": "a b"}], "templates": [],
        });
        assert_eq!(adopted.json, expected);
        assert_eq!(
            adopted.text,
            "Job research/t-1 belongs to alice@acme.com now.\n"
        );
        let not = answer(kind, &object, "alice@acme.com", false);
        assert_eq!(
            (&not.json["adopted"], not.text.as_str()),
            (&json!(false), "Nothing is changed.\n")
        );
        assert!(adopted.cases[0].skipped.is_none() && not.cases[0].skipped.is_some());
    }
}
