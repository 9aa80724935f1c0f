//! Our own credentials.
//!
//! The official crate's credentials fail for good after the first error that they consider permanent, such as a 404 of the
//! metadata server in a pod's first seconds, or a 403 before the broker's own binding takes effect. They are created again
//! then.

use std::time::Duration;

use google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials, CredentialsProvider,
};
use google_cloud_gax::error::CredentialsError;
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::error::classify::source_text;
use crate::{Error, Failure};

/// Credentials that failed for good are created again after this time.
const RENEW_AFTER: Duration = Duration::from_secs(10);

/// The environment's own credentials: a credentials file if there is one, else the metadata server (`GCE_METADATA_HOST`
/// may set its address). They recover from temporary errors. Must be called inside a tokio runtime.
///
/// # Errors
/// A credentials file is named but cannot be used.
pub fn application_default() -> Result<Credentials, Error> {
    let failed = |error: google_cloud_auth::build_errors::Error| {
        Error::Unauthenticated(Failure::new(
            "find our own credentials",
            source_text(&error),
        ))
    };
    let first = Builder::default().build().map_err(failed)?;
    Ok(Credentials::from(Renewing {
        create: || Builder::default().build(),
        renew_after: RENEW_AFTER,
        state: Mutex::new(State {
            credentials: first,
            failed_since: None,
        }),
    }))
}

struct Renewing<F> {
    create: F,
    renew_after: Duration,
    state: Mutex<State>,
}

struct State {
    credentials: Credentials,
    failed_since: Option<Instant>,
}

impl<F> Renewing<F>
where
    F: Fn() -> Result<Credentials, google_cloud_auth::build_errors::Error>,
{
    fn current(&self) -> Credentials {
        let mut state = self.state.lock();
        if state
            .failed_since
            .is_some_and(|since| since.elapsed() >= self.renew_after)
            && let Ok(fresh) = (self.create)()
        {
            *state = State {
                credentials: fresh,
                failed_since: None,
            };
        }
        state.credentials.clone()
    }

    fn mark_failed(&self) {
        let mut state = self.state.lock();
        state.failed_since.get_or_insert_with(Instant::now);
    }
}

impl<F> std::fmt::Debug for Renewing<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewing").finish_non_exhaustive()
    }
}

impl<F> CredentialsProvider for Renewing<F>
where
    F: Fn() -> Result<Credentials, google_cloud_auth::build_errors::Error> + Send + Sync,
{
    async fn headers(
        &self,
        extensions: ::http::Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let found = self.current().headers(extensions).await;
        found.map_err(|error| {
            if error.is_transient() {
                return error;
            }
            self.mark_failed();
            // Transient now, because new credentials will be created.
            CredentialsError::from_source(true, error)
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        self.current().universe_domain().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use google_cloud_auth::credentials::{anonymous, testing};

    use super::*;

    fn renewing<F>(create: F, renew_after: Duration) -> Credentials
    where
        F: Fn() -> Result<Credentials, google_cloud_auth::build_errors::Error>
            + Send
            + Sync
            + 'static,
    {
        let state = State {
            credentials: testing::error_credentials(false),
            failed_since: None,
        };
        let state = Mutex::new(state);
        Credentials::from(Renewing {
            create,
            renew_after,
            state,
        })
    }

    #[tokio::test]
    async fn credentials_that_failed_for_good_are_created_again() {
        let renewing = renewing(|| Ok(anonymous::Builder::new().build()), Duration::ZERO);
        let error = renewing
            .headers(::http::Extensions::new())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(renewing.headers(::http::Extensions::new()).await.is_ok());
    }

    #[tokio::test]
    async fn failed_credentials_are_not_created_again_at_every_call() {
        static CREATED: AtomicUsize = AtomicUsize::new(0);
        let create = || {
            CREATED.fetch_add(1, Ordering::Relaxed);
            Ok(testing::error_credentials(false))
        };
        let renewing = renewing(create, Duration::from_secs(3600));
        for _ in 0..3 {
            assert!(renewing.headers(::http::Extensions::new()).await.is_err());
        }
        assert_eq!(CREATED.load(Ordering::Relaxed), 0);
    }
}
