//! Keeps [`CurrentRules`] in step with the ConfigMap of rules.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use namesake_api::names;
use tracing::{error, info, warn};

use super::{CurrentRules, accepted, parse};
use crate::events::Events;
use crate::leader::Fence;
use crate::metrics::Metrics;
use crate::ready::{Part, Ready};

/// Wait before accepted rules that could not be kept are written again.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

/// What the watch of the rules works with.
pub struct Watch {
    /// The API server, as the broker.
    pub client: Client,
    /// Our own namespace.
    pub namespace: String,
    /// Open while this replica leads: only the leader writes down what was accepted.
    pub fence: Arc<Fence>,
    /// Where the rules in force go.
    pub rules: Arc<CurrentRules>,
    /// Learns that there are rules.
    pub ready: Arc<Ready>,
    /// Counts edits that were not accepted.
    pub metrics: Arc<Metrics>,
}

/// Loads what was accepted last, then follows the ConfigMap. Ends only when it is dropped.
pub async fn watch(watch: Watch) {
    watch.load_accepted().await;
    let config =
        watcher::Config::default().fields(&format!("metadata.name={}", names::RULES_CONFIG_MAP));
    let maps: Api<ConfigMap> = Api::namespaced(watch.client.clone(), &watch.namespace);
    let mut events = std::pin::pin!(watcher(maps, config).default_backoff());
    let mut unkept: Option<ConfigMap> = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep(KEEP_AGAIN), if unkept.is_some() => None,
        };
        match event {
            Some(Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map))) => {
                if let Some(map) = watch.consider(&map).await {
                    unkept = Some(map);
                }
            }
            Some(Ok(watcher::Event::Delete(_))) => {
                warn!("the ConfigMap of rules was deleted: the last accepted rules stay in force");
            }
            Some(Ok(watcher::Event::Init | watcher::Event::InitDone)) | None => {}
            Some(Err(error)) => warn!(%error, "the watch of the rules broke and is started again"),
        }
        if let Some(map) = unkept.take() {
            unkept = watch.keep(map).await;
        }
    }
}

impl Watch {
    /// Puts in force what was accepted before the restart. Waits for the API server as long as it takes.
    async fn load_accepted(&self) {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let map = loop {
            match maps.get_opt(names::ACCEPTED_RULES_CONFIG_MAP).await {
                Ok(map) => break map,
                Err(error) => warn!(%error, "the accepted rules cannot be read: trying again"),
            }
            tokio::time::sleep(KEEP_AGAIN).await;
        };
        match map.as_ref().map(parse) {
            None => info!("no rules were accepted yet"),
            Some(Ok(rules)) => {
                info!(
                    revision = rules.revision(),
                    "the rules accepted last are in force"
                );
                self.rules.set(rules);
                self.ready.set(Part::Rules);
            }
            Some(Err(errors)) => {
                error!(%errors, "the rules accepted last do not parse: waiting for new ones");
            }
        }
    }

    /// Puts edited rules in force if they are good, and returns them to be kept; says what is wrong if they are not.
    async fn consider(&self, map: &ConfigMap) -> Option<ConfigMap> {
        match parse(map) {
            Err(errors) => {
                self.metrics.rules(false);
                let kept = self.rules.current().map_or_else(
                    || "no rules are in force".to_owned(),
                    |rules| format!("revision {} stays in force", rules.revision()),
                );
                error!(%errors, %kept, "the rules as edited are not accepted");
                if !self.fence.is_open() {
                    return None;
                }
                let note = format!("not accepted, {kept}: {errors}");
                let events = Events::new(self.client.clone());
                events
                    .warning(&map.object_ref(&()), "AcceptRules", "RulesRejected", &note)
                    .await;
                None
            }
            Ok(rules) => {
                self.metrics.rules(true);
                if self
                    .rules
                    .current()
                    .is_some_and(|current| current.revision() == rules.revision())
                {
                    return None;
                }
                info!(
                    revision = rules.revision(),
                    stack = rules.stack(),
                    "rules accepted"
                );
                let kept = accepted(map, &self.namespace, rules.revision());
                self.rules.set(rules);
                self.ready.set(Part::Rules);
                Some(kept)
            }
        }
    }

    /// Writes the accepted rules down; returns them when that has to be tried again.
    async fn keep(&self, map: ConfigMap) -> Option<ConfigMap> {
        if !self.fence.is_open() {
            return Some(map);
        }
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = PatchParams::apply(names::FIELD_MANAGER_BROKER).force();
        match maps
            .patch(
                names::ACCEPTED_RULES_CONFIG_MAP,
                &params,
                &Patch::Apply(&map),
            )
            .await
        {
            Ok(_) => None,
            Err(error) => {
                warn!(%error, "the accepted rules cannot be kept: trying again");
                Some(map)
            }
        }
    }
}
