//! Reports parents without a proven requester: their number in the log, and the list in a ConfigMap, which the gateway's page shows to
//! admins.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use namesake_api::{UnprovenParent, UnprovenReport, names};
use namesake_service::{LastWrite, managed_config_map};

use crate::state::State;
use crate::survey::Survey;

/// How many parents the log names.
const MAX_LOGGED: usize = 20;

/// Writes a report when it differs from the last one of this process, or that is old. Every replica does: what they write is the same.
pub(super) struct Reporter {
    maps: Api<ConfigMap>,
    namespace: String,
    last: LastWrite<UnprovenReport>,
}

impl Reporter {
    /// Writes into the ConfigMap of this namespace.
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self {
            maps: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            last: LastWrite::default(),
        }
    }

    /// Writes the report if it changed, or was written more than ten minutes ago, but not while the state is incomplete. What fails is
    /// tried again the next time.
    pub(super) async fn report(&mut self, state: &State) {
        if !state.synced.missing().is_empty() {
            return;
        }
        let report = UnprovenReport::new(Survey::of(state).unproven);
        if self.last.has(&report) {
            return;
        }
        if self.last.value().map_or(0, |last| last.count) != report.count {
            log(&report);
        }
        match self.write(&report).await {
            Ok(()) => self.last.set(report),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "failed to write the ConfigMap {}",
                names::UNPROVEN_CONFIG_MAP
            ),
        }
    }

    async fn write(&self, report: &UnprovenReport) -> anyhow::Result<()> {
        let name = names::UNPROVEN_CONFIG_MAP;
        let map = managed_config_map(&self.namespace, name, report.to_data()?);
        let params = PatchParams::apply(names::FIELD_MANAGER_WEBHOOK).force();
        let applied = self.maps.patch(name, &params, &Patch::Apply(map)).await;
        applied.map(drop).context("apply")
    }
}

fn log(report: &UnprovenReport) {
    let named = report.parents.iter().take(MAX_LOGGED);
    let named: Vec<_> = named
        .map(
            |UnprovenParent {
                 namespace,
                 kind,
                 name,
                 ..
             }| format!("{namespace}: {kind}/{name}"),
        )
        .collect();
    tracing::info!(
        count = report.count,
        some = ?named,
        "parents without a proven requester: their pods get no identity until an admin adopts them"
    );
}
