//! A whole cluster on loopback: control plane, node stand-in, storage, Google.
