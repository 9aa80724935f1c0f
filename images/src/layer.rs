//! The one layer of an image: the program, the authorities of TLS certificates, and how names are resolved.

use std::io::Write;

use anyhow::Result;
use data_encoding::BASE64;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Columns of a PEM file.
const PEM_COLUMNS: usize = 64;

/// `/etc/hosts` first, where Kubernetes writes the pod's own name and its `hostAliases`. Without this file, some versions of
/// glibc ask DNS first, and which one is linked depends on the machine that builds.
const NAMES: &[u8] = b"hosts: files dns\n";

/// A layer before compression.
pub(crate) fn archive(program: &str, binary: &[u8], seconds: u64) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    // Sorted, and every folder is there: the order and the content depend on nothing else.
    add(&mut archive, "etc/", None, seconds)?;
    let names = Some((NAMES, 0o644));
    add(&mut archive, "etc/nsswitch.conf", names, seconds)?;
    for folder in ["etc/ssl/", "etc/ssl/certs/"] {
        add(&mut archive, folder, None, seconds)?;
    }
    let authorities = authorities();
    let authorities = Some((authorities.as_bytes(), 0o644));
    add(
        &mut archive,
        "etc/ssl/certs/ca-certificates.crt",
        authorities,
        seconds,
    )?;
    for folder in ["usr/", "usr/local/", "usr/local/bin/"] {
        add(&mut archive, folder, None, seconds)?;
    }
    let path = format!("usr/local/bin/{program}");
    add(&mut archive, &path, Some((binary, 0o755)), seconds)?;
    Ok(archive.into_inner()?)
}

/// The archive, compressed; without a name or a time of its own.
pub(crate) fn compressed(archive: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(archive)?;
    Ok(gzip.finish()?)
}

/// Adds a folder, or a file with its mode.
pub(crate) fn add(
    to: &mut Builder<Vec<u8>>,
    path: &str,
    file: Option<(&[u8], u32)>,
    seconds: u64,
) -> Result<()> {
    let (content, mode) = file.unwrap_or((&[], 0o755));
    let mut header = Header::new_ustar();
    header.set_entry_type(if file.is_some() {
        EntryType::Regular
    } else {
        EntryType::Directory
    });
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(seconds);
    header.set_size(content.len() as u64);
    Ok(to.append_data(&mut header, path, content)?)
}

/// Mozilla's authorities, of the version in Cargo.lock: those of the machine that builds would change the digest.
fn authorities() -> String {
    let mut pem = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = BASE64.encode(certificate);
        for line in text.as_bytes().chunks(PEM_COLUMNS) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}
