//! Stock Metaflow at a gateway, with the client package and a command that prints tokens of the provider.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use namesake_sandbox::{
    gateway::CLI_CLIENT, host::work_folder::workspace_root, programs::python::Python,
};
use tempfile::TempDir;
use tokio::process::Command;

use super::Endpoints;

/// Prints a token that lives for six seconds, and writes down that it did.
const TOKEN: &str = r#"
import json, pathlib, sys, time, urllib.request
issuer, client, name = sys.argv[1:]
now = int(time.time())
claims = {"iss": issuer, "aud": client, "sub": name, "email": name + "@acme.com", "email_verified": True, "iat": now, "exp": now + 6}
body = json.dumps({"header": {}, "claims": claims}).encode()
print(urllib.request.urlopen(issuer + "/sandbox/sign", body, timeout=10).read().decode())
with pathlib.Path(__file__).with_name("printed").open("a") as file:
    file.write("token\n")
"#;
/// The longest run, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(240);

/// A laptop, whose user says with METAFLOW_USER that they are mallory.
pub struct Laptop {
    python: Python,
    home: TempDir,
    env: Vec<(String, String)>,
}

/// What a command printed, and whether it succeeded.
#[derive(Debug)]
pub struct Done {
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output and standard error, with all white space as single spaces.
    pub text: String,
}

impl Laptop {
    /// Sets up the laptop of `<name>@acme.com`, with this flow in `flow.py`.
    ///
    /// # Errors
    /// A file cannot be written, or Metaflow cannot be installed.
    pub async fn open(endpoints: &Endpoints, name: &str, flow: &str) -> Result<Self> {
        let install = || Python::find_or_install(&mut |line| tracing::info!("{line}"));
        let python = tokio::task::spawn_blocking(install).await??;
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join("flow.py"), flow)?;
        let script = home.path().join("print_token.py");
        std::fs::write(&script, TOKEN)?;
        let text = |path: &Path| path.display().to_string();
        let issuer = endpoints.gateway.provider.url();
        let command = format!(
            "{} {} {issuer} {CLI_CLIENT} {name}",
            text(&python.program()),
            text(&script)
        );
        let env = [
            ("HOME", text(home.path())),
            (
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", text(&python.bin())),
            ),
            ("LANG", "C.UTF-8".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("PYTHONPATH", text(&workspace_root().join("client/src"))),
            ("METAFLOW_USER", "mallory@acme.com".to_owned()),
            ("METAFLOW_DEFAULT_METADATA", "service".to_owned()),
            ("METAFLOW_SERVICE_URL", endpoints.gateway.api()),
            ("METAFLOW_NAMESAKE_TOKEN_COMMAND", command),
            ("REQUESTS_CA_BUNDLE", text(endpoints.gateway.authority())),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(Self { python, home, env })
    }

    /// Removes a variable.
    pub fn without(&mut self, variable: &str) {
        self.env.retain(|(name, _)| name != variable);
    }

    /// The variables.
    #[must_use]
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Runs `python flow.py …`.
    ///
    /// # Errors
    /// It cannot be started, or does not finish.
    pub async fn flow(&self, args: &[&str]) -> Result<Done> {
        let mut command = Command::new(self.python.program());
        let env = self.env.iter().map(|(name, value)| (name, value));
        command
            .arg("flow.py")
            .args(args)
            .current_dir(self.home.path());
        let output = command
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(TIMEOUT, output)
            .await
            .context("the flow did not finish")??;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok(Done {
            success: output.status.success(),
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// How many tokens were printed.
    #[must_use]
    pub fn printed_tokens(&self) -> usize {
        let printed = std::fs::read_to_string(self.home.path().join("printed"));
        printed.unwrap_or_default().lines().count()
    }
}
