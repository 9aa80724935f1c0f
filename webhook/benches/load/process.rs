//! A server as a child process, and the resources that it used according to the kernel.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;

/// A running server that printed its address and certificate on its first line.
pub(crate) struct Child {
    child: std::process::Child,
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes, now.
    pub(crate) resident_bytes: u64,
}

impl Child {
    /// Starts this program again as `serve NAME`, and waits for its address.
    ///
    /// # Errors
    /// When the program does not start, or prints no address.
    pub(crate) fn serve(name: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find this program")?;
        let mut child = Command::new(program)
            .args(["serve", name])
            .stdin(Stdio::piped())
            .stdout(log(name)?)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start the {name} server"))?;
        let Some(stderr) = child.stderr.take() else {
            bail!("{name} server has no standard error")
        };
        let mut line = String::new();
        BufReader::new(stderr)
            .read_line(&mut line)
            .with_context(|| format!("{name} server said nothing"))?;
        match introduction(&line) {
            Ok((address, tls)) => Ok(Self {
                child,
                address,
                tls,
            }),
            Err(error) => {
                child.kill().ok();
                Err(error.context(format!("{name} server said {line:?}")))
            }
        }
    }

    /// The TLS configuration that trusts its certificate.
    pub(crate) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let pid = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The command's name may hold spaces: fields are counted after its closing bracket.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |index: usize| -> anyhow::Result<u64> {
            Ok(fields.get(index).context("short /proc stat")?.parse()?)
        };
        // utime and stime are in ticks of 1/100 s, rss in pages of 4 KiB, on every Linux that Rust's std supports.
        let ticks = number(11)? + number(12)?;
        Ok(Usage {
            cpu: Duration::from_millis(ticks * 10),
            resident_bytes: number(21)? * 4096,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

// The decision log is written to a file, as the log of a container is.
fn log(name: &str) -> anyhow::Result<File> {
    let path = super::sections::folder()?.join(format!("{name}.log"));
    File::create(&path).with_context(|| format!("failed to write {}", path.display()))
}

// The first line that a server prints has its address and its certificate.
fn introduction(line: &str) -> anyhow::Result<(SocketAddr, Arc<rustls::ClientConfig>)> {
    let (address, certificate) = line
        .trim()
        .split_once(' ')
        .context("no address and certificate")?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(BASE64.decode(certificate.as_bytes())?))?;
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((address.parse()?, Arc::new(tls)))
}
