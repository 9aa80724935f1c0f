//! Objects that say something else than they should, of every kind.

use anyhow::{Context, Result, ensure};
use namesake_tests::namespace::{TestNamespace, with_namespace};
use serde_json::{Value, json};

use super::{check_webhook_still_answers, maker, place, sends};

/// What becomes of it.
enum Ends {
    /// Its author is told so, in these words.
    Told(&'static [&'static str]),
    /// It is kept, as its author's.
    Kept,
}
use Ends::{Kept, Told};

/// Group, version and plural; kind; what is put over a good object; how it ends.
type Row = (&'static str, &'static str, Value, Ends);

const JOBS: (&str, &str) = ("batch/v1/jobs", "Job");
const CRON_JOBS: (&str, &str) = ("batch/v1/cronjobs", "CronJob");
const PODS: (&str, &str) = ("v1/pods", "Pod");
const JOB_SETS: (&str, &str) = ("jobset.x-k8s.io/v1alpha2/jobsets", "JobSet");
const WORKFLOWS: (&str, &str) = ("argoproj.io/v1alpha1/workflows", "Workflow");
const TEMPLATES: (&str, &str) = ("argoproj.io/v1alpha1/workflowtemplates", "WorkflowTemplate");
const CRONS: (&str, &str) = ("argoproj.io/v1alpha1/cronworkflows", "CronWorkflow");
const TASK_SETS: (&str, &str) = ("argoproj.io/v1alpha1/workflowtasksets", "WorkflowTaskSet");

fn row(of: (&'static str, &'static str), over: Value, ends: Ends) -> Row {
    (of.0, of.1, over, ends)
}

/// What the webhook tells whoever made it.
const FIX: &str = "mend the object and create it again";

/// Lists inside lists.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |inside, _| json!([inside]))
}

/// What the API server knows the types of, it refuses itself, and names what is wrong.
fn of_kubernetes() -> Vec<Row> {
    let job = |spec: Value| json!({"spec": spec});
    vec![
        row(JOBS, json!({"kind": "Pod"}), Told(&["Pod"])),
        row(JOBS, json!({"kind": "Workflow"}), Told(&["Workflow"])),
        row(JOBS, json!({"apiVersion": "batch/v9"}), Told(&["batch/v9"])),
        row(JOBS, job(json!("x")), Told(&["Job.spec"])),
        row(JOBS, job(json!({})), Told(&["spec.template"])),
        row(JOBS, job(json!({"template": []})), Told(&["spec.template"])),
        row(JOBS, job(json!({"template": 1})), Told(&["spec.template"])),
        row(
            JOBS,
            json!({"metadata": {"annotations": {"a": 1}}}),
            Told(&["annotations"]),
        ),
        row(
            JOBS,
            json!({"metadata": {"labels": ["a"]}}),
            Told(&["labels"]),
        ),
        row(
            JOBS,
            json!({"metadata": {"name": null, "annotations": {"a": "b"}}}),
            Told(&["metadata.name", "generateName", "create it again"]),
        ),
        row(CRON_JOBS, job(json!({})), Told(&["spec.schedule"])),
        row(
            CRON_JOBS,
            job(json!({"schedule": "* * * * *", "jobTemplate": "x"})),
            Told(&["jobTemplate"]),
        ),
        row(
            CRON_JOBS,
            job(
                json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": 7}}}}),
            ),
            Told(&["template.spec"]),
        ),
        row(PODS, job(json!({})), Told(&["spec.containers"])),
        row(
            PODS,
            job(json!({"containers": nested(200)})),
            Told(&["containers"]),
        ),
        row(
            PODS,
            job(json!({"serviceAccountName": {"name": "x"}, "containers": []})),
            Told(&["serviceAccountName"]),
        ),
    ]
}

/// Its schema says little of what is in it.
fn of_job_sets() -> Vec<Row> {
    let jobs = |jobs: Value| json!({"spec": {"replicatedJobs": jobs}});
    let template = |template: Value| {
        jobs(json!([{"name": "a", "template": {"spec": {"template": template}}}]))
    };
    const PLACE: &str = "spec.replicatedJobs[0].template.spec.template";
    vec![
        row(JOB_SETS, json!({}), Kept),
        row(JOB_SETS, json!({"spec": {}}), Kept),
        row(JOB_SETS, jobs(json!([])), Kept),
        row(JOB_SETS, template(json!({})), Kept),
        row(JOB_SETS, json!({"spec": "x"}), Told(&["spec"])),
        row(
            JOB_SETS,
            jobs(json!({})),
            Told(&["spec.replicatedJobs is not a list", FIX]),
        ),
        row(
            JOB_SETS,
            jobs(json!([1])),
            Told(&["spec.replicatedJobs[0] is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!([])),
            Told(&[PLACE, "is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"metadata": {"annotations": {"a": 1}}})),
            Told(&[PLACE, "metadata.annotations.a is not a string", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"metadata": {"labels": "x"}})),
            Told(&[PLACE, "metadata.labels is not an object", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"serviceAccountName": 7}})),
            Told(&[PLACE, "spec.serviceAccountName is not a string", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"hostNetwork": "yes"}})),
            Told(&[PLACE, "spec.hostNetwork is not a boolean", FIX]),
        ),
        row(
            JOB_SETS,
            template(json!({"spec": {"containers": nested(200)}})),
            Told(&["nested too deeply", FIX]),
        ),
        row(
            JOB_SETS,
            json!({"spec": {"nodeSelector": {"a": 1}}}),
            Told(&["spec.nodeSelector", "integer `1`", FIX]),
        ),
    ]
}

/// Argo's own definitions of its kinds have no schema, so that everything gets as far as we are.
fn of_specs() -> Vec<Row> {
    let spec = |spec: Value| json!({"spec": spec});
    let mut rows = Vec::new();
    for kind in [WORKFLOWS, TEMPLATES] {
        rows.extend([
            row(kind, json!({}), Kept),
            row(kind, spec(json!(null)), Kept),
            row(kind, spec(json!({"templates": "x"})), Kept),
            row(kind, spec(json!({"templates": [1, null, [], "x"]})), Kept),
            row(
                kind,
                spec(json!({"templates": [{"container": {"image": 7}, "metadata": {"annotations": {"a": 1}}}]})),
                Kept,
            ),
            row(kind, spec(json!({"workflowTemplateRef": {"name": 7}})), Kept),
            row(kind, spec(json!([])), Told(&["spec", "expected an object", FIX])),
            row(kind, spec(json!("x")), Told(&["spec", "\"x\"", FIX])),
            row(
                kind,
                spec(json!({"serviceAccountName": 7})),
                Told(&["spec.serviceAccountName", "`7`", "a string", FIX]),
            ),
            row(
                kind,
                spec(json!({"templates": nested(200)})),
                Told(&["nested too deeply", FIX]),
            ),
            row(kind, json!({"metadata": {"annotations": {"a": 1}}}), Told(&["annotations"])),
            row(kind, json!({"metadata": "x"}), Told(&["ObjectMeta"])),
        ]);
    }
    rows
}

fn of_argo() -> Vec<Row> {
    let spec = |spec: Value| json!({"spec": spec});
    let mut rows = of_specs();
    rows.extend([
        row(CRONS, json!({}), Kept),
        row(CRONS, spec(json!({"workflowSpec": []})), Kept),
        row(CRONS, spec(json!({"workflowSpec": {"templates": 7}})), Kept),
        row(
            CRONS,
            spec(json!({"workflowSpec": nested(200)})),
            Told(&["nested too deeply", FIX]),
        ),
        row(
            WORKFLOWS,
            json!({"spec": {}, "status": "x"}),
            Told(&["status", "only Argo writes it"]),
        ),
        row(
            WORKFLOWS,
            json!({"spec": {}, "status": {"nodes": nested(200)}}),
            Told(&["nested too deeply", FIX]),
        ),
        row(
            TASK_SETS,
            spec(json!({"tasks": nested(200)})),
            Told(&["guard.namesake.dev", "workflowtaskset", "mallory@acme.com"]),
        ),
        // The API server goes by where it is sent, and calls it what it is.
        row(WORKFLOWS, json!({"kind": "CronWorkflow"}), Kept),
        row(
            WORKFLOWS,
            json!({"apiVersion": "argoproj.io/v9"}),
            Told(&["argoproj.io/v9"]),
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
        let answer = sends(&mallory, "POST", &place(of, &ns.name), &body).await?;
        match ends {
            Told(says) => answer.tells(says).with_context(about)?,
            Kept => {
                let made = answer.kept().with_context(about)?;
                let maker = maker(&made).with_context(about)?;
                ensure!(maker == mallory.name, "{}: {maker}", about());
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
        sends(&alice, "POST", &place, &made).await?.kept()?;
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
            let answer = sends(&mallory, "PATCH", &path, &change).await?;
            answer.tells(&[says]).with_context(about)?;
        }
        // Of her own it is hers to break; the stamp stays hers.
        let broken = sends(&alice, "PATCH", &path, &json!({"spec": {"templates": 7}})).await?;
        let maker = maker(&broken.kept()?)?;
        ensure!(maker == alice.name, "{maker}");
        check_webhook_still_answers(&ns).await
    })
}
