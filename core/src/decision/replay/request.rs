//! What an entry of an audit log says about a request, in whichever of two forms.

use crate::{rules::Launcher, user::Requester};

use super::event::{Decided, Event, Object, Payload};

/// The service of entries of Cloud Logging about the API server.
const SERVICE: &str = "k8s.io";

/// A request.
#[derive(Debug)]
pub(super) struct Request<'e> {
    /// The kind of object, if this entry says that one was created from which pods are created, or that is one.
    pub(super) launcher: Option<Launcher>,
    pub(super) namespace: &'e str,
    /// Who sent the request, after impersonation. The username is empty if the entry does not say it.
    pub(super) requester: Requester,
    /// Whether the entry has the requester's groups.
    pub(super) has_groups: bool,
    /// The object, if the log has it, and not only that it was created.
    pub(super) object: Option<&'e Object<'e>>,
    pub(super) decided: &'e Decided<'e>,
}

impl Request<'_> {
    /// An annotation of the object itself.
    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.object?.annotation(key)
    }
}

impl Event<'_> {
    /// The request, or `None` if this is not an entry about one.
    pub(super) fn request(&self) -> Option<Request<'_>> {
        match &self.proto_payload {
            Some(payload) => self.of_cloud_logging(payload),
            None => (self.kind.as_str() == "Event").then(|| self.of_api_server()),
        }
    }

    fn of_api_server(&self) -> Request<'_> {
        let user = self.impersonated_user.as_ref().unwrap_or(&self.user);
        let is_done = self.stage.as_str() == "ResponseComplete";
        let is_dry_run = self.request_uri.contains("dryRun=");
        let is_create = self.verb.as_str() == "create" && is_done && !is_dry_run;
        let object = self.object_ref.as_ref();
        let object = object.filter(|object| object.subresource.is_empty());
        let launcher = object
            .filter(|_| is_create)
            .and_then(|object| launcher(object.api_group.as_str(), object.resource.as_str()));
        Request {
            launcher,
            namespace: object.map_or("", |object| object.namespace.as_str()),
            requester: Requester {
                username: user.username.to_string(),
                groups: user.groups.iter().map(ToString::to_string).collect(),
                has_credential_id: user.extra.credential_id.is_some(),
            },
            has_groups: true,
            object: self.request_object.as_ref(),
            decided: &self.annotations,
        }
    }

    // Cloud Logging has neither groups nor whether it was a dry run. A service account's token counts as one that the API server
    // issued, because the entry does not say it.
    fn of_cloud_logging<'e>(&'e self, payload: &'e Payload<'e>) -> Option<Request<'e>> {
        if payload.service_name.as_str() != SERVICE {
            return None;
        }
        let is_last = self.operation.as_ref().is_none_or(|one| one.last);
        let is_create = payload.method_name.ends_with(".create") && is_last;
        let parts: Vec<_> = payload.resource_name.split('/').collect();
        let (launcher, namespace) = match parts.as_slice() {
            // With a name, if the request has one, but without a subresource.
            [group, _, "namespaces", namespace, resource]
            | [group, _, "namespaces", namespace, resource, _] => {
                let group = if *group == "core" { "" } else { group };
                (launcher(group, resource), *namespace)
            }
            _ => (None, ""),
        };
        Some(Request {
            launcher: launcher.filter(|_| is_create),
            namespace,
            requester: Requester {
                username: payload.authentication_info.principal_email.to_string(),
                groups: Vec::new(),
                has_credential_id: true,
            },
            has_groups: false,
            object: payload.request.as_ref(),
            decided: &self.labels,
        })
    }
}

fn launcher(group: &str, resource: &str) -> Option<Launcher> {
    match (group, resource) {
        ("", "pods") => Some(Launcher::Pod),
        ("batch", "jobs") => Some(Launcher::Job),
        ("batch", "cronjobs") => Some(Launcher::CronJob),
        ("jobset.x-k8s.io", "jobsets") => Some(Launcher::JobSet),
        ("argoproj.io", "workflows") => Some(Launcher::Workflow),
        _ => None,
    }
}
