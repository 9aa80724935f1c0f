//! Makes the objects of an identity in its namespace, create-only: what is there under the name is compared, never adopted.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, IdentitySpec, MarkError, names};
use serde_json::json;

use crate::identity::objects::{self, Judgement};

mod account;
mod leave;
pub use account::{owned, unowned_removed};
pub use leave::{has_role_bindings, removed};

/// Why an object could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something under the name is not ours.
    #[error(
        "{kind} {namespace}/{name} exists and is not this identity's: {why}: delete it, or rename what needs it; Namesake takes over nothing that it did not make"
    )]
    Conflict {
        /// Kind of the object in the way.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What speaks against it.
        why: String,
    },
    /// What is there is on its way out; the same call works once it is gone.
    #[error(
        "{kind} {namespace}/{name} of an earlier identity is still being deleted: it works again once that is gone"
    )]
    Leaving {
        /// Kind of the object.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The names are too long for a mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The system has no random bytes for us.
    #[error("the system gives no random bytes: check the kernel's getrandom")]
    Random,
    /// The API server refused or did not answer.
    #[error("the API server did not take {what}: {source}{}", remedy(source))]
    Kube {
        /// What was asked of it.
        what: String,
        /// Its answer.
        source: kube::Error,
    },
}

impl Error {
    pub(crate) fn kube(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kube { what, source }
    }
}

/// What a person can do about an answer of the API server.
fn remedy(error: &kube::Error) -> &'static str {
    if is_forbidden(error) {
        return ": an admin gives the broker its rights in the namespace: apply manifests/opt-in there";
    }
    ""
}

/// Whether the API server says that the broker may not do this (here).
#[must_use]
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Everything we write is written in the broker's name.
fn creating() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PostParams::default()
    }
}

fn patching() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    }
}

/// Whether the API server says that something of this name is already there.
fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason == "AlreadyExists")
}

/// Whether the API server refused because the object is not what it was when we looked.
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether the API server says that the object is not there.
#[must_use]
pub fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// The Identity of this name, if it is there.
///
/// # Errors
/// When the API server does not answer.
pub async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<Identity>, Error> {
    let found = Api::<Identity>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    found.map_err(Error::kube(format!(
        "a look at Identity {namespace}/{name}"
    )))
}

/// The Identity that is there, if it is the one asked for.
///
/// # Errors
/// When it is somebody else's, or on its way out.
pub fn accept(there: Identity, asked: &IdentitySpec) -> Result<Identity, Error> {
    let (namespace, name) = (there.namespace().unwrap_or_default(), there.name_any());
    if let Some(why) = objects::mismatch(&there.spec, asked) {
        return Err(Error::Conflict {
            kind: "Identity",
            namespace,
            name,
            why,
        });
    }
    if there.metadata.deletion_timestamp.is_some() {
        return Err(Error::Leaving {
            kind: "Identity",
            namespace,
            name,
        });
    }
    Ok(there)
}

/// An Identity that is there.
#[derive(Clone, Debug)]
pub enum Made {
    /// By this call, and its KSA: nobody has done anything with them yet.
    Now(Box<Identity>, Box<ServiceAccount>),
    /// By another.
    Before(Box<Identity>),
}

/// Creates Identity and KSA, or finds the Identity that a request at the same time has created. Both are asked for at once:
/// a person waits, and one after the other takes twice as long. The KSA is not owned then; a number that we made up for the
/// two ties it to its Identity, until that is looked at for drift.
///
/// # Errors
/// When one of the name is there that is not the same, or the API server refuses. No KSA stays behind without its Identity,
/// unless we die now: then it is garbage.
pub async fn newcomer(
    client: &Client,
    namespace: &str,
    name: &str,
    spec: &IdentitySpec,
) -> Result<Made, Error> {
    let mut wanted = objects::identity(namespace, name, spec.clone());
    let number = number()?;
    let annotations = wanted.annotations_mut();
    annotations.insert(names::CREATION_ANNOTATION.to_owned(), number);
    let (made, early) = tokio::join!(create(client, &wanted), account::early(client, &wanted));
    if let Ok(Some(identity)) = made {
        let account = complete(client, &identity, early?).await?;
        return Ok(Made::Now(Box::new(identity), Box::new(account)));
    }
    if let Ok(Some(early)) = early {
        account::undo(client, &early).await;
    }
    made?;
    let api = Api::<Identity>::namespaced(client.clone(), namespace);
    let what = format!("Identity {namespace}/{name}");
    let there = api.get(name).await.map_err(Error::kube(what))?;
    accept(there, spec).map(|there| Made::Before(Box::new(there)))
}

/// The Identity, if it was not there.
async fn create(client: &Client, wanted: &Identity) -> Result<Option<Identity>, Error> {
    let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    match api.create(&creating(), wanted).await {
        Ok(made) => Ok(Some(made)),
        Err(error) if is_there(&error) => Ok(None),
        Err(source) => Err(Error::Kube {
            what: format!("Identity {namespace}/{name}"),
            source,
        }),
    }
}

/// A number that nobody guesses.
fn number() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Brings the spec in line with what the rules derive today: grants and the like, never whose identity it is, nor whether an
/// admin has suspended it.
///
/// # Errors
/// When the API server refuses, or the Identity changed in between.
pub async fn spec(
    client: &Client,
    there: Identity,
    derived: &IdentitySpec,
) -> Result<Identity, Error> {
    let derived = IdentitySpec {
        suspended: there.spec.suspended,
        ..derived.clone()
    };
    if there.spec == derived {
        return Ok(there);
    }
    let (namespace, name) = (there.namespace().unwrap_or_default(), there.name_any());
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    // The whole spec: a merge would leave what the rules have dropped. Of exactly this version, or the API server says that it
    // is another.
    let patch = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": there.resource_version()},
        {"op": "replace", "path": "/spec", "value": derived},
    ]);
    let what = format!("the spec of Identity {namespace}/{name}");
    let patch = serde_json::from_value(patch).map(Patch::<()>::Json);
    let patch = patch.map_err(|error| Error::kube(&what)(kube::Error::SerdeError(error)))?;
    let replaced = api.patch(&name, &patching(), &patch).await;
    replaced.map_err(Error::kube(what))
}

/// Makes the KSA and its RoleBindings be there and be right, and those be gone that the rules have dropped.
///
/// # Errors
/// When something of the name is there that we did not make, or the API server refuses.
pub async fn service_account(
    client: &Client,
    identity: &Identity,
) -> Result<ServiceAccount, Error> {
    let there = complete(client, identity, None).await?;
    let bindings = objects::role_bindings(identity);
    let wanted: Vec<_> = bindings.iter().map(ResourceExt::name_any).collect();
    leave::role_bindings(client, identity, &wanted).await?;
    Ok(there)
}

/// The KSA, made now unless it is there, and the RoleBindings: nothing is there that the rules could have dropped.
async fn complete(
    client: &Client,
    identity: &Identity,
    early: Option<ServiceAccount>,
) -> Result<ServiceAccount, Error> {
    let there = match early {
        Some(early) => early,
        None => account::is_there(client, identity).await?,
    };
    let namespace = identity.namespace().unwrap_or_default();
    // Only now: a role must not be given to an account of this name that is not ours.
    let bindings = objects::role_bindings(identity);
    let made = bindings
        .iter()
        .map(|binding| role_binding(client, &namespace, binding));
    futures::future::try_join_all(made).await?;
    Ok(there)
}

async fn role_binding(client: &Client, namespace: &str, wanted: &RoleBinding) -> Result<(), Error> {
    let name = wanted.name_any();
    let what = || format!("RoleBinding {namespace}/{name}");
    let api = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    match api.create(&creating(), wanted).await {
        Ok(_) => Ok(()),
        Err(error) if is_there(&error) => {
            let there = api.get(&name).await.map_err(Error::kube(what()))?;
            verdict(
                "RoleBinding",
                &there,
                objects::judge_role_binding(&there, wanted),
            )
            .map(|_| ())
        }
        Err(source) => Err(Error::Kube {
            what: what(),
            source,
        }),
    }
}

/// Turns a judgement that stands in our way into an error.
fn verdict(
    kind: &'static str,
    there: &impl ResourceExt,
    judged: Judgement,
) -> Result<Judgement, Error> {
    let (namespace, name) = (there.namespace().unwrap_or_default(), there.name_any());
    match judged {
        Judgement::Foreign(why) => Err(Error::Conflict {
            kind,
            namespace,
            name,
            why,
        }),
        Judgement::Leftover => Err(Error::Leaving {
            kind,
            namespace,
            name,
        }),
        ours => Ok(ours),
    }
}

#[cfg(test)]
mod tests;
