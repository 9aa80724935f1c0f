//! `namesake-broker clean`: takes identities down without a running broker, so that nothing of an uninstalled stack blocks a
//! namespace or stays at Google. Run by an admin, with the admin's own rights.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, names};
use namesake_gcp::Gcp;
use serde::Serialize;
use serde_json::json;

use crate::cluster::ensure;
use crate::cluster::namespaces;
use crate::controllers::reconcile::{self, Context};
use crate::server::config::Config;

/// How the outcome is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line each, for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// What is to be cleaned.
#[derive(Clone, Debug, Args)]
pub struct Clean {
    /// Stack whose identities are taken down; those of others are left alone.
    #[arg(long, env = names::ENV_CLEAN_STACK)]
    pub stack: String,
    /// Namespace to clean; more than once for more. Without it, all.
    #[arg(long = "in", env = names::ENV_CLEAN_IN, value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Only say what would be taken down.
    #[arg(long, env = names::ENV_CLEAN_DRY_RUN)]
    pub dry_run: bool,
    /// Form of the outcome.
    #[arg(long, short = 'o', env = names::ENV_CLEAN_OUTPUT, value_enum, default_value_t)]
    pub output: Output,
}

/// What became of one identity.
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
    /// Whether it is gone now.
    pub gone: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Clean {
    /// Takes them down one by one; one that fails does not stop the others.
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
            let done = if self.dry_run {
                Ok(false)
            } else {
                take_down(client, &context, &identity).await.map(|()| true)
            };
            outcomes.push(Outcome {
                namespace: identity.namespace().unwrap_or_default(),
                name: identity.name_any(),
                user: identity.spec.user.clone(),
                google_service_account: identity.spec.google_service_account.clone(),
                gone: done.as_ref().is_ok_and(|gone| *gone),
                error: done.err().map(|error| format!("{error:#}")),
            });
        }
        Ok(outcomes)
    }

    async fn identities(&self, client: &Client) -> anyhow::Result<Vec<Identity>> {
        let mut all = Vec::new();
        let everywhere = [Api::<Identity>::all(client.clone())];
        let some = self.namespaces.iter();
        let some = some.map(|one| Api::<Identity>::namespaced(client.clone(), one));
        let apis: Vec<_> = if self.namespaces.is_empty() {
            everywhere.into_iter().collect()
        } else {
            some.collect()
        };
        for api in apis {
            let found = api.list(&ListParams::default()).await;
            let found = found.context("list the Identities: it takes the right to read them")?;
            let of_stack = |identity: &Identity| identity.spec.stack == self.stack;
            all.extend(found.items.into_iter().filter(of_stack));
        }
        Ok(all)
    }

    /// The outcomes as they are printed.
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
            let became = match error {
                Some(error) => format!("stays: {error}"),
                None if self.dry_run => "would be taken down".to_owned(),
                None => "taken down".to_owned(),
            };
            format!("{namespace}/{name} ({user}): {became}")
        };
        let lines: Vec<_> = outcomes.iter().map(line).collect();
        if lines.is_empty() {
            return format!("stack {} has no identities there", self.stack);
        }
        lines.join("\n")
    }
}

fn context(client: &Client, gcp: &Gcp, config: Config) -> Context {
    let (namespaces, _) = namespaces::watch(client.clone(), Arc::default());
    let (client, rules, metrics) = (client.clone(), Arc::default(), Arc::default());
    Context::new(client, gcp, config, rules, namespaces, metrics)
}

/// Google's side first; then the finalizer, and the Identity with what it owns.
async fn take_down(client: &Client, context: &Context, identity: &Identity) -> anyhow::Result<()> {
    reconcile::take_down(identity, context)
        .await
        .map_err(|failure| anyhow::anyhow!(failure.message))?;
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<Identity>::namespaced(client.clone(), &namespace);
    let name = identity.name_any();
    let deleted = api.delete(&name, &DeleteParams::background()).await;
    if let Err(error) = deleted
        && !ensure::is_gone(&error)
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
        Err(error) if !ensure::is_gone(&error) => Err(error).context("take the finalizer off"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_says_what_became_of_each() {
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
        let stays = Outcome {
            gone: false,
            error: Some("Google is away".into()),
            ..gone.clone()
        };
        let text = clean.print(&[gone.clone(), stays]);
        assert_eq!(
            text,
            "research/mf-a (alice@acme.com): taken down\nresearch/mf-a (alice@acme.com): stays: Google is away"
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
