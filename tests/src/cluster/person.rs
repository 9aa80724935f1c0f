//! Who asks the API server: a person, or a service account with a real token.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Somebody with a client, at work in one namespace.
#[derive(Clone)]
pub struct Person {
    /// The user name that the API server sees.
    pub name: String,
    client: Client,
    namespace: String,
}

/// What a person may write: an object in a namespace.
pub trait Namespaced:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
}
impl<K> Namespaced for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

impl Person {
    /// Somebody who uses this client in this namespace.
    #[must_use]
    pub fn new(name: &str, client: Client, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            client,
            namespace: namespace.to_owned(),
        }
    }

    /// The same person in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self::new(&self.name, self.client.clone(), namespace)
    }

    /// Their client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Objects of one kind in their namespace.
    #[must_use]
    pub fn all<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of a kind that has no type here.
    #[must_use]
    pub fn objects(&self, kind: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, kind)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create<K: Namespaced>(&self, object: impl Into<K>) -> kube::Result<K> {
        self.all()
            .create(&PostParams::default(), &object.into())
            .await
    }

    /// Asks what would happen if they created it.
    ///
    /// # Errors
    /// It would be refused.
    pub async fn dry_run<K: Namespaced>(&self, object: impl Into<K>) -> kube::Result<K> {
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.all().create(&dry_run, &object.into()).await
    }

    /// Sends a request that succeeds, and answers the warnings that came with it, a line each.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn warnings_of(&self, request: http::Request<Vec<u8>>) -> Result<String> {
        let answer = self.client.send(request.map(Into::into)).await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        let warnings = answer.headers().get_all("warning").into_iter();
        let texts = warnings.filter_map(|warning| warning.to_str().ok());
        Ok(texts.collect::<Vec<_>>().join("\n"))
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn patch<K: Namespaced>(&self, name: &str, patch: Value) -> kube::Result<K> {
        self.all()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
    }

    /// Deletes an object; its pods and other dependents go with it.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete<K: Namespaced>(&self, name: &str) -> kube::Result<()> {
        let params = DeleteParams::background();
        self.all::<K>().delete(name, &params).await.map(drop)
    }
}
