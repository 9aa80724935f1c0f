//! The queries that bring the logs, and what has to be enabled for them. Pure.

use jiff::Timestamp;
use namesake_api::names::PODS_WEBHOOK;
use serde_json::json;

use super::account::Account;
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::{plain, quoted};
use crate::answer::{Answer, Case};

/// Google's logs in the query language of Cloud Logging.
const ACTIVITY: &str = r#"log_id("cloudaudit.googleapis.com/activity")"#;
const DATA: &str = r#"log_id("cloudaudit.googleapis.com/data_access")"#;

/// How data access logs are enabled.
pub(super) const DATA_ACCESS: &str = "Data Access audit logs are off unless somebody enabled them, and without them Google records no \
    reads of data and no tokens: gcloud projects get-iam-policy PROJECT --format='json(auditConfigs)' shows which are on; the Terraform \
    module enables them, or the page IAM & Admin > Audit Logs (Cloud Storage, IAM Service Account Credentials, Security Token Service)";

/// The commands; `unknown` is why the cluster did not say more about the account.
pub(super) fn answer(account: &Account, since: Timestamp, unknown: Option<String>) -> Answer {
    let project = |known: &Option<String>| quoted(known.as_deref().unwrap_or("PROJECT"));
    let cluster = format!(
        "gcloud logging read {} --project={} --format=json > kubernetes.json",
        quoted(&kubernetes_filter(account, since)),
        project(&account.cluster_project)
    );
    let google = format!(
        "gcloud logging read {} --project={} --format=json > google.json",
        quoted(&google_filter(account, since)),
        project(&account.project)
    );
    let who = account.email.as_deref().or(account.name.as_deref());
    let who = format!(
        "kubectl namesake who {} --kubernetes-audit kubernetes.json --google-audit google.json",
        quoted(who.unwrap_or_default())
    );
    let mut text = format!(
        "The logs of {}:\n\n1. The pods, from the log of the project of the cluster; elsewhere from the file of the API server's audit log\n  \
         {cluster}\n\n2. What the account did, from the log of each project with data that it uses (--folder or --organization: of all)\n  \
         {google}\n\n3. Both together\n  {who}\n\n{DATA_ACCESS}\n",
        account.describe()
    );
    let unseen = unknown.filter(|_| account.namespace.is_none() || account.email.is_none());
    if let Some(why) = &unseen {
        text += &format!(
            "\nNOT SEEN the Identity of the account, so the queries go by what you wrote: {}\n",
            plain(why)
        );
    }
    Answer {
        short: format!("{cluster}\n{google}\n"),
        json: json!({"kubernetes": cluster, "google": google, "notSeen": unseen}),
        // No log was read.
        cases: ["kubernetes", "google"]
            .map(|log| Case {
                name: format!("{}, {log} log", account.describe()),
                found: Vec::new(),
                skipped: Some(match &unseen {
                    Some(why) => format!("not read; nor is its Identity: {why}"),
                    None => "not read: run the query, and give the file".to_owned(),
                }),
            })
            .to_vec(),
        text,
        status: ExitStatus::of(false, unseen.is_none()),
    }
}

fn kubernetes_filter(account: &Account, since: Timestamp) -> String {
    let mut parts = vec![
        r#"resource.type="k8s_cluster""#.to_owned(),
        ACTIVITY.to_owned(),
        r#"protoPayload.methodName="io.k8s.core.v1.pods.create""#.to_owned(),
    ];
    if let Some(name) = &account.name {
        parts.push(format!(
            r#"labels."{PODS_WEBHOOK}/service-account"="{name}""#
        ));
    }
    if let Some(namespace) = &account.namespace {
        parts.push(format!(
            r#"protoPayload.resourceName:"/namespaces/{namespace}/""#
        ));
    }
    parts.push(format!(r#"timestamp>="{since}""#));
    parts.join(" AND ")
}

fn google_filter(account: &Account, since: Timestamp) -> String {
    let info = "protoPayload.authenticationInfo";
    let mut who = Vec::new();
    match (&account.email, &account.name) {
        (Some(email), _) => who.push(format!(r#"{info}.principalEmail="{email}""#)),
        (None, Some(name)) => who.push(format!(r#"{info}.principalEmail:"{name}@""#)),
        (None, None) => {}
    }
    if let Some(name) = &account.name {
        let namespace = account.namespace.as_deref().unwrap_or_default();
        for subject in [
            format!("[{namespace}/{name}]"),
            format!("/subject/ns/{namespace}/sa/{name}"),
        ] {
            // Without its namespace, its name has to do.
            let subject = if namespace.is_empty() { name } else { &subject };
            let part = format!(r#"{info}.principalSubject:"{subject}""#);
            if !who.contains(&part) {
                who.push(part);
            }
        }
    }
    format!(
        r#"({ACTIVITY} OR {DATA}) AND ({}) AND timestamp>="{since}""#,
        who.join(" OR ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::golden;
    use crate::cluster::identities::tests::identity;

    #[test]
    fn without_files_the_queries_are_printed_with_everything_that_is_known() {
        let since = "2026-11-28T12:00:00Z".parse().unwrap();
        let account = Account::parse("mf-alice-aaaaaaaaaaaaaa").unwrap();
        let unknown = answer(&account, since, Some("no kubeconfig".to_owned()));
        assert!(
            unknown.text.contains("NOT SEEN the Identity"),
            "{}",
            unknown.text
        );
        assert!(unknown.text.contains("--project=PROJECT"));
        assert_eq!(unknown.status, ExitStatus::Incomplete);
        let account = account.with(&identity("alice", "InUse", "True", "Ready"));
        let known = answer(&account, since, None);
        assert!(!known.text.contains("NOT SEEN"));
        assert_eq!(known.status, ExitStatus::Fine);
        assert_eq!(known.cases.len(), 2);
        assert!(known.cases.iter().all(|case| case.skipped.is_some()));
        golden::check_as("who-queries", "who mf-alice-aaaaaaaaaaaaaa", &known);
    }

    #[test]
    fn a_filter_has_balanced_parentheses_and_no_quote_of_the_caller() {
        let since = "2026-11-28T12:00:00Z".parse().unwrap();
        for text in [
            "x",
            "ns/x",
            "x@p.iam.gserviceaccount.com",
            "mf-alice-aaaaaaaaaaaaaa@p.iam.gserviceaccount.com",
        ] {
            let account = Account::parse(text).unwrap();
            for filter in [
                google_filter(&account, since),
                kubernetes_filter(&account, since),
            ] {
                let count = |c: char| filter.matches(c).count();
                assert_eq!(count('('), count(')'), "{filter}");
                assert_eq!(count('"') % 2, 0, "{filter}");
            }
        }
    }
}
