//! What a registry has of each image: the image, its SBOM, its size, and how it is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::host::work_folder::workspace_root;
use namesake_tests::{cluster::manifests::objects, namespace::runtime::runtime};
use serde_json::Value;

use crate::{
    IMAGES, PLATFORM, VERSION, in_workspace, output, registry::Registry, root::Root, target, text,
};

/// The largest compressed image.
const MAX_BYTES: u64 = 25_000_000;
const SBOM: &str = "application/vnd.cyclonedx+json";

#[test]
fn each_image_and_what_refers_to_it_come_back_from_a_registry_unchanged() -> Result<()> {
    runtime().block_on(async {
        let registry = Registry::with_our_images().await?;
        for (image, ..) in IMAGES {
            let (layout, pulled) = (target("images").join(image), tempfile::tempdir()?);
            registry.pull(image, pulled.path())?;
            let (built, pulled) = (blobs(&layout)?, blobs(pulled.path())?);
            ensure!(
                built.keys().eq(pulled.keys()),
                "{image}: {:?} and {:?}",
                built.keys(),
                pulled.keys()
            );
            ensure!(built == pulled, "{image}: a blob has changed");
            let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
            let digest = registry.about("digest", image)?;
            ensure!(
                index["manifests"][0]["digest"] == digest.as_str(),
                "{image}: {index} and {digest}"
            );
            registry.validate(image)?;
        }
        Ok(())
    })
}

#[test]
fn each_image_has_a_bill_of_materials_that_lists_the_crates_of_its_program() -> Result<()> {
    runtime().block_on(async {
        let registry = Registry::with_our_images().await?;
        for (image, program, package) in IMAGES {
            let referrers = registry.referrers(image)?;
            ensure!(referrers.len() == 1, "{image}: {referrers:?}");
            ensure!(
                referrers[0]["artifactType"] == SBOM,
                "{image}: {referrers:?}"
            );
            let digest =
                |descriptor: &Value| descriptor["digest"].as_str().unwrap_or_default().to_owned();
            let manifest = registry.manifest(image, &digest(&referrers[0]))?;
            let sbom = registry.blob(image, &digest(&manifest["layers"][0]))?;
            let here = workspace_root().display().to_string();
            ensure!(
                !String::from_utf8_lossy(&sbom).contains(&here),
                "{image}: the SBOM names {here}"
            );
            let sbom: Value = serde_json::from_slice(&sbom)?;
            ensure!(
                sbom["metadata"]["component"]["name"] == program,
                "{image}: {}",
                sbom["metadata"]
            );
            let (listed, expected) = (listed(&sbom), crates(package)?);
            ensure!(
                listed.is_superset(&expected),
                "{image} lacks {:?}",
                expected.difference(&listed)
            );
        }
        Ok(())
    })
}

#[test]
fn each_image_has_the_size_and_the_labels_that_are_promised() -> Result<()> {
    runtime().block_on(async {
        let registry = Registry::with_our_images().await?;
        let revision = text(in_workspace("git").args(["rev-parse", "HEAD"]))?;
        for (image, program, _) in IMAGES {
            let manifest: Value = serde_json::from_str(&registry.about("manifest", image)?)?;
            let layers = manifest["layers"].as_array().into_iter().flatten();
            let sizes = layers
                .chain([&manifest["config"]])
                .map(|blob| blob["size"].as_u64());
            let bytes: u64 = sizes
                .sum::<Option<u64>>()
                .context("a blob without a size")?;
            ensure!(
                bytes <= MAX_BYTES,
                "{image} has {bytes} bytes compressed, more than {MAX_BYTES}"
            );
            let config: Value = serde_json::from_str(&registry.about("config", image)?)?;
            let labels = &config["config"]["Labels"];
            for (label, value) in [
                ("title", program),
                ("version", VERSION),
                ("revision", &revision),
            ] {
                let label = format!("org.opencontainers.image.{label}");
                ensure!(
                    labels[&label] == value,
                    "{image}: {label} is not {value}: {labels}"
                );
            }
            ensure!(
                labels == &manifest["annotations"],
                "{image}: {labels} and {manifest}"
            );
        }
        Ok(())
    })
}

#[test]
fn each_container_of_the_manifests_starts_a_program_of_its_image_as_the_user_of_its_image()
-> Result<()> {
    runtime().block_on(async {
        let registry = Registry::with_our_images().await?;
        let found = containers(&workspace_root().join("manifests"))?;
        for (image, program, _) in IMAGES {
            let root = Root::unpack(registry, image)?;
            ensure!(
                root.path(&format!("/usr/local/bin/{program}")).is_file(),
                "{image} lacks {program}"
            );
            ensure!(
                root.config["Env"][0] == "PATH=/usr/local/bin",
                "{image}: {}",
                root.config
            );
            let image = format!("namesake-{image}");
            let of_image = found.iter().filter(|container| container.image == image);
            let of_image: Vec<_> = of_image.collect();
            ensure!(
                !of_image.is_empty(),
                "no container has the image {image}: {found:?}"
            );
            for container in of_image {
                let user = format!("{}:{}", container.user, container.group);
                ensure!(
                    container.program == program,
                    "{container:?} does not start {program}"
                );
                ensure!(
                    root.config["User"] == user,
                    "{container:?} has not the user of its image"
                );
            }
        }
        Ok(())
    })
}

/// A container of the manifests with an image of ours.
#[derive(Debug)]
struct Container {
    image: String,
    program: String,
    user: Value,
    group: Value,
}

/// The blobs of a layout.
fn blobs(layout: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let folder = layout.join("blobs/sha256");
    let entries = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}: run make test-images", folder.display()))?;
    let entries = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().into(), fs::read(entry.path())?))
    });
    entries.collect()
}

/// Names and versions in an SBOM.
fn listed(sbom: &Value) -> BTreeSet<String> {
    let components = sbom["components"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ours = [&sbom["metadata"]["component"]];
    let all = components.chain(ours);
    all.map(|one| format!("{} {}", text(&one["name"]), text(&one["version"])))
        .collect()
}

/// Names and versions of the crates that are linked into the program of a package, without the package itself.
fn crates(package: &str) -> Result<BTreeSet<String>> {
    let mut tree = in_workspace(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "--edges",
        "normal,no-proc-macro",
    ]);
    tree.args([
        "--prefix",
        "none",
        "--format",
        "{p}",
        "--target",
        PLATFORM,
        "--package",
        package,
    ]);
    let tree = String::from_utf8(output(&mut tree)?)?;
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?.strip_prefix('v')?))
    });
    let others = crates.filter(|(name, _)| *name != package);
    Ok(others
        .map(|(name, version)| format!("{name} {version}"))
        .collect())
}

/// The containers with images of ours, in all files below a folder.
fn containers(folder: &Path) -> Result<Vec<Container>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(containers(&path)?);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            for object in objects(&fs::read_to_string(&path)?)? {
                add_containers(&object, &mut found);
            }
        }
    }
    Ok(found)
}

/// Adds the containers of all pod templates in an object.
fn add_containers(object: &Value, found: &mut Vec<Container>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for list in ["initContainers", "containers"] {
        let containers = object[list].as_array().into_iter().flatten();
        let ours = containers.filter(|one| text(&one["image"]).starts_with("namesake-"));
        found.extend(ours.map(|one| Container {
            image: text(&one["image"]),
            program: text(&one["command"][0]),
            user: object["securityContext"]["runAsUser"].clone(),
            group: object["securityContext"]["runAsGroup"].clone(),
        }));
    }
    let fields = object
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values);
    let entries = object.as_array().into_iter().flatten();
    fields
        .chain(entries)
        .for_each(|part| add_containers(part, found));
}
