//! Google's side at this size: quotas, latency, and the accounts of the identities that are there already.

use std::collections::HashMap;

use anyhow::anyhow;
use kube::ResourceExt;
use namesake_api::Identity;
use namesake_broker::google::principal;
use namesake_broker::identity::objects;
use namesake_gcp_emulator::{AccountSeed, BucketSeed, FolderSeed, ProjectSeed, Seed};
use namesake_sandbox::Google;
use namesake_sandbox::google::{BROKER_ACCOUNT, BUCKET, IDENTITIES, PROJECT};
use serde_json::{Value, json};

/// Where newcomers get a role: one policy for all of them.
const DATA: &str = "acme-data";
const DATA_NUMBER: u64 = 161_803_398_874;
/// Every answer takes so long, and up to so much longer.
const LATENCY_MILLISECONDS: u64 = 50;
const JITTER_MILLISECONDS: u64 = 20;
/// Reads of IAM that the quota of a project allows in a minute, as documented.
pub(crate) const READS_PER_MINUTE: u32 = 6_000;
/// Writes to IAM, as documented.
pub(crate) const WRITES_PER_MINUTE: u32 = 600;
/// Creations of accounts. Google publishes no number: half of the writes, which is what an identity needs.
pub(crate) const CREATES_PER_MINUTE: u32 = 300;
/// Bytes of a policy. Google says "a few tens of KB", and allows 1,500 members: a thousand of ours take 90.
pub(crate) const POLICY_BYTES: usize = 256 * 1024;

/// Slows Google down to what it is, and makes the project whose policy the newcomers share.
///
/// # Errors
/// A setting or an entry that the emulator does not take.
pub(crate) fn prepare(google: &Google) -> anyhow::Result<()> {
    let state = google.emulator().state();
    let project = ProjectSeed {
        id: DATA.to_owned(),
        number: DATA_NUMBER,
        bindings: vec![json!({
            "role": "roles/resourcemanager.projectIamAdmin",
            "members": [format!("serviceAccount:{BROKER_ACCOUNT}")],
        })],
    };
    let seed = Seed {
        projects: vec![project],
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

/// Makes the account, the binding and the grants of each identity, all of them known everywhere for long. Answers the unique
/// id of each account, by its e-mail.
///
/// # Errors
/// An entry that the emulator does not take.
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

/// What the broker asked of Google since it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    seen: u64,
    /// Reads that IAM counts.
    pub(crate) reads: usize,
    /// Writes of the policy of the newcomers' project.
    pub(crate) project_writes: usize,
    /// Requests that were one too many.
    pub(crate) refused: usize,
}

impl Asked {
    /// From now on.
    pub(crate) fn from_now(google: &Google) -> Self {
        let mut asked = Self::default();
        asked.look(google);
        Self {
            seen: asked.seen,
            ..Self::default()
        }
    }

    /// Counts what has come since the last look. The emulator keeps the last 20,000 requests.
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
