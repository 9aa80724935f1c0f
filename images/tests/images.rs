//! What is in a layout, and that it depends on nothing but its contents.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::{fs, io::Read, path::Path};

use flate2::read::GzDecoder;
use namesake_images::{
    chart::{self, Chart},
    image::{Contents, SBOM_TYPE, USER, Written, write},
    layout::digest,
    plugin::{self, ARCHIVE, MANIFEST, PROGRAM, Plugin},
};
use serde_json::Value;

const CONTENTS: Contents<'_> = Contents {
    program: "namesake-webhook",
    binary: b"a program",
    sbom: b"{\"bomFormat\": \"CycloneDX\"}",
    version: "1.2.3",
    revision: "abc",
    created: (1_700_000_000, "2023-11-14T22:13:20Z"),
};

fn layout() -> (tempfile::TempDir, Written) {
    let folder = tempfile::tempdir().unwrap();
    let written = write(&CONTENTS, &folder.path().join("webhook")).unwrap();
    (folder, written)
}

fn blob(folder: &Path, digest: &Value) -> Vec<u8> {
    let name = digest.as_str().unwrap().replace(':', "/");
    fs::read(folder.join("webhook/blobs").join(name)).unwrap()
}

fn json(folder: &Path, digest: &Value) -> Value {
    serde_json::from_slice(&blob(folder, digest)).unwrap()
}

#[test]
fn two_builds_of_an_image_have_the_same_digest() {
    let ((first, one), (second, two)) = (layout(), layout());
    assert_eq!(one, two);
    let index = |folder: &Path| fs::read(folder.join("webhook/index.json")).unwrap();
    assert_eq!(index(first.path()), index(second.path()));
    let folder = tempfile::tempdir().unwrap();
    let other = Contents {
        binary: b"another",
        ..CONTENTS
    };
    assert_ne!(write(&other, folder.path()).unwrap().digest, one.digest);
}

#[test]
fn an_image_runs_its_program_as_an_unprivileged_user() {
    let (folder, written) = layout();
    let manifest = json(folder.path(), &written.digest.into());
    let config = json(folder.path(), &manifest["config"]["digest"]);
    assert_eq!(config["config"]["User"], USER);
    assert_eq!(config["config"]["Entrypoint"][0], "namesake-webhook");
    assert_eq!(config["config"]["Labels"], manifest["annotations"]);
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.revision"],
        "abc"
    );

    let layer = blob(folder.path(), &manifest["layers"][0]["digest"]);
    let mut archive = Vec::new();
    GzDecoder::new(&*layer).read_to_end(&mut archive).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(&archive));
    let mut archive = tar::Archive::new(&*archive);
    let files: Vec<(String, u32, u64)> = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.header().entry_type().is_file())
        .map(|entry| {
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (path, header.mode().unwrap(), header.mtime().unwrap())
        })
        .collect();
    let expected = [
        ("etc/nsswitch.conf".to_owned(), 0o644, 1_700_000_000),
        (
            "etc/ssl/certs/ca-certificates.crt".to_owned(),
            0o644,
            1_700_000_000,
        ),
        (
            "usr/local/bin/namesake-webhook".to_owned(),
            0o755,
            1_700_000_000,
        ),
    ];
    assert_eq!(files, expected);
}

#[test]
fn the_sbom_refers_to_its_image() {
    let (folder, written) = layout();
    let sbom = json(folder.path(), &written.sbom.into());
    assert_eq!(sbom["artifactType"], SBOM_TYPE);
    assert_eq!(sbom["subject"]["digest"], written.digest);
    assert_eq!(
        blob(folder.path(), &sbom["layers"][0]["digest"]),
        CONTENTS.sbom
    );
}

#[test]
fn the_archive_of_the_plugin_is_the_one_that_its_manifest_names() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin {
        binary: b"a program",
        license: b"a license",
        version: "1.2.3",
        seconds: 1_700_000_000,
    };
    let written = plugin::write(&plugin, folder.path()).unwrap();
    let archive = fs::read(folder.path().join(ARCHIVE)).unwrap();
    assert_eq!(written, digest(&archive));
    let manifest = fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
    let manifest: Value = serde_saphyr::from_str(&manifest).unwrap();
    assert_eq!(manifest["spec"]["version"], "v1.2.3");
    let platform = &manifest["spec"]["platforms"][0];
    assert_eq!(
        format!("sha256:{}", platform["sha256"].as_str().unwrap()),
        written
    );
    assert!(platform["uri"].as_str().unwrap().ends_with(ARCHIVE));
    let mut tar = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    let names = tar
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["LICENSE", PROGRAM]);
}

#[test]
fn the_chart_is_packed_with_all_of_its_files_and_only_in_its_own_version() {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/namesake"));
    let chart = Chart {
        folder: source,
        version: env!("CARGO_PKG_VERSION"),
        created: (1_700_000_000, "2023-11-14T22:13:20Z"),
    };
    let written = |name: &str| {
        let folder = folder.path().join(name);
        let written = chart::write(&chart, &folder.join("chart"), &folder).unwrap();
        let archive = fs::read(folder.join(format!("namesake-{}.tgz", chart.version))).unwrap();
        assert_eq!(written, digest(&archive));
        (archive, fs::read(folder.join("chart/index.json")).unwrap())
    };
    let (archive, _) = written("one");
    assert!(written("one") == written("other"), "not the same twice");
    let mut tar = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    let names = tar
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string());
    let names: Vec<_> = names.collect();
    for name in [
        "Chart.yaml",
        "values.yaml",
        "values.schema.json",
        "templates/generated/stack.yaml",
    ] {
        assert!(names.contains(&format!("namesake/{name}")), "{names:?}");
    }
    let older = Chart {
        version: "0.0.1",
        ..chart
    };
    let refused = chart::write(&older, &folder.path().join("chart"), folder.path()).unwrap_err();
    assert!(refused.to_string().contains("version is"), "{refused}");
}
