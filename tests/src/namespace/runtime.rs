//! One runtime for all tests of a process: the shared webhook and broker outlive the test that started them.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime. Tests block on it from their own threads, so that what they print stays theirs.
///
/// # Panics
/// The operating system gives no threads.
#[expect(
    clippy::expect_used,
    reason = "without threads there is nothing to test"
)]
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_multi_thread()
            .enable_all()
            .thread_name("harness")
            .build()
            .expect("a runtime starts")
    })
}
