//! A copy of HCL, in which one admin runs OpenTofu.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use namesake_sandbox::host::{
    children::{Child, Children, Launch},
    work_folder::workspace_root,
};
use tempfile::TempDir;

use super::programs;

/// The longest time that one command may take. Long, because it only shows when something is broken.
const LIMIT: Duration = Duration::from_secs(300);
/// What a run leaves behind, which belongs into no copy.
const NOT_COPIED: [&str; 2] = [".terraform", ".terraform.lock.hcl"];

/// A temporary folder with HCL.
#[derive(Debug)]
pub struct Workspace {
    root: TempDir,
    /// The folder below `root` in which commands run.
    folder: PathBuf,
    children: Children,
    env: Vec<(String, String)>,
    commands: AtomicU32,
}

impl Workspace {
    /// An empty folder.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn empty() -> Result<Self> {
        let root = TempDir::new().context("cannot create a folder")?;
        let folder = root.path().join("hcl");
        fs::create_dir(&folder)?;
        fs::create_dir(root.path().join("logs"))?;
        let home = root.path().display().to_string();
        // Nothing of the developer's: no credentials, plugins or settings.
        let env = [
            ("HOME", home.as_str()),
            ("USER", "admin"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("CHECKPOINT_DISABLE", "1"),
            ("TF_IN_AUTOMATION", "1"),
            ("TF_INPUT", "0"),
        ];
        Ok(Self {
            folder,
            children: Children::start()?,
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            commands: AtomicU32::new(0),
            root,
        })
    }

    /// A copy of the folders `terraform` and `manifests` of the repository, in which commands run in a folder below `terraform`. The
    /// examples are for one stack each, here `prod`.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn of_terraform(below: &str) -> Result<Self> {
        let mut workspace = Self::empty()?;
        let repository = workspace_root();
        // The modules read manifests.
        for folder in ["terraform", "manifests"] {
            copy(&repository.join(folder), &workspace.folder.join(folder))?;
        }
        workspace.folder = workspace.folder.join("terraform").join(below);
        if !workspace.folder.is_dir() {
            bail!("there is no folder terraform/{below}");
        }
        Ok(match below.starts_with("examples/") {
            true => workspace.with_env("TF_WORKSPACE", "prod"),
            false => workspace,
        })
    }

    /// With another environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With providers only from the mirror that has Google's schema.
    ///
    /// # Errors
    /// The schema cannot be derived.
    pub fn with_google_schema(self) -> Result<Self> {
        let path = self.root.path().join("tofurc");
        fs::write(&path, super::google_schema()?.tofurc())?;
        Ok(self.with_env("TF_CLI_CONFIG_FILE", &path.display().to_string()))
    }

    /// The folder in which commands run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Starts OpenTofu.
    ///
    /// # Errors
    /// It is not built, or cannot be started.
    pub fn start(&self, args: &[&str]) -> Result<Command> {
        self.start_program(programs()?.tofu(), args)
    }

    /// Starts a program.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_program(&self, program: &Path, args: &[&str]) -> Result<Command> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}-{}", args.first().unwrap_or(&"command"));
        let owned = args.iter().map(|&arg| arg.to_owned()).collect();
        let logs = self.root.path().join("logs");
        let mut launch = Launch::new(&name, program, owned, &logs);
        launch.env.clone_from(&self.env);
        launch.only_env = true;
        launch.folder = Some(self.folder.clone());
        Ok(Command {
            line: args.join(" "),
            child: self.children.spawn(&launch)?,
        })
    }

    /// Runs OpenTofu until it exits.
    ///
    /// # Errors
    /// It does not start, or not exit in time.
    pub async fn run(&self, args: &[&str]) -> Result<Ran> {
        self.start(args)?.wait().await
    }

    /// Runs OpenTofu, which must succeed, and returns its output.
    ///
    /// # Errors
    /// It fails.
    pub async fn succeeds(&self, args: &[&str]) -> Result<String> {
        self.run(args).await?.success()
    }

    /// Runs OpenTofu, which must fail, and returns its output on one line.
    ///
    /// # Errors
    /// It succeeds.
    pub async fn fails(&self, args: &[&str]) -> Result<String> {
        self.run(args).await?.failure()
    }
}

/// A running command.
#[derive(Debug)]
pub struct Command {
    line: String,
    child: Child,
}

impl Command {
    /// Waits until it exits.
    ///
    /// # Errors
    /// It does not exit in time.
    pub async fn wait(&self) -> Result<Ran> {
        let Ok(exit) = tokio::time::timeout(LIMIT, self.child.wait()).await else {
            bail!(
                "{} did not end within {} s:\n{}",
                self.line,
                LIMIT.as_secs(),
                self.output()
            );
        };
        Ok(Ran {
            line: self.line.clone(),
            code: exit.code,
            output: self.output(),
        })
    }

    /// Kills it and everything that it started, as when its machine fails.
    pub async fn kill(&self) {
        self.child.kill();
        self.child.wait().await;
    }

    /// Whether it has exited.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.child.ended().is_some()
    }

    fn output(&self) -> String {
        let text = fs::read(self.child.log()).unwrap_or_default();
        without_colors(&String::from_utf8_lossy(&text))
    }
}

/// A command that has exited.
#[derive(Debug)]
pub struct Ran {
    line: String,
    /// Its exit code.
    pub code: i32,
    /// What it wrote, without colors.
    pub output: String,
}

impl Ran {
    /// Its output, if it succeeded.
    ///
    /// # Errors
    /// It failed.
    pub fn success(self) -> Result<String> {
        match self.code {
            0 => Ok(self.output),
            code => bail!("{} exited with {code}:\n{}", self.line, self.output),
        }
    }

    /// Its output on one line, without the frames around messages, if it failed.
    ///
    /// # Errors
    /// It succeeded.
    pub fn failure(self) -> Result<String> {
        match self.code {
            0 => bail!("{} succeeded:\n{}", self.line, self.output),
            _ => Ok(on_one_line(&self.output)),
        }
    }
}

/// A text without line breaks and the frames of OpenTofu's messages, which it wraps.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '│' | '╷' | '╵'));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn without_colors(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// Copies a folder without what a run of OpenTofu left there.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if NOT_COPIED.iter().any(|&name| entry.file_name() == name) {
            continue;
        }
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
