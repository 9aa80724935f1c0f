//! Addresses of pods: each has its own, as in a real cluster. All of 127.0.0.0/8 is loopback.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::Ipv4Addr,
};

/// The address of the pod with this UID, always the same, between 127.128.0.1 and 127.255.255.254.
pub(super) fn of_pod(uid: &str) -> Ipv4Addr {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let [a, b, c, ..] = hasher.finish().to_be_bytes();
    Ipv4Addr::new(127, 128 | a, b, c.clamp(1, 254))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pod_has_its_own_address_on_loopback() {
        let (one, other) = (of_pod("4a22ac2d"), of_pod("4a22ac2e"));
        assert_eq!(one, of_pod("4a22ac2d"));
        assert_ne!(one, other);
        assert!(one.is_loopback() && one != Ipv4Addr::LOCALHOST);
    }
}
