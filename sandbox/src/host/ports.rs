//! Free ports on loopback.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail};

/// Below the range of ephemeral ports, so that no outgoing connection takes the port in between.
const FIRST: u64 = 20_000;
const COUNT: u64 = 12_000;

/// The next port to try, counted from [`FIRST`] and modulo [`COUNT`]. The first is random, so that two processes rarely try the same.
static NEXT: LazyLock<AtomicU64> =
    LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(()) % COUNT));

/// A port on 127.0.0.1 that nobody listens on now, and that this process has not been given before (until it has tried all).
/// Another program may take it before it is used: the caller then tries again with another one.
///
/// # Errors
/// No free port was found.
pub fn free() -> Result<u16> {
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let Ok(port) = u16::try_from(FIRST + next) else {
            continue;
        };
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!(
        "no free port between {FIRST} and {} on 127.0.0.1: stop what listens there",
        FIRST + COUNT
    )
}

/// A listener on such a port.
///
/// # Errors
/// No free port was found, or somebody took it in between.
pub fn listener() -> Result<TcpListener> {
    let port = free()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port} of 127.0.0.1"))
}

/// Whether nobody listens on the port now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_free_port_can_be_used_and_is_not_free_then() {
        let port = free().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
    }

    #[test]
    fn a_port_is_given_once() {
        let ports: HashSet<u16> = (0..1_000).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 1_000);
    }
}
