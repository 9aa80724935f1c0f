//! Keeps [`CurrentRules`] in step with the ConfigMap of rules.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use namesake_api::{WatchBackoff, names};
use tracing::{error, info, warn};

use super::{CurrentRules, accepted, parse};
use crate::cluster::events::Events;
use crate::cluster::leader::Fence;
use crate::identity::reason::ConditionReason;
use crate::server::metrics::Metrics;
use crate::server::ready::{Part, Ready};

/// Wait before what could not be written is written again.
const KEEP_AGAIN: Duration = Duration::from_secs(1);

/// What the leader has to write about edits. Whoever does not lead yet keeps it until then.
#[derive(Default)]
struct Owed {
    /// The rules accepted last.
    keep: Option<ConfigMap>,
    /// Why the last edit was not accepted, as an Event on it.
    report: Option<(ObjectReference, String)>,
}

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
    let mut events = std::pin::pin!(watcher(maps, config).backoff(WatchBackoff::default()));
    let mut owed = Owed::default();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep(KEEP_AGAIN), if owed.is_some() => None,
        };
        match event {
            Some(Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map))) => {
                watch.consider(&map, &mut owed);
            }
            Some(Ok(watcher::Event::Delete(_))) => {
                warn!("the ConfigMap of rules was deleted: the last accepted rules stay in force");
            }
            Some(Ok(watcher::Event::Init | watcher::Event::InitDone)) | None => {}
            Some(Err(error)) => warn!(%error, "the watch of the rules broke and is started again"),
        }
        watch.settle(&mut owed).await;
    }
}

impl Owed {
    fn is_some(&self) -> bool {
        self.keep.is_some() || self.report.is_some()
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

    /// Puts edited rules in force if they are good; says what is to be written about them.
    fn consider(&self, map: &ConfigMap, owed: &mut Owed) {
        match parse(map) {
            Err(errors) => {
                self.metrics.rules(false);
                let kept = self.rules.current().map_or_else(
                    || "no rules are in force".to_owned(),
                    |rules| format!("revision {} stays in force", rules.revision()),
                );
                error!(%errors, %kept, "the rules as edited are not accepted");
                let note = format!("not accepted, {kept}: {errors}");
                owed.report = Some((map.object_ref(&()), note));
            }
            Ok(rules) => {
                self.metrics.rules(true);
                if self
                    .rules
                    .current()
                    .is_some_and(|current| current.revision() == rules.revision())
                {
                    return;
                }
                info!(
                    revision = rules.revision(),
                    stack = rules.stack(),
                    "rules accepted"
                );
                let kept = accepted(map, &self.namespace, rules.revision());
                self.rules.set(rules);
                self.ready.set(Part::Rules);
                owed.keep = Some(kept);
            }
        }
    }

    /// Writes what is owed, if this replica leads; what has to be tried again stays owed.
    async fn settle(&self, owed: &mut Owed) {
        if !self.fence.is_open() {
            return;
        }
        if let Some((about, note)) = owed.report.take() {
            let events = Events::new(self.client.clone());
            events
                .warning(
                    &about,
                    "AcceptRules",
                    ConditionReason::RulesRejected.as_str(),
                    &note,
                )
                .await;
        }
        if let Some(map) = owed.keep.take() {
            owed.keep = self.keep(map).await;
        }
    }

    /// Writes the accepted rules down; returns them when that has to be tried again.
    async fn keep(&self, map: ConfigMap) -> Option<ConfigMap> {
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
