//! The examples of `docs/endpoints.md` as Envoy reads them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use namesake_api::names;
use namesake_sandbox::{
    gateway::Keys,
    host::{children::Launch, work_folder::workspace_root},
    programs::gateway::GatewayPrograms,
};
use serde_json::Value;
use tempfile::tempdir;

#[tokio::test]
async fn envoy_accepts_the_configuration_of_every_example_without_a_warning() -> Result<()> {
    let programs =
        tokio::task::spawn_blocking(|| GatewayPrograms::find_or_install(&mut |_| ())).await??;
    let testdata = workspace_root().join("gateway/testdata");
    for example in fs::read_dir(testdata)? {
        let example = example?.path();
        let text = fs::read_to_string(example.join("envoy.json"))?;
        let files: BTreeMap<String, Value> = serde_json::from_str(&text)?;
        let folder = tempdir()?;
        let place = folder.path().display().to_string();
        Keys::generate(folder.path())?;
        for (name, content) in &files {
            let content = content
                .to_string()
                .replace(names::GATEWAY_ENVOY_FOLDER, &place)
                .replace(names::GATEWAY_TLS_FOLDER, &format!("{place}/tls"))
                .replace(names::GATEWAY_LOGIN_FOLDER, &format!("{place}/login"))
                .replace(names::ISSUER_CA_FILE, &format!("{place}/ca.crt"));
            fs::write(folder.path().join(name), content)?;
        }
        let config = format!("{place}/{}", names::ENVOY_CONFIG_FILE);
        let args = [
            "--mode",
            "validate",
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--config-path",
            &config,
        ];
        let launch = Launch::new(
            "validate",
            &programs.envoy,
            args.map(str::to_owned).into(),
            folder.path(),
        );
        let children = namesake_sandbox::host::children::Children::start()?;
        let child = children.spawn(&launch)?;
        let exit = child.wait().await;
        let log = fs::read_to_string(child.log()).context("no log")?;
        ensure!(
            exit.code == 0 && !log.contains("[warning]"),
            "{}: {log}",
            example.display()
        );
    }
    Ok(())
}
