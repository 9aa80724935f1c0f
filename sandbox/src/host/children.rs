//! Child processes that never outlive this process, however it ends.
//!
//! Each child leads its own process group. A watchdog, a small shell, reads the ids of the groups from a pipe that only this
//! process holds open; when the pipe closes (this process exited, was killed, or dropped it) it kills every group that is left.
//! A child starts only after the watchdog knows it: it waits for a line that is written once its group is registered.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::sync::watch;

/// Reads `watch PGID` and `forget PGID`; at the end of input it sends TERM, waits up to 5 s, then KILL.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
groups=
while read -r word group; do
  case $word in
    watch) groups="$groups $group" ;;
    forget) left=; for g in $groups; do [ "$g" = "$group" ] || left="$left $g"; done; groups=$left ;;
  esac
done
for g in $groups; do kill -TERM "-$g" 2>/dev/null; done
tries=0
while [ $tries -lt 50 ]; do
  left=
  for g in $groups; do kill -0 "-$g" 2>/dev/null && left="$left $g"; done
  groups=$left
  [ -n "$groups" ] || exit 0
  sleep 0.1
  tries=$((tries + 1))
done
for g in $groups; do kill -KILL "-$g" 2>/dev/null; done
"#;

/// Waits for a line (at end of input it gives up), then becomes the program.
const WAIT_THEN_EXEC: &str = r#"read -r go || exit 125; exec "$@" </dev/null"#;

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// A short name, for messages.
    pub name: String,
    /// The program, absolute or found in PATH.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables, added to ours unless `only_env`.
    pub env: Vec<(String, String)>,
    /// Whether it starts with an empty environment.
    pub only_env: bool,
    /// Its working directory; ours if there is none.
    pub folder: Option<PathBuf>,
    /// The file to which its output is appended.
    pub log: PathBuf,
}

impl Launch {
    /// A program with our environment and its output in `<logs>/<name>.log`.
    #[must_use]
    pub fn new(name: &str, program: &Path, args: Vec<String>, logs: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_path_buf(),
            args,
            env: Vec::new(),
            only_env: false,
            folder: None,
            log: logs.join(format!("{name}.log")),
        }
    }
}

/// The child processes of one owner. All of them are killed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Children(Arc<Watchdog>);

#[derive(Debug)]
struct Watchdog {
    shell: Mutex<process::Child>,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Children {
    /// Starts the watchdog.
    ///
    /// # Errors
    /// There is no `/bin/sh`.
    pub fn start() -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "namesake-sandbox-watchdog"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh, which ends our child processes when we are killed")?;
        let pipe = shell.stdin.take();
        Ok(Self(Arc::new(Watchdog {
            shell: Mutex::new(shell),
            pipe: Mutex::new(pipe),
        })))
    }

    /// Starts a program.
    ///
    /// # Errors
    /// The log file or the process cannot be created.
    pub fn spawn(&self, launch: &Launch) -> Result<Child> {
        let mut command = command(launch)?;
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {}", launch.name))?;
        let group = i32::try_from(process.id()).context("a process id out of range")?;
        self.0.send("watch", group)?;
        let released = process
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(b"go\n"));
        if !matches!(released, Some(Ok(()))) {
            let _ = process.kill();
            bail!("cannot start {}: it exited at once", launch.name);
        }
        let (sender, ended) = watch::channel(None);
        let watchdog = Arc::downgrade(&self.0);
        std::thread::Builder::new()
            .name(format!("wait-{}", launch.name))
            .spawn(move || reap(process, group, &watchdog, &sender))
            .context("cannot start a thread that waits for a child")?;
        Ok(Child {
            name: launch.name.clone(),
            log: launch.log.clone(),
            group,
            ended,
        })
    }

    /// Kills all of them (TERM, and KILL after 5 s), whoever else holds a clone; no others can be started. Blocks until then.
    pub fn kill_all(&self) {
        self.0.kill_all();
    }
}

/// Runs a program until it exits, and calls `waiting` ten times a second with the time since its start. Blocks.
///
/// # Errors
/// The process cannot be started.
pub fn run_to_end(launch: &Launch, waiting: &mut dyn FnMut(Duration)) -> Result<Exit> {
    let children = Children::start()?;
    let child = children.spawn(launch)?;
    let start = Instant::now();
    loop {
        if let Some(ended) = child.ended() {
            return Ok(ended);
        }
        waiting(start.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn command(launch: &Launch) -> Result<Command> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&launch.log)
        .with_context(|| format!("cannot write the log {}", launch.log.display()))?;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", WAIT_THEN_EXEC, &launch.name])
        .arg(&launch.program)
        .args(&launch.args);
    if launch.only_env {
        command.env_clear();
    }
    command.envs(launch.env.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &launch.folder {
        command.current_dir(folder);
    }
    let errors = log.try_clone().context("cannot share a log file")?;
    command
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        .process_group(0);
    Ok(command)
}

/// Waits for the leader of a group, kills what it left behind, and publishes how it exited.
fn reap(
    mut process: process::Child,
    group: i32,
    watchdog: &Weak<Watchdog>,
    sender: &watch::Sender<Option<Exit>>,
) {
    let status = process.wait();
    // A leader that exits leaves no children behind, as with a container.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    if let Some(watchdog) = watchdog.upgrade() {
        let _ = watchdog.send("forget", group);
    }
    sender.send_replace(Some(status.map_or(Exit { code: -1 }, Exit::from_status)));
}

impl Watchdog {
    fn send(&self, word: &str, group: i32) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = pipe.as_mut().context("the watchdog has no pipe")?;
        pipe.write_all(format!("{word} {group}\n").as_bytes())
            .context("the watchdog of our child processes is gone")
    }

    /// Closes the pipe, and waits until the shell has killed every group that is left. Idempotent.
    fn kill_all(&self) {
        drop(
            self.pipe
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let _ = self
            .shell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// How a child exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; 128 + signal if a signal ended it.
    pub code: i32,
}

impl Exit {
    fn from_status(status: process::ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        Self {
            code: code.unwrap_or(-1),
        }
    }
}

/// A child process, running or not.
#[derive(Debug, Clone)]
pub struct Child {
    name: String,
    log: PathBuf,
    group: i32,
    ended: watch::Receiver<Option<Exit>>,
}

impl Child {
    /// The process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.group
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it exited, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Exit> {
        *self.ended.borrow()
    }

    /// Waits until it exits.
    pub async fn wait(&self) -> Exit {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(Exit { code: -1 }),
            Err(_) => Exit { code: -1 },
        }
    }

    /// Sends a signal to its group.
    pub fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            let _ = killpg(Pid::from_raw(self.group), signal);
        }
    }

    /// Pauses it (SIGSTOP), like a machine that hangs, until [`Child::resume`].
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Resumes it after [`Child::pause`].
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Stops it: TERM, and KILL after the grace period.
    pub async fn stop(&self, grace: Duration) -> Exit {
        self.signal(Signal::SIGTERM);
        if let Ok(end) = tokio::time::timeout(grace, self.wait()).await {
            return end;
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    /// An error that says how it exited, with the end of its log.
    #[must_use]
    pub fn failure(&self) -> anyhow::Error {
        let tail = tail(&self.log, 5);
        let code = self.ended().map_or_else(
            || "is running".to_owned(),
            |end| format!("exited with code {}", end.code),
        );
        anyhow::anyhow!(
            "{} {code}; its log {} ends with:\n{tail}",
            self.name,
            self.log.display()
        )
    }
}

/// The last lines of a file.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.iter()
        .skip(from)
        .map(|line| format!("  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests;
