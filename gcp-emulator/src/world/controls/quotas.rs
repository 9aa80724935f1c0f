//! Token buckets, with Google's words when one is empty.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::api::errors::ApiError;
use crate::world::controls::settings::Limits;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quota {
    Read,
    /// Reads of a project by Resource Manager v1.
    ProjectRead,
    Write,
    Create,
    Credentials,
    Sts,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

/// Use of quotas so far, by what is counted and for whom (a project, or a bucket's name).
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: HashMap<(Option<Quota>, String), Bucket>,
}

impl Quotas {
    /// Takes one from `quota` of the project `number`.
    ///
    /// # Errors
    /// 429 as Google says it, when nothing is left.
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
        if self.spend(key, limit, limit / 60.0, now) {
            return Ok(());
        }
        Err(refusal(quota, number))
    }

    /// Takes one update of the storage bucket `name`.
    ///
    /// # Errors
    /// Storage's 429.
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
        if self.spend((None, name.to_owned()), burst, rate, now) {
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

    /// How much of each quota is left, for the state listing.
    pub(crate) fn left(&self) -> Vec<(String, f64)> {
        let mut left: Vec<_> = self
            .buckets
            .iter()
            .map(|((quota, whose), bucket)| {
                let what =
                    quota.map_or_else(|| "BucketUpdate".to_owned(), |quota| format!("{quota:?}"));
                (format!("{what}/{whose}"), bucket.tokens)
            })
            .collect();
        left.sort_by(|one, other| one.0.cmp(&other.0));
        left
    }

    fn spend(
        &mut self,
        key: (Option<Quota>, String),
        capacity: f64,
        per_second: f64,
        now: Timestamp,
    ) -> bool {
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            tokens: capacity,
            filled: now,
        });
        let elapsed = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * per_second).min(capacity);
        bucket.filled = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }
}

fn refusal(quota: Quota, number: u64) -> ApiError {
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
    fn a_bucket_empties_and_fills_with_time() {
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
