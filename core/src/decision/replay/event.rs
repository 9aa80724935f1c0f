//! Events of the API server's audit log, as far as a decision needs them. Everything else is skipped while it is parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    decision::IdentityChoice, json::Text, names::is_managed_name, rules::Launcher, user::Requester,
};

/// Labels or annotations.
type Pairs<'a> = BTreeMap<Text<'a>, Text<'a>>;

/// One line of the log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Event<'a> {
    pub(super) kind: Text<'a>,
    pub(super) stage: Text<'a>,
    pub(super) verb: Text<'a>,
    #[serde(rename = "requestURI", default)]
    pub(super) request_uri: Text<'a>,
    #[serde(default)]
    user: UserInfo<'a>,
    impersonated_user: Option<UserInfo<'a>>,
    pub(super) object_ref: Option<ObjectRef<'a>>,
    request_object: Option<Object<'a>>,
    #[serde(default)]
    pub(super) annotations: Decided<'a>,
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
struct UserInfo<'a> {
    username: Text<'a>,
    groups: Vec<Text<'a>>,
    extra: Extra,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra {
    #[serde(rename = "authentication.kubernetes.io/credential-id")]
    credential_id: Option<IgnoredAny>,
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

impl Event<'_> {
    /// The kind of object that was created, if pods are created from it or it is one.
    pub(super) fn launcher(&self) -> Option<Launcher> {
        let object = self.object_ref.as_ref()?;
        if self.verb.as_str() != "create" || !object.subresource.is_empty() {
            return None;
        }
        match (object.api_group.as_str(), object.resource.as_str()) {
            ("", "pods") => Some(Launcher::Pod),
            ("batch", "jobs") => Some(Launcher::Job),
            ("batch", "cronjobs") => Some(Launcher::CronJob),
            ("jobset.x-k8s.io", "jobsets") => Some(Launcher::JobSet),
            ("argoproj.io", "workflows") => Some(Launcher::Workflow),
            _ => None,
        }
    }

    /// Who sent the request, after impersonation.
    pub(super) fn requester(&self) -> Requester {
        let user = self.impersonated_user.as_ref().unwrap_or(&self.user);
        Requester {
            username: user.username.to_string(),
            groups: user.groups.iter().map(ToString::to_string).collect(),
            has_credential_id: user.extra.credential_id.is_some(),
        }
    }

    /// The object, if the log has it, and not only that it was created.
    pub(super) fn object(&self) -> Option<&Object<'_>> {
        self.request_object.as_ref()
    }

    /// An annotation of the object itself.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        let metadata = self.request_object.as_ref()?.metadata.as_ref()?;
        find(metadata.annotations.as_ref(), key)
    }
}

impl Object<'_> {
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
