//! `list`: identities, those that do not work, and parents without a proven requester.

use clap::Args as Flags;
use futures::future::join;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use namesake_api::{Identity, UnprovenParent, UnprovenReport, names};
use serde_json::json;

use crate::answer::exit_status::ExitStatus;
use crate::answer::failure::Failure;
use crate::answer::text::{plain, table};
use crate::answer::{Answer, Case, Output};
use crate::cluster::connect::Session;
use crate::cluster::identities::{self, Which, is_not_ready};
use crate::console::{Console, say};

/// Options of `list`.
#[derive(Clone, Debug, Default, Flags)]
pub struct List {
    /// Only identities that should work and do not; exit code 1 if there are any
    #[arg(long, conflicts_with = "unproven")]
    pub not_ready: bool,
    /// Instead, parents of pods without a proven requester; exit code 1 if there are any
    #[arg(long)]
    pub unproven: bool,
}

pub(crate) async fn run(
    session: &Session,
    options: &List,
    output: Output,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    if options.unproven {
        let name = names::UNPROVEN_CONFIG_MAP;
        let map = session.at_home::<ConfigMap>().get_opt(name).await;
        let map = map.map_err(Failure::to(format!(
            "read ConfigMap {}/{name}",
            session.home
        )))?;
        let data = map.and_then(|map| map.data).ok_or(Failure::Refused {
            what: format!("read ConfigMap {}/{name}", session.home),
            why: "the webhook has not written it".to_owned(),
        })?;
        let report = UnprovenReport::from_data(&data).map_err(|why| Failure::Refused {
            what: format!("read ConfigMap {}/{name}", session.home),
            why: plain(&why),
        })?;
        let namespace = session.namespace.as_deref();
        let unseen = not_listed(&report, namespace);
        let answer = unproven(&report, namespace);
        return Ok(with_unseen(answer, unseen, output, console));
    }
    let now = Timestamp::now();
    let within = identities::within_rights(session, async |session| {
        if !options.not_ready {
            return Ok((identities::list(session).await?, None));
        }
        let not_ready = identities::select(session, Which::NotReady);
        let (shown, all) = join(not_ready, identities::count(session)).await;
        Ok((shown?, Some(all?)))
    });
    let within = within.await?;
    let (shown, of) = within.read;
    let answer = answer(&shown, of, now);
    Ok(with_unseen(answer, within.unseen, output, console))
}

/// The answer, and what could not be seen, if so; on standard error for formats that have only what was asked for.
fn with_unseen(
    answer: Answer,
    unseen: Option<String>,
    output: Output,
    console: &mut Console<'_>,
) -> Answer {
    let Some(unseen) = unseen else {
        return answer;
    };
    if matches!(output, Output::Short | Output::Json) {
        say(console.err, &format!("not seen: {}\n", plain(&unseen)));
    }
    incomplete(answer, &unseen)
}

/// An answer without what the caller may not see.
fn incomplete(answer: Answer, unseen: &str) -> Answer {
    let mut cases = answer.cases;
    cases.push(Case {
        name: "seen".to_owned(),
        found: Vec::new(),
        skipped: Some(unseen.to_owned()),
    });
    Answer {
        text: format!("{}\nNOT SEEN {}\n", answer.text, plain(unseen)),
        cases,
        status: ExitStatus::Incomplete,
        ..answer
    }
}

/// The row of an identity: namespace, name, user, class, phase, ready, reason, since when.
type Row = [String; 8];

fn row(identity: &Identity, now: Timestamp) -> Row {
    let status = identity.status.as_ref();
    let conditions = status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|c| c.type_ == names::READY);
    let since = ready.map(|ready| ready.last_transition_time.0);
    let since = since.or_else(|| Some(identity.metadata.creation_timestamp.as_ref()?.0));
    [
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
        identity.spec.user.clone(),
        identity.spec.class.clone(),
        identity.phase().to_string(),
        if identity.is_ready() { "True" } else { "False" }.to_owned(),
        ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
        since
            .map(|since| identities::age(since, now))
            .unwrap_or_default(),
    ]
}

// `of`: how many there are, if these are only those that are not ready.
fn answer(shown: &[Identity], of: Option<usize>, now: Timestamp) -> Answer {
    let rows: Vec<Row> = shown.iter().map(|one| row(one, now)).collect();
    let head = [
        "NAMESPACE",
        "NAME",
        "USER",
        "CLASS",
        "PHASE",
        "READY",
        "REASON",
        "SINCE",
    ];
    let text = match (rows.as_slice(), of) {
        ([], Some(all)) => format!("not ready: 0 of {all}\n"),
        ([], None) => "there are no identities\n".to_owned(),
        _ => table(head, &rows),
    };
    let json: Vec<_> = rows
        .iter()
        .map(|[namespace, name, user, class, phase, ready, reason, since]| {
            json!({"namespace": namespace, "name": name, "user": user, "class": class, "phase": phase, "ready": ready == "True", "reason": reason, "since": since})
        })
        .collect();
    // Who asks for all of them looks for nothing.
    let cases = shown.iter().zip(&rows).map(|(identity, row)| Case {
        name: format!("{}/{}", row[0], row[1]),
        found: (of.is_some() && is_not_ready(identity))
            .then(|| format!("{} ({}): {} for {}", row[2], row[4], row[6], row[7]))
            .into_iter()
            .collect(),
        skipped: None,
    });
    Answer {
        text,
        short: rows
            .iter()
            .map(|row| plain(&format!("{}/{}", row[0], row[1])) + "\n")
            .collect(),
        json: json.into(),
        cases: cases.collect(),
        status: ExitStatus::of(of.is_some() && !shown.is_empty(), true),
    }
}

fn unproven(report: &UnprovenReport, namespace: Option<&str>) -> Answer {
    let in_it =
        |one: &&UnprovenParent| namespace.is_none_or(|namespace| one.namespace == namespace);
    let shown: Vec<_> = report.parents.iter().filter(in_it).collect();
    let rows: Vec<_> = shown
        .iter()
        .map(|one| {
            [
                one.namespace.clone(),
                one.kind.to_string(),
                one.name.clone(),
                one.why.clone(),
            ]
        })
        .collect();
    let unseen = not_listed(report, namespace);
    let mut text = match (rows.as_slice(), &unseen) {
        ([], None) => "every parent of pods has a proven requester\n".to_owned(),
        ([], Some(_)) => "the report lists no parent of pods here\n".to_owned(),
        _ => table(["NAMESPACE", "KIND", "NAME", "WHY"], &rows),
    };
    // In which namespaces these are, it does not say.
    let more = report.count.saturating_sub(report.parents.len());
    let is_more = more > 0 && namespace.is_none();
    if is_more {
        text += &format!("and {more} more, which the report does not list\n");
    }
    let line = |one: &&UnprovenParent| {
        plain(&format!("{} {}/{}", one.namespace, one.kind, one.name)) + "\n"
    };
    let cases = shown.iter().map(|one| Case {
        name: format!("{} {}/{}", one.namespace, one.kind, one.name),
        found: vec![one.why.clone()],
        skipped: None,
    });
    Answer {
        text,
        short: shown.iter().map(line).collect(),
        json: json!({"count": report.count, "parents": shown, "notSeen": unseen}),
        cases: cases.collect(),
        status: ExitStatus::of(!shown.is_empty() || is_more, true),
    }
}

/// Why a namespace may have more than the report lists.
fn not_listed(report: &UnprovenReport, namespace: Option<&str>) -> Option<String> {
    let (listed, all) = (report.parents.len(), report.count);
    let namespace = namespace.filter(|_| listed < all)?;
    Some(format!(
        "parents of pods in namespace {namespace} that the report does not list: of the {all} in all namespaces it lists {listed}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;
    use crate::cluster::identities::tests::{NOW, identity};

    #[test]
    fn only_identities_that_pods_would_wait_for_are_not_ready() {
        let now = NOW.parse().unwrap();
        let all = [
            identity("alice", "InUse", "True", "Ready"),
            identity("bob", "Verifying", "False", "Propagating"),
            identity("carol", "Gone", "False", "Offboarded"),
        ];
        let (ready, not): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|one| !is_not_ready(one));
        assert_eq!((ready.len(), not.len()), (2, 1));
        let not_ready = answer(&not, Some(3), now);
        assert_eq!(not_ready.status, ExitStatus::Found);
        assert_eq!(not_ready.short, "research/mf-bob-aaaaaaaaaaaaaa\n");
        let list = answer(&all, None, now);
        assert_eq!(list.status, ExitStatus::Fine);
        let failures = |answer: &Answer| {
            answer
                .cases
                .iter()
                .filter(|case| !case.found.is_empty())
                .count()
        };
        assert_eq!((failures(&list), failures(&not_ready)), (0, 1));
        let fine = answer(&[], Some(1), now);
        assert_eq!(
            (fine.status, fine.text.as_str()),
            (ExitStatus::Fine, "not ready: 0 of 1\n")
        );
        golden::check("list", &answer(&all, None, now));
        let unseen = "identities outside namespace research: not allowed to list identities in all namespaces (-n names one): \
            identities.namesake.dev is forbidden: User \"alice@acme.com\" cannot list resource \"identities\" in API group \
            \"namesake.dev\" at the cluster scope";
        let own = incomplete(answer(&all[..1], None, now), unseen);
        assert_eq!(own.status, ExitStatus::Incomplete);
        golden::check_as("list-view", "list", &own);
        golden::check_as("list-not-ready", "list --not-ready", &not_ready);
    }

    #[test]
    fn unproven_parents_are_listed_in_one_namespace_or_in_all() {
        let parent = |namespace: &str, name: &str| UnprovenParent {
            namespace: namespace.to_owned(),
            kind: "batch/CronJob".into(),
            name: name.to_owned(),
            why: "it has no stamp".to_owned(),
        };
        let report = UnprovenReport::new(vec![parent("research", "nightly"), parent("try", "old")]);
        let all = unproven(&report, None);
        golden::check_as("list-unproven", "list --unproven", &all);
        assert_eq!(
            unproven(&report, Some("try")).short,
            "try batch/CronJob/old\n"
        );
        let none = unproven(&UnprovenReport::default(), None);
        assert_eq!(none.status, ExitStatus::Fine);
    }

    #[test]
    fn of_one_namespace_a_report_that_does_not_list_all_says_nothing() {
        let cut = UnprovenReport {
            count: 1_200,
            ..UnprovenReport::default()
        };
        assert_eq!(unproven(&cut, None).status, ExitStatus::Found);
        let in_one = |report: &UnprovenReport| {
            let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), std::io::empty());
            let mut console = Console {
                out: &mut out,
                err: &mut err,
                input: &mut input,
            };
            let unseen = not_listed(report, Some("research"));
            let answer = unproven(report, Some("research"));
            let answer = with_unseen(answer, unseen, Output::Json, &mut console);
            (answer, String::from_utf8(err).unwrap())
        };
        let (answer, error) = in_one(&cut);
        assert_eq!(answer.status, ExitStatus::Incomplete);
        assert!(!answer.text.contains("every"), "{}", answer.text);
        let part = "NOT SEEN parents of pods in namespace research that the report";
        assert!(answer.text.contains(part), "{}", answer.text);
        assert!(error.starts_with("not seen: parents of pods"), "{error}");
        assert!(answer.json["notSeen"].is_string());
        let (answer, error) = in_one(&UnprovenReport::default());
        assert_eq!((answer.status, error.as_str()), (ExitStatus::Fine, ""));
    }
}
