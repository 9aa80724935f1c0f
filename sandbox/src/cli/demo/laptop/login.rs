//! The person's login: the client package's own command, and the form that the person fills in at the provider.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::Laptop;
use crate::{Sandbox, host::children::Child, host::work_folder::workspace_root};

/// Logging in takes about 6 s: the program asks the provider every 5 s whether the person has entered the code.
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

impl Laptop {
    /// Logs the person in: `python -m metaflow_namesake login`, with the code entered at the provider.
    ///
    /// # Errors
    /// The provider or the gateway refuses: the message has what the command said.
    pub async fn log_in(&self, sandbox: &Sandbox) -> Result<()> {
        let name = format!("login-{}", self.name());
        let program = self.start(sandbox, &name, &["-m", "metaflow_namesake", "login"])?;
        let address = shown_address(&program).await?;
        let script = workspace_root().join("sandbox/oidc/enter_code.py");
        let args = [&script.display().to_string(), &address, self.name()];
        let form = self.start(sandbox, &format!("{name}-form"), &args)?;
        for process in [form, program] {
            let ended = tokio::time::timeout(LIMIT, process.wait()).await;
            if ended.is_err() || ended.is_ok_and(|exit| exit.code != 0) {
                return Err(process.failure()).context(format!("{} cannot log in", self.person));
            }
        }
        Ok(())
    }
}

/// The address with the code, which the program prints.
async fn shown_address(program: &Child) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let text = fs::read_to_string(program.log()).unwrap_or_default();
        if let Some(address) = address_in(&text) {
            return Ok(address.to_owned());
        }
        if program.ended().is_some() {
            return Err(program.failure());
        }
        if Instant::now() > deadline {
            bail!("the login shows no address within {} s", LIMIT.as_secs());
        }
        sleep(POLL).await;
    }
}

fn address_in(text: &str) -> Option<&str> {
    text.split_once("Open ")?
        .1
        .split_once(" in a browser")
        .map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_complete() {
        let line = "Open http://127.0.0.1:1/device?user_code=A-B in a browser, and check that it shows the code A-B.";
        assert_eq!(
            address_in(line),
            Some("http://127.0.0.1:1/device?user_code=A-B")
        );
        assert_eq!(address_in("Open http://127.0.0.1:1/dev"), None);
    }
}
