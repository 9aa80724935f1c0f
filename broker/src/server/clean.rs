//! `namesake-broker clean`: deletes identities without a running broker, so that nothing of an uninstalled stack blocks a namespace
//! or stays at Google. An admin runs it, with the admin's own permissions.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};
use namesake_gcp::Gcp;
use serde::Serialize;
use serde_json::json;

use crate::cluster::namespaces;
use crate::cluster::requests::is_not_found;
use crate::controllers::context::Context;
use crate::controllers::reconcile::step::teardown::delete_at_google;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::shared::Shared;

/// Format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line for each identity.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Which identities are deleted.
#[derive(Clone, Debug, Args)]
pub struct Clean {
    /// Stack whose identities are deleted; those of other stacks are not touched.
    #[arg(long, env = names::ENV_CLEAN_STACK)]
    pub stack: String,
    /// Namespace to clean; may be repeated. Without it, all namespaces.
    #[arg(long = "in", env = names::ENV_CLEAN_IN, value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Only print what would be deleted.
    #[arg(long, env = names::ENV_CLEAN_DRY_RUN)]
    pub dry_run: bool,
    /// Format of the output.
    #[arg(long, short = 'o', env = names::ENV_CLEAN_OUTPUT, value_enum, default_value_t)]
    pub output: Output,
}

/// The outcome for one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Its GSA, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub google_service_account: Option<String>,
    /// Whether it is deleted.
    pub gone: bool,
    /// Why it is not deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Clean {
    /// Deletes the identities one by one. A failure does not stop the others.
    ///
    /// # Errors
    /// When the Identities cannot be listed.
    pub async fn run(
        &self,
        client: &Client,
        gcp: &Gcp,
        config: Config,
    ) -> anyhow::Result<Vec<Outcome>> {
        let context = context(client, gcp, config);
        let mut outcomes = Vec::new();
        for identity in self.identities(client).await? {
            let deleted = if self.dry_run {
                Ok(false)
            } else {
                delete(client, &context, &identity).await.map(|()| true)
            };
            outcomes.push(Outcome {
                namespace: identity.namespace().unwrap_or_default(),
                name: identity.name_any(),
                user: identity.spec.user.clone(),
                google_service_account: identity.spec.google_service_account.clone(),
                gone: deleted.as_ref().is_ok_and(|deleted| *deleted),
                error: deleted.err().map(|error| format!("{error:#}")),
            });
        }
        Ok(outcomes)
    }

    async fn identities(&self, client: &Client) -> anyhow::Result<Vec<Identity>> {
        let mut all = Vec::new();
        let namespaces = self.namespaces.iter();
        let mut apis: Vec<_> = namespaces
            .map(|namespace| Api::<Identity>::namespaced(client.clone(), namespace))
            .collect();
        if apis.is_empty() {
            apis.push(Api::all(client.clone()));
        }
        for api in apis {
            let found = api.list(&ListParams::default()).await;
            let found = found.context("list the Identities: you need permission to list them")?;
            let of_stack = |identity: &Identity| identity.spec.stack == self.stack;
            all.extend(found.items.into_iter().filter(of_stack));
        }
        Ok(all)
    }

    /// The outcomes as text.
    #[must_use]
    pub fn print(&self, outcomes: &[Outcome]) -> String {
        if self.output == Output::Json {
            return json!({"dryRun": self.dry_run, "identities": outcomes}).to_string();
        }
        let line = |outcome: &Outcome| {
            let Outcome {
                namespace,
                name,
                user,
                error,
                ..
            } = outcome;
            let result = match error {
                Some(error) => format!("not deleted: {error}"),
                None if self.dry_run => "would be deleted".to_owned(),
                None => "deleted".to_owned(),
            };
            format!("{namespace}/{name} ({user}): {result}")
        };
        let lines: Vec<_> = outcomes.iter().map(line).collect();
        if lines.is_empty() {
            return format!("there are no identities of stack {}", self.stack);
        }
        lines.join("\n")
    }
}

fn context(client: &Client, gcp: &Gcp, config: Config) -> Context {
    let (namespaces, _) = namespaces::watch(client.clone(), Arc::default());
    let shared = Shared::new(config, namespaces, Identities::none(), Arc::default());
    Context::new(&shared, client.clone(), gcp)
}

/// Deletes the Google side, then the Identity, then its finalizer; Kubernetes deletes what it owns.
async fn delete(client: &Client, context: &Context, identity: &Identity) -> anyhow::Result<()> {
    delete_at_google(identity, context)
        .await
        .map_err(|failure| anyhow::anyhow!(failure.message))?;
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    let name = identity.name_any();
    let deleted = api.delete(&name, &DeleteParams::background()).await;
    if let Err(error) = deleted
        && !is_not_found(&error)
    {
        return Err(error).context("delete the Identity");
    }
    let kept = identity
        .finalizers()
        .iter()
        .filter(|f| *f != names::FINALIZER);
    let kept: Vec<_> = kept.collect();
    let patch = json!({"metadata": {"uid": identity.uid(), "finalizers": kept}});
    let patched = api
        .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match patched {
        Err(error) if !is_not_found(&error) => Err(error).context("remove the finalizer"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_has_the_outcome_of_each_identity() {
        let mut clean = Clean {
            stack: "prod".into(),
            namespaces: vec![],
            dry_run: false,
            output: Output::Text,
        };
        let gone = Outcome {
            namespace: "research".into(),
            name: "mf-a".into(),
            user: "alice@acme.com".into(),
            google_service_account: None,
            gone: true,
            error: None,
        };
        let failed = Outcome {
            gone: false,
            error: Some("Google does not answer".into()),
            ..gone.clone()
        };
        let text = clean.print(&[gone.clone(), failed]);
        assert_eq!(
            text,
            "research/mf-a (alice@acme.com): deleted\nresearch/mf-a (alice@acme.com): not deleted: Google does not answer"
        );
        assert!(clean.print(&[]).contains("no identities"));
        clean.output = Output::Json;
        let json = clean.print(&[gone]);
        assert!(
            json.contains("\"gone\":true") && json.contains("\"dryRun\":false"),
            "{json}"
        );
    }
}
