//! A DNS server at an address of its own. Envoy is one, and is installed for the gateway's tests anyway.

use std::{
    hash::{BuildHasher, RandomState},
    io::ErrorKind,
    net::{Ipv4Addr, UdpSocket},
};

use anyhow::{Result, bail, ensure};
use namesake_sandbox::{
    WorkFolder,
    host::children::{Children, Launch},
    programs::gateway::GatewayPrograms,
};
use namesake_tests::eventually::eventually;
use serde_json::json;

/// Programs ask DNS servers at this port only; so it is the address that is free.
const PORT: u16 = 53;

/// A running server. It is killed when it is dropped.
pub(crate) struct Dns {
    /// Where it answers, for `resolv.conf`.
    pub(crate) address: Ipv4Addr,
    _children: Children,
    _folder: WorkFolder,
}

impl Dns {
    /// Starts a server that knows this name, as the address 127.0.0.1. Needs root.
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let (folder, address) = (WorkFolder::create()?, free_address()?);
        let known = json!({
            "name": name,
            "endpoint": {"address_list": {"address": [Ipv4Addr::LOCALHOST.to_string()]}},
        });
        let filter = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig",
            "stat_prefix": "dns",
            "server_config": {"inline_dns_table": {"virtual_domains": [known]}},
        });
        let listener = json!({
            "address": {"socket_address": {"protocol": "UDP", "address": address.to_string(), "port_value": PORT}},
            "listener_filters": [{"name": "dns", "typed_config": filter}],
        });
        let config = folder.path().join("dns.json");
        let text = json!({"static_resources": {"listeners": [listener]}}).to_string();
        std::fs::write(&config, text)?;
        let config = config.display().to_string();
        let args = ["--config-path", &config, "--disable-hot-restart"].map(str::to_owned);
        let envoy = GatewayPrograms::find_or_install(&mut |_| ())?.envoy;
        let children = Children::start()?;
        let process = children.spawn(&Launch::new("dns", &envoy, args.into(), &folder.logs()))?;
        eventually("the DNS server listens", async || {
            ensure!(process.ended().is_none(), "{}", process.failure());
            ensure!(!is_free(address)?, "nobody listens at {address}");
            Ok(())
        })
        .await?;
        Ok(Self {
            address,
            _children: children,
            _folder: folder,
        })
    }
}

/// An address of the loopback interface at which no DNS server listens.
fn free_address() -> Result<Ipv4Addr> {
    for attempt in 0..100_u32 {
        let [a, b, c, ..] = RandomState::new().hash_one(attempt).to_be_bytes();
        let address = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
        if is_free(address)? {
            return Ok(address);
        }
    }
    bail!(
        "no address of 127.0.0.0/8 has port {PORT} free: stop the DNS server that listens at all addresses"
    )
}

fn is_free(address: Ipv4Addr) -> Result<bool> {
    match UdpSocket::bind((address, PORT)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(false),
        Err(error) => {
            bail!("cannot listen at {address}, port {PORT}: {error}; run this test as root")
        }
    }
}
