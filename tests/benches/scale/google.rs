//! Google at this size: quotas, latency, and the GSAs of existing identities.

use std::collections::HashMap;

use anyhow::anyhow;
use kube::ResourceExt;
use namesake_api::Identity;
use namesake_broker::google::principal;
use namesake_broker::identity::objects;
use namesake_gcp_emulator::{AccountSeed, BucketSeed, FolderSeed, ProjectSeed, Seed};
use namesake_sandbox::Google;
use namesake_sandbox::google::{BROKER_ACCOUNT, BUCKET, IDENTITIES, PROJECT, broker_role};
use serde_json::{Value, json};

/// The project in which new users get a role; they share its policy.
const DATA: &str = "acme-data";
const DATA_NUMBER: u64 = 161_803_398_874;
/// The broker's role there.
const DATA_ROLE: &str = "projects/acme-data/roles/namesakeProjects";
/// The delay of every response, and its jitter.
const LATENCY_MILLISECONDS: u64 = 50;
const JITTER_MILLISECONDS: u64 = 20;
/// The documented quota of IAM reads per project and minute.
pub(crate) const READS_PER_MINUTE: u32 = 6_000;
/// The documented quota of IAM writes.
pub(crate) const WRITES_PER_MINUTE: u32 = 600;
/// The quota of GSA creations. Google publishes no number; this is half of the writes, the share of an identity.
pub(crate) const CREATES_PER_MINUTE: u32 = 300;
/// The maximum size of a policy. Google says "a few tens of KB" and allows 1,500 members; 1,000 of ours take 90 KB.
pub(crate) const POLICY_BYTES: usize = 256 * 1024;

/// Sets realistic latency and quotas, and creates the project whose policy the new users share.
///
/// # Errors
/// The emulator refuses a setting or a resource.
pub(crate) fn prepare(google: &Google) -> anyhow::Result<()> {
    let state = google.emulator().state();
    let project = ProjectSeed {
        id: DATA.to_owned(),
        number: DATA_NUMBER,
        bindings: vec![json!({
            "role": DATA_ROLE,
            "members": [format!("serviceAccount:{BROKER_ACCOUNT}")],
        })],
        ..ProjectSeed::default()
    };
    let seed = Seed {
        projects: vec![project],
        roles: vec![broker_role(DATA_ROLE, "projects")?],
        ..Seed::default()
    };
    state.seed(seed).map_err(|what| anyhow!(what))?;
    let changed = state.change_settings(|settings| {
        settings.latency.milliseconds = LATENCY_MILLISECONDS;
        settings.latency.jitter_milliseconds = JITTER_MILLISECONDS;
        settings.limits.reads_per_minute = Some(READS_PER_MINUTE);
        settings.limits.writes_per_minute = Some(WRITES_PER_MINUTE);
        settings.limits.creates_per_minute = Some(CREATES_PER_MINUTE);
        settings.limits.service_accounts = None;
        settings.limits.policy_bytes = POLICY_BYTES;
    });
    changed.map_err(|what| anyhow!(what))
}

/// Creates the GSA, the binding and the grants of each identity, already propagated. Returns the unique ID of each GSA by e-mail.
///
/// # Errors
/// The emulator refuses a resource.
pub(crate) fn seed(
    google: &Google,
    identities: &[Identity],
) -> anyhow::Result<HashMap<String, String>> {
    let mut seed = Seed::default();
    let mut folders = Vec::new();
    for identity in identities {
        let binder = principal::member_by_name(identity);
        seed.service_accounts.push(AccountSeed {
            project: IDENTITIES.to_owned(),
            account_id: identity.name_any(),
            display_name: format!("{} ({})", identity.spec.user, identity.spec.class),
            description: objects::mark(identity)?.to_string(),
            bindings: vec![binding("roles/iam.workloadIdentityUser", &binder)],
        });
        let email = identity.spec.google_service_account.as_deref();
        let member = format!("serviceAccount:{}", email.unwrap_or_default());
        folders.extend(identity.spec.grants.iter().filter_map(|grant| {
            Some(FolderSeed {
                name: grant.folder.clone()?,
                bindings: vec![binding(&grant.role, &member)],
            })
        }));
    }
    seed.buckets.push(BucketSeed {
        name: BUCKET.to_owned(),
        project: PROJECT.to_owned(),
        uniform_bucket_level_access: true,
        bindings: Vec::new(),
        managed_folders: folders,
    });
    let state = google.emulator().state();
    state.seed(seed).map_err(|what| anyhow!(what))?;
    Ok(ids(&state.listing()))
}

fn ids(listing: &Value) -> HashMap<String, String> {
    let accounts = listing["serviceAccounts"].as_array();
    let text = |account: &Value, key: &str| account[key].as_str().map(str::to_owned);
    let all = accounts.into_iter().flatten();
    all.filter_map(|account| Some((text(account, "email")?, text(account, "uniqueId")?)))
        .collect()
}

fn binding(role: &str, member: &str) -> Value {
    json!({"role": role, "members": [member]})
}

/// Counts of the broker's requests to Google since the last call.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    seen: u64,
    /// Reads that count for IAM's quota.
    pub(crate) reads: usize,
    /// Writes of the policy of the new users' project.
    pub(crate) project_writes: usize,
    /// Requests over quota.
    pub(crate) refused: usize,
}

impl Asked {
    /// Starts counting now.
    pub(crate) fn from_now(google: &Google) -> Self {
        let mut asked = Self::default();
        asked.look(google);
        Self {
            seen: asked.seen,
            ..Self::default()
        }
    }

    /// Counts the requests since the last call. The emulator keeps the last 20,000 requests.
    pub(crate) fn look(&mut self, google: &Google) {
        for entry in google.emulator().state().requests(self.seen) {
            self.seen = entry.number;
            if entry.caller != BROKER_ACCOUNT {
                continue;
            }
            self.reads += usize::from(is_iam_read(&entry.method, &entry.path));
            let wrote = entry
                .path
                .ends_with(&format!("projects/{DATA}:setIamPolicy"));
            self.project_writes += usize::from(wrote && entry.status == 200);
            self.refused += usize::from(entry.status == 429);
        }
    }
}

fn is_iam_read(method: &str, path: &str) -> bool {
    path.contains("/serviceAccounts") && (method == "GET" || path.ends_with(":getIamPolicy"))
}
