//! Quotas as token buckets, with Google's error for an empty one.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::api::errors::ApiError;
use crate::world::controls::settings::Limits;

/// A quota of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quota {
    Read,
    /// Reads of a project with Resource Manager v1.
    ProjectRead,
    Write,
    Create,
    Credentials,
    Sts,
}

#[derive(Debug)]
struct TokenBucket {
    tokens: f64,
    filled_at: Timestamp,
}

/// The use of quotas, by quota and project number; without a quota, the updates of a storage bucket by its name.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: HashMap<(Option<Quota>, String), TokenBucket>,
}

impl Quotas {
    /// Takes one from `quota` of the project `number`.
    ///
    /// # Errors
    /// 429 in Google's words if nothing is left.
    pub(crate) fn take(
        &mut self,
        quota: Quota,
        number: u64,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let limit = match quota {
            Quota::Read => limits.reads_per_minute,
            Quota::ProjectRead => limits.project_reads_per_minute,
            Quota::Write => limits.writes_per_minute,
            Quota::Create => limits.creates_per_minute,
            Quota::Credentials => limits.credentials_per_minute,
            Quota::Sts => limits.sts_per_minute,
        };
        let Some(limit) = limit.map(f64::from) else {
            return Ok(());
        };
        let key = (Some(quota), number.to_string());
        if self.try_take(key, limit, limit / 60.0, now) {
            return Ok(());
        }
        Err(exhausted(quota, number))
    }

    /// Takes one update of the storage bucket `name`.
    ///
    /// # Errors
    /// 429 in storage's words.
    pub(crate) fn update_bucket(
        &mut self,
        name: &str,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(rate) = limits.bucket_updates_per_second.map(f64::from) else {
            return Ok(());
        };
        let burst = f64::from(limits.bucket_update_burst.max(1));
        if self.try_take((None, name.to_owned()), burst, rate, now) {
            return Ok(());
        }
        Err(ApiError::storage(
            429,
            "rateLimitExceeded",
            format!(
                "The rate of change requests to the bucket {name} exceeds the rate limit. Please reduce the rate of \
                 create, update, and delete requests."
            ),
        ))
    }

    /// How much of each quota is left.
    pub(crate) fn left(&self) -> Vec<(String, f64)> {
        let mut left: Vec<_> = self
            .buckets
            .iter()
            .map(|((quota, consumer), bucket)| {
                let what =
                    quota.map_or_else(|| "BucketUpdate".to_owned(), |quota| format!("{quota:?}"));
                (format!("{what}/{consumer}"), bucket.tokens)
            })
            .collect();
        left.sort_by(|one, other| one.0.cmp(&other.0));
        left
    }

    fn try_take(
        &mut self,
        key: (Option<Quota>, String),
        capacity: f64,
        per_second: f64,
        now: Timestamp,
    ) -> bool {
        let bucket = self.buckets.entry(key).or_insert(TokenBucket {
            tokens: capacity,
            filled_at: now,
        });
        let elapsed = now.duration_since(bucket.filled_at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * per_second).min(capacity);
        bucket.filled_at = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }
}

fn exhausted(quota: Quota, number: u64) -> ApiError {
    let generic = |metric: &str, limit: &str, service: &str| {
        ApiError::exhausted(
            format!(
                "Quota exceeded for quota metric '{metric}' and limit '{limit} per minute' of service '{service}' for \
                 consumer 'project_number:{number}'."
            ),
            None,
        )
    };
    match quota {
        Quota::Read => generic("Read requests", "Read requests", "iam.googleapis.com"),
        Quota::ProjectRead => generic(
            "Read requests",
            "Read requests",
            "cloudresourcemanager.googleapis.com",
        ),
        Quota::Write => generic("Write requests", "Write requests", "iam.googleapis.com"),
        Quota::Credentials => generic(
            "Generate credentials request",
            "Generate credentials request",
            "iamcredentials.googleapis.com",
        ),
        Quota::Create => ApiError::exhausted(
            format!(
                "A quota has been reached for project number {number}: Service accounts created per minute per project."
            ),
            Some(60),
        ),
        Quota::Sts => ApiError::oauth(
            "quota_exceeded",
            "The request was throttled due to rate limit: sts.googleapis.com/requests. Please retry after a few \
             seconds.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::controls::clock::ago;

    #[test]
    fn a_quota_is_used_up_and_refills_with_time() {
        let limits = Limits {
            creates_per_minute: Some(2),
            ..Limits::default()
        };
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut quotas = Quotas::default();
        assert!(quotas.take(Quota::Create, 1, &limits, now).is_ok());
        assert!(quotas.take(Quota::Create, 1, &limits, now).is_ok());
        let error = quotas.take(Quota::Create, 1, &limits, now).unwrap_err();
        assert_eq!(error.body()["error"]["details"][0]["retryDelay"], "60s");
        assert!(quotas.take(Quota::Create, 2, &limits, now).is_ok());
        assert!(
            quotas
                .take(Quota::Create, 1, &limits, ago(now, -30.0))
                .is_ok()
        );
        assert!(
            quotas
                .take(Quota::Create, 1, &limits, ago(now, -30.0))
                .is_err()
        );
    }
}
