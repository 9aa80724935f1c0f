//! Google's side on loopback: service accounts, policies, STS, credentials, metadata and storage.
