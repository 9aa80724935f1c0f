//! Google's clients, unchanged, against the emulator: gcloud, and the libraries for Python, Go and Node.js. Each test
//! runs a program of `sandbox/clients`, which fails when an answer is not what the client expects of Google.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of it is tests"
)]

mod gcloud;
mod go;
mod google;
mod node;
mod pod;
mod python;
