//! A real browser, headless, that does a few steps and says what it saw.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    WorkFolder,
    host::children::{Children, Launch},
    programs::gateway::GatewayPrograms,
};

/// What the browser shows at the end.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// Its address.
    pub url: String,
    /// The page's title.
    pub title: String,
    /// The page's text.
    pub text: String,
    /// All cookies.
    pub cookies: Vec<Cookie>,
    /// What each `fetch`, `socket`, `hold` and `text` gave, in order.
    pub seen: Vec<Value>,
}

/// A cookie.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The host that set it.
    pub domain: String,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// What other sites' requests may carry it.
    pub same_site: String,
}

/// Does the steps that `sandbox/oidc/browser.mjs` describes, and saves screenshots in a folder.
///
/// # Errors
/// A step fails: the message names it.
pub async fn browse(
    children: &Children,
    programs: &GatewayPrograms,
    folder: &WorkFolder,
    screenshots: &Path,
    steps: &[Value],
) -> Result<Seen> {
    std::fs::create_dir_all(screenshots)?;
    let script = programs.script("browser.mjs")?.display().to_string();
    let settings = json!({"screenshots": screenshots, "steps": steps}).to_string();
    let number = std::fs::read_dir(folder.logs())?.count();
    let mut launch = Launch::new(
        &format!("browser-{number}"),
        &programs.node.program,
        vec![script, settings],
        &folder.logs(),
    );
    // Where it unpacks itself.
    let temporary = programs.node.folder.join("tmp");
    std::fs::create_dir_all(&temporary)?;
    launch.env = vec![("TMPDIR".to_owned(), temporary.display().to_string())];
    let child = children.spawn(&launch)?;
    if child.wait().await.code != 0 {
        return Err(child.failure());
    }
    let output = std::fs::read_to_string(child.log())?;
    let Some(last) = output.lines().last() else {
        bail!("the browser said nothing");
    };
    serde_json::from_str(last).with_context(|| format!("the browser said {last:?}"))
}

/// The steps of a login at the provider, from an address of a host that asks for one.
#[must_use]
pub fn log_in(address: &str, account: &str, back_at: &str) -> Vec<Value> {
    vec![
        json!({"goto": address}),
        json!({"fill": ["input[name=login]", account]}),
        json!({"fill": ["input[name=password]", account]}),
        json!({"click": "button"}),
        json!({"wait": back_at}),
    ]
}
