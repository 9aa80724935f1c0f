//! Child processes that never outlive us, however we end.
//!
//! Each child leads a process group of its own. A small shell reads the names of the groups from a pipe that only we hold
//! open; when the pipe closes (we ended, were killed, or dropped it) it ends every group that is left. A child starts only
//! after the shell knows it: it waits for one line that we write when its group is registered.

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

/// Waits until it may start (end of input: never), then becomes the program.
const GATE: &str = r#"read -r go || exit 125; exec "$@" </dev/null"#;

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// A short name, for messages.
    pub name: String,
    /// The program, absolute or found in PATH.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment added to ours, or all of it with `only_env`.
    pub env: Vec<(String, String)>,
    /// Start from an empty environment.
    pub only_env: bool,
    /// The folder in which it runs; ours without one.
    pub folder: Option<PathBuf>,
    /// The file to which its output is appended.
    pub log: PathBuf,
}

impl Launch {
    /// A program with our environment, whose output goes to `<logs>/<name>.log`.
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

/// The children of one owner. All of them are ended when the last clone is dropped.
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
    /// The log file or the process cannot be made.
    pub fn spawn(&self, launch: &Launch) -> Result<Child> {
        let mut command = command(launch)?;
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {}", launch.name))?;
        let group = i32::try_from(process.id()).context("a process id out of range")?;
        self.0.tell("watch", group)?;
        let released = process
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(b"go\n"));
        if !matches!(released, Some(Ok(()))) {
            let _ = process.kill();
            bail!("cannot start {}: it ended at once", launch.name);
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

    /// Ends all of them now (TERM, and KILL after 5 s) and starts no others, whoever else holds a clone. Blocks until then.
    pub fn end_all(&self) {
        self.0.end();
    }
}

/// Runs a program to its end, which ends with us too, and calls `waiting` ten times a second with the time since its start. Blocks.
///
/// # Errors
/// The process cannot be made.
pub fn run_to_end(launch: &Launch, waiting: &mut dyn FnMut(Duration)) -> Result<Ended> {
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
        .args(["-c", GATE, &launch.name])
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

/// Waits for the leader of a group, ends what it left behind, and tells everybody.
fn reap(
    mut process: process::Child,
    group: i32,
    watchdog: &Weak<Watchdog>,
    sender: &watch::Sender<Option<Ended>>,
) {
    let status = process.wait();
    // A leader that ends leaves no children of its own behind, as the end of a container does.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    if let Some(watchdog) = watchdog.upgrade() {
        let _ = watchdog.tell("forget", group);
    }
    sender.send_replace(Some(status.map_or(Ended { code: -1 }, Ended::from_status)));
}

impl Watchdog {
    fn tell(&self, word: &str, group: i32) -> Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = pipe.as_mut().context("the watchdog has no pipe")?;
        pipe.write_all(format!("{word} {group}\n").as_bytes())
            .context("the watchdog of our child processes is gone")
    }

    /// Closes the pipe, and waits until the shell has ended every group that is left. Idempotent.
    fn end(&self) {
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
        self.end();
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 128 + signal if a signal ended it.
    pub code: i32,
}

impl Ended {
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

/// A running or ended child.
#[derive(Debug, Clone)]
pub struct Child {
    name: String,
    log: PathBuf,
    group: i32,
    ended: watch::Receiver<Option<Ended>>,
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

    /// How it ended, if it did.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Waits until it ends.
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(Ended { code: -1 }),
            Err(_) => Ended { code: -1 },
        }
    }

    /// Sends a signal to its group.
    pub fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            let _ = killpg(Pid::from_raw(self.group), signal);
        }
    }

    /// Stops it where it is, as a machine that hangs does, until [`Child::resume`].
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on where it was stopped.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Ends it in the middle of whatever it is doing.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Ends it: TERM, and KILL after the grace.
    pub async fn stop(&self, grace: Duration) -> Ended {
        self.signal(Signal::SIGTERM);
        if let Ok(end) = tokio::time::timeout(grace, self.wait()).await {
            return end;
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    /// An error that says how it ended, with the end of its log.
    #[must_use]
    pub fn failure(&self) -> anyhow::Error {
        let tail = tail(&self.log, 5);
        let code = self.ended().map_or_else(
            || "is running".to_owned(),
            |end| format!("ended with code {}", end.code),
        );
        anyhow::anyhow!(
            "{} {code}; its log {} ends:\n{tail}",
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
