//! Clients of the API server: a person, or a service account with a real token.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A person or service account with a client for one namespace.
#[derive(Clone)]
pub struct Person {
    /// The user name that the API server sees.
    pub name: String,
    client: Client,
    namespace: String,
}

/// A namespaced object.
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
    /// The owner of this client, working in this namespace.
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

    /// The objects of a kind in their namespace.
    #[must_use]
    pub fn all<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The objects of a kind that has no Rust type.
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

    /// Creates an object as a dry run.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn dry_run<K: Namespaced>(&self, object: impl Into<K>) -> kube::Result<K> {
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.all().create(&dry_run, &object.into()).await
    }

    /// Sends a request that must succeed, and returns its warnings, one per line.
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

    /// Deletes an object; its pods and other dependents are deleted in the background.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete<K: Namespaced>(&self, name: &str) -> kube::Result<()> {
        let params = DeleteParams::background();
        self.all::<K>().delete(name, &params).await.map(drop)
    }
}
