//! `gc --dry-run`: what is left over and nobody removes, each with the reason and the command that removes it. It only lists.

mod leftovers;

use clap::Args as Flags;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{count, plain};
use crate::answer::{Answer, Case};
use crate::cluster::connect::Session;
use crate::cluster::objects::each_page;
use crate::cluster::{identities, rules_of_stack};
use crate::commands::quota::garbage;
use crate::console::Progress;
use leftovers::{Leftover, leftovers};

/// Options of `gc`.
#[derive(Clone, Debug, Default, Flags)]
pub struct Gc {
    /// Only list; there is no other mode
    #[arg(long)]
    pub dry_run: bool,
}

/// What is looked at. Metadata of service accounts and Jobs is enough.
#[derive(Default)]
struct Found {
    home: String,
    accounts: Vec<PartialObjectMeta<ServiceAccount>>,
    identities: Vec<Identity>,
    jobs: Vec<PartialObjectMeta<Job>>,
    config_maps: Vec<FoundConfigMap>,
    unseen: Vec<String>,
}

/// A ConfigMap that has annotations of each replica of a program.
struct FoundConfigMap {
    name: &'static str,
    program: &'static str,
    map: Option<ConfigMap>,
    pods: Vec<String>,
}

pub(crate) async fn run(session: &Session, options: &Gc) -> Result<Answer, Failure> {
    if !options.dry_run {
        let only =
            "gc only lists what is left over, with the command that removes each: gc --dry-run";
        return Err(Failure::Usage(only.to_owned()));
    }
    let mut found = read(session).await?;
    let rules = match rules_of_stack::rules(session).await {
        Ok(rules) => Some(rules),
        Err(failure) if failure.status() == ExitStatus::Unreachable => return Err(failure),
        Err(failure) => {
            let what = "what belongs to this stack, which the rules say";
            found.unseen.push(format!("{what}: {failure}"));
            None
        }
    };
    if found.reported_garbage().is_none() {
        let why = "Google service accounts without an Identity: the broker has not reported them";
        found.unseen.push(why.to_owned());
    }
    let left = leftovers(rules.as_ref(), &found, Timestamp::now());
    Ok(answer(&left, &found.unseen))
}

async fn read(session: &Session) -> Result<Found, Failure> {
    let mut found = Found {
        home: session.home.clone(),
        ..Found::default()
    };
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let ours = ListParams::default().labels(&ours);
    let accounts = list(session.objects(), ours, "list service accounts").await;
    found.accounts = found.seen(accounts)?.unwrap_or_default();
    // Without the Identities every account would seem to have none.
    match identities::list(session).await {
        Ok(all) => found.identities = all,
        Err(failure) => {
            found.seen::<()>(Err(failure))?;
            found.accounts.clear();
        }
    }
    let jobs = list(session.objects(), ListParams::default(), "list Jobs").await;
    found.jobs = found.seen(jobs)?.unwrap_or_default();
    for (name, program) in [
        (names::UNPROVEN_CONFIG_MAP, names::WEBHOOK_SERVICE_ACCOUNT),
        (names::QUOTA_CONFIG_MAP, names::BROKER_SERVICE_ACCOUNT),
    ] {
        let config_map = config_map(session, name, program).await;
        let config_map = found.seen(config_map)?;
        found.config_maps.extend(config_map);
    }
    Ok(found)
}

async fn config_map(
    session: &Session,
    name: &'static str,
    program: &'static str,
) -> Result<FoundConfigMap, Failure> {
    let label = format!("{}={program}", names::NAME_LABEL);
    let of_program = ListParams::default().labels(&label);
    let what = format!("list the pods of {program}");
    let pods = list::<Pod>(session.at_home(), of_program, &what).await?;
    let map = session.at_home::<ConfigMap>().get_opt(name).await;
    let what = format!("read ConfigMap {}/{name}", session.home);
    Ok(FoundConfigMap {
        name,
        program,
        map: map.map_err(Failure::to(what))?,
        pods: pods.iter().map(ResourceExt::name_any).collect(),
    })
}

impl Found {
    /// The Google service accounts that belong to no Identity, as the broker reports them.
    fn reported_garbage(&self) -> Option<Vec<&str>> {
        let mut config_maps = self.config_maps.iter();
        let quota = config_maps.find(|config_map| config_map.name == names::QUOTA_CONFIG_MAP)?;
        garbage(quota.map.as_ref()?.data.as_ref()?)
    }

    /// What was read; a missing right is recorded.
    fn seen<T>(&mut self, read: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(failure @ Failure::Forbidden { .. }) => {
                self.unseen.push(failure.to_string());
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The metadata of objects, page by page.
async fn list<K>(
    api: Api<K>,
    params: ListParams,
    what: &str,
) -> Result<Vec<PartialObjectMeta<K>>, Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let mut found = Vec::new();
    let mut progress = Progress::of("objects", None);
    let list = async |params: &ListParams| api.list_metadata(params).await;
    let listed = each_page(list, params, &mut progress, |one| found.push(one));
    listed.await.map_err(Failure::to(what))?;
    Ok(found)
}

fn answer(all: &[Leftover], unseen: &[String]) -> Answer {
    let mut text = String::new();
    for Leftover {
        place,
        why,
        command,
    } in all
    {
        text += &format!(
            "{}\n  why:   {}\n  to do: {}\n",
            plain(place),
            plain(why),
            plain(command)
        );
    }
    for what in unseen {
        text += &format!("not seen: {}\n", plain(what));
    }
    text += match all {
        [] => "Nothing is left over",
        _ => "\nNothing is deleted",
    };
    text += &format!(": {}.\n", count(all.len(), "leftover", "leftovers"));
    let short = all.iter().map(|one| plain(&one.command) + "\n");
    let cases = all.iter().map(|one| Case {
        name: one.place.clone(),
        found: vec![format!("{}; {}", one.why, one.command)],
        skipped: None,
    });
    let skipped = unseen.iter().map(|why| Case {
        name: "seen".to_owned(),
        found: Vec::new(),
        skipped: Some(why.clone()),
    });
    let json: Vec<_> = all
        .iter()
        .map(|one| json!({"place": one.place, "why": one.why, "toDo": one.command}))
        .collect();
    Answer {
        text,
        short: short.collect(),
        json: json!({"leftovers": json, "notSeen": unseen}),
        cases: cases.chain(skipped).collect(),
        status: ExitStatus::of(!all.is_empty(), unseen.is_empty()),
    }
}

#[cfg(test)]
mod tests;
