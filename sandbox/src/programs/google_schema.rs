//! The schema of Google's Terraform provider, and a provider that has nothing else. The provider itself is in no registry of
//! programs; a package on PyPI is generated from its schema (`sandbox/tofu/schema`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    host::{children::Launch, work_folder::workspace_root},
    programs::{
        Program,
        go_module::{self, GoBuild, go},
        lock,
        python::{Python, run_install},
        tofu,
    },
};

const PROVIDER: Program = Program {
    name: "terraform-provider-google",
    package: ".",
};
/// Where OpenTofu looks for it in a mirror, and below that VERSION/OS_ARCH.
const ADDRESS: &str = "registry.opentofu.org/hashicorp/google";
/// What the provider reads, next to it.
const SCHEMA: &str = "schema.json";
/// The package with its hash.
const PACKAGE: &str = "package.txt";

/// A provider that knows every block, attribute and type of hashicorp/google, and cannot do anything.
#[derive(Debug, Clone)]
pub struct GoogleSchema {
    mirror: PathBuf,
    version: String,
}

impl GoogleSchema {
    /// Finds it, or downloads the package, derives the schema, and builds the provider.
    ///
    /// # Errors
    /// Go or Python is not installed, the package cannot be downloaded, or it has another form.
    pub fn find_or_derive(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let module = workspace_root().join("sandbox/tofu/schema");
        let target = tofu::target().join("google");
        let _lock = lock(&target)?;
        let build = GoBuild {
            stamp: stamp(&module)?,
            module: module.clone(),
            modfile: None,
            tags: "",
            target: target.clone(),
            ldflags: "-s -w".to_owned(),
        };
        build.build_missing(&[PROVIDER], progress)?;
        let mirror = target.join("mirror");
        let derived = target.join("derived.txt");
        let wanted = build.stamp + &read(&module.join(PACKAGE))?;
        if !fs::read_to_string(&derived).is_ok_and(|stamp| stamp == wanted) {
            derive(&module, &target, progress)?;
            fs::write(&derived, wanted)
                .with_context(|| format!("cannot write {}", derived.display()))?;
        }
        let version = version_in(&target.join(SCHEMA))?;
        Ok(Self { mirror, version })
    }

    /// The CLI configuration with which OpenTofu takes every provider from here, and none from a registry.
    #[must_use]
    pub fn tofurc(&self) -> String {
        format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
            self.mirror.display().to_string()
        )
    }

    /// The provider's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Everything that the provider is built from.
fn stamp(module: &Path) -> Result<String> {
    let mut files = vec!["go.mod".to_owned(), "go.sum".to_owned()];
    let entries =
        fs::read_dir(module).with_context(|| format!("cannot read {}", module.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    files.extend(names.filter(|name| name.ends_with(".go")));
    files.sort();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    go_module::stamp(module, &files)
}

/// Downloads the package, derives the schema from it, and writes a mirror with provider and schema.
fn derive(module: &Path, target: &Path, progress: &mut dyn FnMut(&str)) -> Result<()> {
    progress("downloading the schema of Google's Terraform provider");
    let wheels = tempfile::tempdir_in(target).context("cannot create a folder")?;
    let wheel = download(module, wheels.path(), progress)?;
    progress("deriving the schema of Google's Terraform provider");
    let (provider, schema) = (target.join(PROVIDER.name), target.join(SCHEMA));
    let text = |path: &Path| path.display().to_string();
    let args = vec!["derive".to_owned(), text(&wheel), text(&schema)];
    run_install(&Launch::new("derive", &provider, args, target))?;
    let mirror = target.join("mirror");
    if mirror.exists() {
        fs::remove_dir_all(&mirror)
            .with_context(|| format!("cannot remove {}", mirror.display()))?;
    }
    let platform = go(module, &["env", "GOOS", "GOARCH"])?;
    let folder = mirror
        .join(ADDRESS)
        .join(version_in(&schema)?)
        .join(platform.split_whitespace().collect::<Vec<_>>().join("_"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in [&provider, &schema] {
        let copy = folder.join(file.file_name().unwrap_or_default());
        fs::copy(file, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

/// The downloaded wheel.
fn download(module: &Path, into: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let pins = Path::new("sandbox/tofu/schema");
    let python = Python::environment(Path::new("tofu/python"), pins, progress)?;
    let text = |path: &Path| path.display().to_string();
    let (package, folder) = (text(&module.join(PACKAGE)), text(into));
    let args = [
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "--requirement",
        &package,
        "--dest",
        &folder,
    ];
    let args = args.map(str::to_owned).into();
    run_install(&Launch::new("pip", &python.program(), args, into))?;
    let mut files = fs::read_dir(into)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|file| file.extension().is_some_and(|it| it == "whl"))
        .with_context(|| format!("{PACKAGE} names no wheel"))
}

fn version_in(schema: &Path) -> Result<String> {
    let schema: Value = serde_json::from_str(&read(schema)?).context("the schema is not JSON")?;
    let version = schema["provider_version"].as_str();
    Ok(version.context("the schema has no version")?.to_owned())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
