//! Malformed objects of every kind.

use anyhow::{Context, Result, ensure};
use namesake_tests::namespace::{TestNamespace, with_namespace};
use serde_json::{Value, json};

use super::{check_webhook_still_answers, place, send_json, stamped_user};

/// The expected outcome.
#[derive(Clone, Copy)]
enum Outcome {
    /// It is refused with a message that contains these words.
    Refused(&'static [&'static str]),
    /// It is stored with its author's stamp.
    Stored,
}
use Outcome::{Refused, Stored};

/// Group, version and plural; kind; the patch of a valid object; the expected outcome.
type Row = (&'static str, &'static str, Value, Outcome);

const JOBS: (&str, &str) = ("batch/v1/jobs", "Job");
const CRON_JOBS: (&str, &str) = ("batch/v1/cronjobs", "CronJob");
const PODS: (&str, &str) = ("v1/pods", "Pod");
const JOB_SETS: (&str, &str) = ("jobset.x-k8s.io/v1alpha2/jobsets", "JobSet");
const WORKFLOWS: (&str, &str) = ("argoproj.io/v1alpha1/workflows", "Workflow");
const TEMPLATES: (&str, &str) = ("argoproj.io/v1alpha1/workflowtemplates", "WorkflowTemplate");
const CRONS: (&str, &str) = ("argoproj.io/v1alpha1/cronworkflows", "CronWorkflow");
const TASK_SETS: (&str, &str) = ("argoproj.io/v1alpha1/workflowtasksets", "WorkflowTaskSet");

fn row(of: (&'static str, &'static str), over: Value, ends: Outcome) -> Row {
    (of.0, of.1, over, ends)
}

/// The remedy in the webhook's message.
const FIX: &str = "fix the object and create it again";

/// Nested lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |inside, _| json!([inside]))
}

/// Kinds of Kubernetes itself: the API server refuses them and names the field.
fn of_kubernetes() -> Vec<Row> {
    let job = |spec: Value| json!({"spec": spec});
    let template = Refused(&["spec.template"]);
    vec![
        row(JOBS, json!({"kind": "Pod"}), Refused(&["Pod"])),
        row(JOBS, json!({"kind": "Workflow"}), Refused(&["Workflow"])),
        row(
            JOBS,
            json!({"apiVersion": "batch/v9"}),
            Refused(&["batch/v9"]),
        ),
        row(JOBS, job(json!("x")), Refused(&["Job.spec"])),
        row(JOBS, job(json!({})), template),
        row(JOBS, job(json!({"template": []})), template),
        row(JOBS, job(json!({"template": 1})), template),
        row(
            JOBS,
            json!({"metadata": {"annotations": {"a": 1}}}),
            Refused(&["annotations"]),
        ),
        row(
            JOBS,
            json!({"metadata": {"labels": ["a"]}}),
            Refused(&["labels"]),
        ),
        row(
            JOBS,
            json!({"metadata": {"name": null, "annotations": {"a": "b"}}}),
            Refused(&["metadata.name", "generateName", "create it again"]),
        ),
        row(CRON_JOBS, job(json!({})), Refused(&["spec.schedule"])),
        row(
            CRON_JOBS,
            job(json!({"schedule": "* * * * *", "jobTemplate": "x"})),
            Refused(&["jobTemplate"]),
        ),
        row(
            CRON_JOBS,
            job(
                json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": 7}}}}),
            ),
            Refused(&["template.spec"]),
        ),
        row(PODS, job(json!({})), Refused(&["spec.containers"])),
        row(
            PODS,
            job(json!({"containers": nested(200)})),
            Refused(&["containers"]),
        ),
        row(
            PODS,
            job(json!({"serviceAccountName": {"name": "x"}, "containers": []})),
            Refused(&["serviceAccountName"]),
        ),
    ]
}

/// JobSets, whose schema validates little.
fn of_job_sets() -> Vec<Row> {
    let jobs = |jobs: Value| json!({"spec": {"replicatedJobs": jobs}});
    let template = |template: Value| {
        jobs(json!([{"name": "a", "template": {"spec": {"template": template}}}]))
    };
    const PLACE: &str = "spec.replicatedJobs[0].template.spec.template";
    vec![
        row(JOB_SETS, json!({}), Stored),
        row(JOB_SETS, json!({"spec": {}}), Stored),
        row(JOB_SETS, jobs(json!([])), Stored),
        row(JOB_SETS, template(json!({})), Stored),
        row(JOB_SETS, json!({"spec": "x"}), Refused(&["spec"])),
        row(
            JOB_SETS,
            jobs(json!({})),
            Refused(&["spec.replicatedJobs is not a list", FIX]),
        ),
        row(
            JOB_SETS,
            jobs(json!([1])),
            Refused(&["spec.replicatedJobs[0] is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!([])),
            Refused(&[PLACE, "is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"metadata": {"annotations": {"a": 1}}})),
            Refused(&[PLACE, "metadata.annotations.a is not a string", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"metadata": {"labels": "x"}})),
            Refused(&[PLACE, "metadata.labels is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"serviceAccountName": 7}})),
            Refused(&[PLACE, "spec.serviceAccountName is not a string", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"hostNetwork": "yes"}})),
            Refused(&[PLACE, "spec.hostNetwork is not a boolean", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"containers": nested(200)}})),
            Refused(&["nested too deeply", FIX]),
        ),
        row(
            JOB_SETS,
            json!({"spec": {"nodeSelector": {"a": 1}}}),
            Refused(&["spec.nodeSelector", "integer `1`", FIX]),
        ),
    ]
}

/// Argo's kinds, whose definitions have no schema, so that everything reaches the webhook.
fn of_specs() -> Vec<Row> {
    let spec = |spec: Value| json!({"spec": spec});
    let mut rows = Vec::new();
    for kind in [WORKFLOWS, TEMPLATES] {
        rows.extend([
            row(kind, json!({}), Stored),
            row(kind, spec(json!(null)), Stored),
            row(kind, spec(json!({"templates": "x"})), Stored),
            row(kind, spec(json!({"templates": [1, null, [], "x"]})), Stored),
            row(
                kind,
                spec(json!({"templates": [{"container": {"image": 7}, "metadata": {"annotations": {"a": 1}}}]})),
                Stored,
            ),
            row(kind, spec(json!({"workflowTemplateRef": {"name": 7}})), Stored),
            row(kind, spec(json!([])), Refused(&["spec", "expected an object", FIX])),
            row(kind, spec(json!("x")), Refused(&["spec", "\"x\"", FIX])),
            row(
                kind,
                spec(json!({"serviceAccountName": 7})),
                Refused(&["spec.serviceAccountName", "`7`", "a string", FIX]),
            ),
            row(
                kind,
                spec(json!({"templates": nested(200)})),
                Refused(&["nested too deeply", FIX]),
            ),
            row(kind, json!({"metadata": {"annotations": {"a": 1}}}), Refused(&["annotations"])),
            row(kind, json!({"metadata": "x"}), Refused(&["ObjectMeta"])),
        ]);
    }
    rows
}

fn of_argo() -> Vec<Row> {
    let spec = |spec: Value| json!({"spec": spec});
    let mut rows = of_specs();
    rows.extend([
        row(CRONS, json!({}), Stored),
        row(CRONS, spec(json!({"workflowSpec": []})), Stored),
        row(
            CRONS,
            spec(json!({"workflowSpec": {"templates": 7}})),
            Stored,
        ),
        row(
            CRONS,
            spec(json!({"workflowSpec": nested(200)})),
            Refused(&["nested too deeply", FIX]),
        ),
        row(
            WORKFLOWS,
            json!({"spec": {}, "status": "x"}),
            Refused(&["status", "only Argo writes it"]),
        ),
        row(
            WORKFLOWS,
            json!({"spec": {}, "status": {"nodes": nested(200)}}),
            Refused(&["nested too deeply", FIX]),
        ),
        row(
            TASK_SETS,
            spec(json!({"tasks": nested(200)})),
            Refused(&["guard.namesake.dev", "workflowtaskset", "mallory@acme.com"]),
        ),
        // The API server goes by the URL, and sets the kind itself.
        row(WORKFLOWS, json!({"kind": "CronWorkflow"}), Stored),
        row(
            WORKFLOWS,
            json!({"apiVersion": "argoproj.io/v9"}),
            Refused(&["argoproj.io/v9"]),
        ),
    ]);
    rows
}

fn object(of: &str, kind: &str, number: usize, over: &Value) -> Value {
    let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": format!("bad-{number}")}});
    json_patch::merge(&mut object, over);
    object
}

async fn check(ns: &TestNamespace, rows: Vec<Row>) -> Result<()> {
    let mallory = ns.mallory().await?;
    for (number, (of, kind, over, ends)) in rows.into_iter().enumerate() {
        let body = object(of, kind, number, &over);
        let about = || format!("{of}: {:.300}", over.to_string());
        let answer = send_json(&mallory, "POST", &place(of, &ns.name), &body).await?;
        match ends {
            Refused(says) => answer.expect_refusal(says).with_context(about)?,
            Stored => {
                let made = answer.expect_stored().with_context(about)?;
                let user = stamped_user(&made).with_context(about)?;
                ensure!(user == mallory.name, "{}: {user}", about());
            }
        }
    }
    check_webhook_still_answers(ns).await
}

#[test]
fn what_the_api_server_parses_itself_is_refused_with_its_error() -> Result<()> {
    with_namespace(|ns| async move { check(&ns, of_kubernetes()).await })
}

#[test]
fn a_malformed_job_set_is_refused_with_field_and_remedy_or_runs_nothing() -> Result<()> {
    with_namespace(|ns| async move { check(&ns, of_job_sets()).await })
}

#[test]
fn a_malformed_argo_object_is_refused_with_field_and_remedy_or_stamped_for_its_author() -> Result<()>
{
    with_namespace(|ns| async move { check(&ns, of_argo()).await })
}

#[test]
fn a_malformed_change_is_refused_and_changes_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        let (of, kind) = WORKFLOWS;
        let flow = json!({"spec": namesake_tests::controllers::replayed_argo::inline()["spec"]});
        let made = object(of, kind, 0, &flow);
        let place = place(of, &ns.name);
        send_json(&alice, "POST", &place, &made)
            .await?
            .expect_stored()?;
        let path = format!("{place}/bad-0");
        for (change, says) in [
            (json!({"spec": []}), "spec"),
            (json!({"spec": {"templates": 7}}), "spec.templates"),
            (
                json!({"spec": {"templates": nested(200)}}),
                "nested too deeply",
            ),
            (json!({"status": "x"}), "status"),
            (
                json!({"status": {"storedTemplates": [1]}}),
                "status.storedTemplates",
            ),
            (
                json!({"metadata": {"annotations": {"a": 1}}}),
                "annotations",
            ),
        ] {
            let about = || format!("{:.200}", change.to_string());
            let answer = send_json(&mallory, "PATCH", &path, &change).await?;
            answer.expect_refusal(&[says]).with_context(about)?;
        }
        // She may break her own object; the stamp stays hers.
        let broken = send_json(&alice, "PATCH", &path, &json!({"spec": {"templates": 7}})).await?;
        let user = stamped_user(&broken.expect_stored()?)?;
        ensure!(user == alice.name, "{user}");
        check_webhook_still_answers(&ns).await
    })
}
