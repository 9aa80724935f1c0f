//! One async runtime for all tests of a process, because the shared webhook and broker outlive the test that starts them.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime. Tests block on it from their own threads, so that libtest captures their output.
///
/// # Panics
/// The operating system refuses to start threads.
#[expect(clippy::expect_used, reason = "no test can run without it")]
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
