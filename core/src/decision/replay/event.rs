//! Entries of the API server's audit log, as far as a decision needs them. Everything else is skipped while it is parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use crate::{decision::IdentityChoice, json::Text, names::is_managed_name, rules::Launcher};

/// Labels or annotations.
type Pairs<'a> = BTreeMap<Text<'a>, Text<'a>>;

/// An entry: an event as the API server writes it, or the same as Cloud Logging has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Event<'a> {
    #[serde(default)]
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) stage: Text<'a>,
    #[serde(default)]
    pub(super) verb: Text<'a>,
    #[serde(rename = "requestURI", default)]
    pub(super) request_uri: Text<'a>,
    #[serde(default)]
    pub(super) user: UserInfo<'a>,
    pub(super) impersonated_user: Option<UserInfo<'a>>,
    pub(super) object_ref: Option<ObjectRef<'a>>,
    pub(super) request_object: Option<Object<'a>>,
    #[serde(default)]
    pub(super) annotations: Decided<'a>,
    // Of Cloud Logging.
    pub(super) proto_payload: Option<Payload<'a>>,
    pub(super) operation: Option<Operation>,
    #[serde(default)]
    pub(super) labels: Decided<'a>,
}

/// What Cloud Logging has of a request (`google.cloud.audit.AuditLog`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub(super) struct Payload<'a> {
    pub(super) service_name: Text<'a>,
    /// Such as `io.k8s.batch.v1.jobs.create`.
    pub(super) method_name: Text<'a>,
    /// Such as `batch/v1/namespaces/research/jobs/train`.
    pub(super) resource_name: Text<'a>,
    pub(super) authentication_info: AuthenticationInfo<'a>,
    pub(super) request: Option<Object<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub(super) struct AuthenticationInfo<'a> {
    pub(super) principal_email: Text<'a>,
}

/// Which of the entries about one request it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) last: bool,
}

/// Which object a request is about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub(super) struct ObjectRef<'a> {
    pub(super) resource: Text<'a>,
    pub(super) subresource: Text<'a>,
    pub(super) namespace: Text<'a>,
    pub(super) api_group: Text<'a>,
}

/// What Namesake's webhook wrote into the event of a parent, or of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Decided<'a> {
    #[serde(
        rename = "mutate.namesake.dev/outcome",
        alias = "pods.namesake.dev/outcome"
    )]
    pub(super) outcome: Option<Text<'a>>,
    #[serde(rename = "mutate.namesake.dev/user", alias = "pods.namesake.dev/user")]
    pub(super) user: Option<Text<'a>>,
    #[serde(
        rename = "mutate.namesake.dev/class",
        alias = "pods.namesake.dev/class"
    )]
    class: Option<Text<'a>>,
    #[serde(
        rename = "mutate.namesake.dev/service-account",
        alias = "pods.namesake.dev/service-account"
    )]
    service_account: Option<Text<'a>>,
}

impl Decided<'_> {
    /// Whether the same class and user got another name when this was recorded: names depend on stack and cluster.
    pub(super) fn has_other_name(&self, choice: &IdentityChoice) -> bool {
        let is = |recorded: &Option<Text<'_>>, now: &str| {
            recorded.as_ref().is_some_and(|text| text.as_str() == now)
        };
        let account = self.service_account.as_ref().map(Text::as_str);
        let account = account.filter(|account| is_managed_name(account));
        is(&self.class, &choice.class)
            && is(&self.user, choice.user.as_str())
            && account.is_some_and(|account| account != choice.name.as_str())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct UserInfo<'a> {
    pub(super) username: Text<'a>,
    pub(super) groups: Vec<Text<'a>>,
    pub(super) extra: Extra,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extra {
    #[serde(rename = "authentication.kubernetes.io/credential-id")]
    pub(super) credential_id: Option<IgnoredAny>,
}

/// An object that is created.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Object<'a> {
    metadata: Option<Metadata<'a>>,
    spec: Option<Spec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Metadata<'a> {
    labels: Option<Pairs<'a>>,
    annotations: Option<Pairs<'a>>,
}

/// Where each kind of parent has its pod templates.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Spec<'a> {
    /// Of a Job.
    template: Option<PodTemplate<'a>>,
    /// Of a CronJob.
    job_template: Option<JobTemplate<'a>>,
    /// Of a JobSet.
    replicated_jobs: Option<Vec<ReplicatedJob<'a>>>,
    /// Of a Workflow.
    templates: Option<Vec<PodTemplate<'a>>>,
    /// Of a Workflow: of all of its pods.
    pod_metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct PodTemplate<'a> {
    metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct JobTemplate<'a> {
    spec: Option<JobSpec<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct JobSpec<'a> {
    template: Option<PodTemplate<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct ReplicatedJob<'a> {
    template: Option<JobTemplate<'a>>,
}

/// What a pod claims: the first that has a key counts.
#[derive(Clone, Copy, Default)]
pub(super) struct PodClaims<'e> {
    metadata: [Option<&'e Metadata<'e>>; 2],
}

impl<'e> PodClaims<'e> {
    fn of(metadata: [Option<&'e Metadata<'e>>; 2]) -> Self {
        Self { metadata }
    }

    pub(super) fn label(&self, key: &str) -> Option<&'e str> {
        let mut maps = self.metadata.iter().flatten();
        maps.find_map(|metadata| find(metadata.labels.as_ref(), key))
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'e str> {
        let mut maps = self.metadata.iter().flatten();
        maps.find_map(|metadata| find(metadata.annotations.as_ref(), key))
    }
}

fn find<'p>(pairs: Option<&'p Pairs<'_>>, key: &str) -> Option<&'p str> {
    pairs?.get(key).map(Text::as_str)
}

// The metadata of the pods of a Job that is created from a template.
fn pod_metadata<'e>(template: Option<&'e JobTemplate<'e>>) -> Option<&'e Metadata<'e>> {
    let spec = template?.spec.as_ref()?;
    spec.template.as_ref()?.metadata.as_ref()
}

impl Object<'_> {
    /// An annotation of the object itself.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        find(self.metadata.as_ref()?.annotations.as_ref(), key)
    }

    /// What the pods of the object claim: at least one.
    pub(super) fn pods(&self, launcher: Launcher) -> Vec<PodClaims<'_>> {
        if launcher == Launcher::Pod {
            return vec![PodClaims::of([self.metadata.as_ref(), None])];
        }
        let Some(spec) = &self.spec else {
            return vec![PodClaims::default()];
        };
        let mut pods = Vec::new();
        match launcher {
            Launcher::Pod => {}
            Launcher::Job => {
                let template = spec.template.as_ref();
                let metadata = template.and_then(|template| template.metadata.as_ref());
                pods.push(PodClaims::of([metadata, None]));
            }
            Launcher::CronJob => {
                let metadata = pod_metadata(spec.job_template.as_ref());
                pods.push(PodClaims::of([metadata, None]));
            }
            Launcher::JobSet => {
                let jobs = spec.replicated_jobs.iter().flatten();
                pods.extend(
                    jobs.map(|one| PodClaims::of([pod_metadata(one.template.as_ref()), None])),
                );
            }
            Launcher::Workflow => {
                let all = spec.pod_metadata.as_ref();
                let templates = spec.templates.iter().flatten();
                pods.extend(
                    templates.map(|template| PodClaims::of([template.metadata.as_ref(), all])),
                );
            }
        }
        if pods.is_empty() {
            pods.push(PodClaims::default());
        }
        pods
    }
}
