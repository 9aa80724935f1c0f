//! Free ports on loopback.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, Result, bail};

/// Below the range of ephemeral ports, so that no outgoing connection takes the port in between.
const FIRST: u64 = 20_000;
const COUNT: u64 = 12_000;

/// A random port on 127.0.0.1 that nobody listens on now. Another program may take it before it is used: the caller then tries
/// again with another one.
///
/// # Errors
/// No free port was found.
pub fn free() -> Result<u16> {
    for attempt in 0..200_u32 {
        let random = RandomState::new().hash_one(attempt) % COUNT + FIRST;
        let Ok(port) = u16::try_from(random) else {
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
    use super::*;

    #[test]
    fn a_free_port_can_be_used_and_is_not_free_then() {
        let port = free().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
    }
}
