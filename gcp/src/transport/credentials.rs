//! Our own credentials.
//!
//! The official crate's credentials give up for good at the first error that they take for lasting, such as a 404 of
//! the metadata server in a pod's first seconds, or a 403 while the broker's own binding spreads. These are made anew
//! then.

use std::sync::Mutex;
use std::time::Duration;

use google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials, CredentialsProvider,
};
use google_cloud_gax::error::CredentialsError;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::error::classify;
use crate::{Error, Failure};

/// Credentials that failed for good are made anew after this.
const PAUSE: Duration = Duration::from_secs(10);

/// The environment's own credentials: a credentials file if there is one, else the metadata server, whose address
/// `GCE_METADATA_HOST` may set. They recover from errors that pass.
///
/// # Errors
/// When a credentials file is named and cannot be used. Call it inside a tokio runtime.
pub fn application_default() -> Result<Credentials, Error> {
    let failed = |error: google_cloud_auth::build_errors::Error| {
        Error::Unauthenticated(Failure {
            what: "find our own credentials".to_owned(),
            message: classify::source_text(&error),
        })
    };
    let first = Builder::default().build().map_err(failed)?;
    Ok(Credentials::from(Renewing {
        make: || Builder::default().build(),
        pause: PAUSE,
        state: Mutex::new(State {
            credentials: first,
            dead_since: None,
        }),
    }))
}

struct Renewing<F> {
    make: F,
    pause: Duration,
    state: Mutex<State>,
}

struct State {
    credentials: Credentials,
    dead_since: Option<Instant>,
}

impl<F> Renewing<F>
where
    F: Fn() -> Result<Credentials, google_cloud_auth::build_errors::Error>,
{
    // Never held across an await. A panic elsewhere leaves nothing half-done in here.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn present(&self) -> Credentials {
        let mut state = self.state();
        if state
            .dead_since
            .is_some_and(|since| since.elapsed() >= self.pause)
            && let Ok(fresh) = (self.make)()
        {
            *state = State {
                credentials: fresh,
                dead_since: None,
            };
        }
        state.credentials.clone()
    }

    fn failed(&self) {
        let mut state = self.state();
        state.dead_since.get_or_insert_with(Instant::now);
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
        let found = self.present().headers(extensions).await;
        found.map_err(|error| {
            if error.is_transient() {
                return error;
            }
            self.failed();
            // Transient now, because the next ones are new.
            CredentialsError::from_source(true, error)
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        self.present().universe_domain().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use google_cloud_auth::credentials::{anonymous, testing};

    use super::*;

    fn renewing<F>(make: F, pause: Duration) -> Credentials
    where
        F: Fn() -> Result<Credentials, google_cloud_auth::build_errors::Error>
            + Send
            + Sync
            + 'static,
    {
        let state = State {
            credentials: testing::error_credentials(false),
            dead_since: None,
        };
        let state = Mutex::new(state);
        Credentials::from(Renewing { make, pause, state })
    }

    #[tokio::test]
    async fn credentials_that_failed_for_good_are_made_anew() {
        let renewing = renewing(|| Ok(anonymous::Builder::new().build()), Duration::ZERO);
        let error = renewing
            .headers(::http::Extensions::new())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(renewing.headers(::http::Extensions::new()).await.is_ok());
    }

    #[tokio::test]
    async fn credentials_are_not_made_anew_at_every_call() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let make = || {
            MADE.fetch_add(1, Ordering::Relaxed);
            Ok(testing::error_credentials(false))
        };
        let renewing = renewing(make, Duration::from_secs(3600));
        for _ in 0..3 {
            assert!(renewing.headers(::http::Extensions::new()).await.is_err());
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
    }
}
