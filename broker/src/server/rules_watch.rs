//! Keeps the rules in force in step with the ConfigMap of rules.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use namesake_api::{WatchBackoff, names};
use namesake_core::Reason;
use tracing::{error, info, warn};

use crate::cluster::events::Events;
use crate::server::ready::ReadyPart;
use crate::server::rules::{accepted, parse, parse_edit};
use crate::server::shared::Shared;

/// Between two attempts to write.
const RETRY: Duration = Duration::from_secs(1);

/// What the leader has yet to write about edits. Other replicas keep it in case they become the leader.
#[derive(Default)]
struct PendingWrites {
    /// The rules that were accepted last.
    accepted: Option<ConfigMap>,
    /// Why the last edit was rejected, as an Event on the ConfigMap.
    rejection: Option<(ObjectReference, String)>,
}

/// The watch of the rules. Only the leader stores accepted rules.
pub struct RulesWatch {
    client: Client,
    /// Where the rules in force go, whether this replica leads, and what counts edits.
    shared: Shared,
}

impl RulesWatch {
    /// A watch that has not begun.
    #[must_use]
    pub fn new(client: Client, shared: Shared) -> Self {
        Self { client, shared }
    }

    /// Loads the accepted rules, then follows the ConfigMap. Ends only when it is dropped.
    pub async fn run(self) {
        self.load_accepted().await;
        let name = format!("metadata.name={}", names::RULES_CONFIG_MAP);
        let config = watcher::Config::default().fields(&name);
        let events = watcher(self.config_maps(), config).backoff(WatchBackoff::default());
        let mut events = std::pin::pin!(events);
        let mut pending = PendingWrites::default();
        loop {
            let has_pending = pending.accepted.is_some() || pending.rejection.is_some();
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep(RETRY), if has_pending => None,
            };
            match event {
                Some(Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map))) => {
                    self.handle_edit(&map, &mut pending);
                }
                Some(Ok(watcher::Event::Delete(_))) => {
                    warn!("the ConfigMap of rules was deleted: the accepted rules stay in force");
                }
                Some(Ok(watcher::Event::Init | watcher::Event::InitDone)) | None => {}
                Some(Err(error)) => warn!(%error, "the watch of the rules failed and is restarted"),
            }
            self.write(&mut pending).await;
        }
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.shared.config.namespace)
    }

    /// Puts the accepted rules in force. Waits for the API server as long as it takes.
    async fn load_accepted(&self) {
        let maps = self.config_maps();
        let map = loop {
            match maps.get_opt(names::ACCEPTED_RULES_CONFIG_MAP).await {
                Ok(map) => break map,
                Err(error) => warn!(%error, "failed to read the accepted rules: trying again"),
            }
            tokio::time::sleep(RETRY).await;
        };
        match map.as_ref().map(parse) {
            None => info!("no rules have been accepted yet"),
            Some(Ok(rules)) => {
                let revision = rules.revision();
                info!(revision, "the accepted rules are in force");
                self.put_in_force(rules);
            }
            Some(Err(errors)) => {
                error!(%errors, "the accepted rules are invalid in this version: waiting for an edit");
            }
        }
    }

    /// Puts edited rules in force if they are valid and pass their own tests.
    fn handle_edit(&self, map: &ConfigMap, pending: &mut PendingWrites) {
        let rules = parse_edit(map);
        self.shared.metrics.rules_edited(rules.is_ok());
        let current = self.shared.rules.current();
        match rules {
            Err(rejection) => {
                let in_force = current.map_or_else(
                    || "no rules are in force".to_owned(),
                    |rules| format!("revision {} stays in force", rules.revision()),
                );
                error!(errors = %rejection, %in_force, "the edited rules are rejected");
                let note = format!("rejected, {in_force}: {rejection}");
                pending.rejection = Some((map.object_ref(&()), note));
            }
            Ok(rules) if current.is_some_and(|c| c.revision() == rules.revision()) => {}
            Ok(rules) => {
                let (revision, stack) = (rules.revision(), rules.stack());
                info!(revision, stack, "rules accepted");
                pending.accepted = Some(accepted(map, &self.shared.config.namespace, revision));
                self.put_in_force(rules);
            }
        }
    }

    fn put_in_force(&self, rules: namesake_core::Rules) {
        self.shared.rules.set(rules);
        self.shared.ready.set(ReadyPart::Rules);
    }

    /// Writes what is pending, if this replica leads. What fails stays pending.
    async fn write(&self, pending: &mut PendingWrites) {
        if !self.shared.fence.is_open() {
            return;
        }
        if let Some((about, note)) = pending.rejection.take() {
            let reason = Reason::RulesRejected;
            let events = Events::new(self.client.clone());
            events.warning(&about, "AcceptRules", reason, &note).await;
        }
        if let Some(map) = &pending.accepted {
            let params = PatchParams::apply(names::FIELD_MANAGER_BROKER).force();
            let name = names::ACCEPTED_RULES_CONFIG_MAP;
            let patch = Patch::Apply(map);
            match self.config_maps().patch(name, &params, &patch).await {
                Ok(_) => pending.accepted = None,
                Err(error) => warn!(%error, "failed to store the accepted rules: trying again"),
            }
        }
    }
}
