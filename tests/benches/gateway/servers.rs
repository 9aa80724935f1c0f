//! The servers that are compared: the metadata service alone, Envoy before it with nothing, with its check of tokens, and the whole
//! gateway.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use namesake_api::names::{ENVOY_CONFIG_FILE, GATEWAY_HEALTH_PATH, READY_PATH};
use namesake_sandbox::WorkFolder;
use namesake_sandbox::cli::output::say;
use namesake_sandbox::gateway::{CLI_CLIENT, Gateway, Options};
use namesake_sandbox::host::children::{Child, Children, Launch};
use namesake_sandbox::host::ports;
use rustls::ClientConfig;
use serde_json::{Value, json};

use super::api_server;
use super::load::{self, Call, Target};
use super::process::Process;
use super::size::Size;

/// The filters of the rendered configuration that log people in, check tokens, and ask the authorizer.
const LOGIN: &str = "login";
const TOKENS: &str = "tokens";
const AUTHORIZER: &str = "authorize";
/// The user of all requests.
const USER: &str = "user-1@acme.com";
/// How long a program may take to start.
const START: Duration = Duration::from_secs(60);

/// A server, and the processes that serve a request to it beside the metadata service.
pub(crate) struct Server {
    /// What it is.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) target: Target,
    /// Its Envoy; `None` for the metadata service alone.
    pub(crate) envoy: Option<Process>,
}

/// All servers, running.
pub(crate) struct Servers {
    /// From the metadata service alone to the whole gateway.
    pub(crate) all: Vec<Server>,
    /// The authorizer.
    pub(crate) authorizer: Process,
    /// A request that changes a run of the user.
    pub(crate) heartbeat: Call,
    _processes: Vec<Child>,
    _gateway: Gateway,
}

impl Servers {
    /// Starts all of them.
    ///
    /// # Errors
    /// One does not start: the message has the end of its log.
    pub(crate) async fn start(
        folder: &WorkFolder,
        children: &Children,
        size: &Size,
    ) -> anyhow::Result<Self> {
        let program = program()?;
        let mut options = Options::new(&program);
        options.token_lifetime = Duration::from_secs(3_600);
        options.render = [
            "--max-requests",
            "1000000",
            "--max-connection-requests",
            "1000000",
        ]
        .map(str::to_owned)
        .into();
        let gateway = Gateway::start(children, folder, &options, say).await?;
        say(&format!(
            "starting the authorizer with {} identities",
            size.identities
        ));
        let authorizer = authorizer(&gateway, folder, children, &program, size).await?;
        let token: Arc<str> = token(&gateway).await?.into();
        let tls = load::tls(gateway.authority())?;
        let service: reqwest::Url = gateway.service.url().parse()?;
        let at = |port: u16, tls: Option<Arc<ClientConfig>>| Target {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            tls,
            token: token.clone(),
        };
        let port = service.port().context("no port")?;
        let mut all = vec![Server {
            name: "metadata service alone",
            target: at(port, None),
            envoy: None,
        }];
        let (envoys, mut processes) = other_envoys(&gateway, folder, children, &at, &tls).await?;
        all.extend(envoys);
        all.push(Server {
            name: "the gateway",
            target: at(gateway.envoy.port(), Some(tls)),
            envoy: Some(process_of(gateway.envoy.process())?),
        });
        let heartbeat = create_run(&all).await?;
        let authorizer_process = process_of(&authorizer)?;
        processes.push(authorizer);
        Ok(Self {
            all,
            authorizer: authorizer_process,
            heartbeat,
            _gateway: gateway,
            _processes: processes,
        })
    }
}

/// The release build, in the folder of this program's folder.
fn program() -> anyhow::Result<PathBuf> {
    let bench = std::env::current_exe()?;
    let folder = bench.parent().and_then(Path::parent);
    let program = folder.context("no folder")?.join("namesake-gateway");
    ensure!(
        program.is_file(),
        "{} is not built: run make bench",
        program.display()
    );
    Ok(program)
}

fn process_of(child: &Child) -> anyhow::Result<Process> {
    Ok(Process::of(child.pid().try_into()?))
}

/// Starts the authorizer against an API server with many identities, and waits until it has read them.
async fn authorizer(
    gateway: &Gateway,
    folder: &WorkFolder,
    children: &Children,
    program: &Path,
    size: &Size,
) -> anyhow::Result<Child> {
    let url = api_server::start(size.identities).await?;
    let kubeconfig = folder.path().join("bench.kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "users": [{"name": "bench", "user": {}}],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    let metrics = format!("127.0.0.1:{}", ports::free()?);
    let text = |path: &Path| path.display().to_string();
    let args = [
        "serve",
        "--config",
        &text(gateway.config()),
        "--socket",
        &text(gateway.socket()),
        "--metrics-listen",
        &metrics,
    ];
    let args = args.map(str::to_owned).into();
    let mut launch = Launch::new("authorizer", program, args, &folder.logs());
    launch.env = vec![("KUBECONFIG".to_owned(), text(&kubeconfig))];
    let process = children.spawn(&launch)?;
    let ready = format!("http://{metrics}{READY_PATH}");
    wait(&ready, &process).await?;
    Ok(process)
}

async fn wait(url: &str, process: &Child) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let deadline = tokio::time::Instant::now() + START;
    loop {
        let answer = client.get(url).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if process.ended().is_some() || tokio::time::Instant::now() > deadline {
            return Err(process.failure());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An Envoy without authorization, and one that also checks tokens.
async fn other_envoys(
    gateway: &Gateway,
    folder: &WorkFolder,
    children: &Children,
    at: &impl Fn(u16, Option<Arc<ClientConfig>>) -> Target,
    tls: &Arc<ClientConfig>,
) -> anyhow::Result<(Vec<Server>, Vec<Child>)> {
    let (mut servers, mut processes) = (Vec::new(), Vec::new());
    for (name, without) in [
        (
            "Envoy without authorization",
            &[LOGIN, TOKENS, AUTHORIZER][..],
        ),
        ("Envoy with its check of tokens", &[AUTHORIZER][..]),
    ] {
        let (port, process) = envoy_without(gateway, folder, children, without).await?;
        servers.push(Server {
            name,
            target: at(port, Some(tls.clone())),
            envoy: Some(process_of(&process)?),
        });
        processes.push(process);
    }
    Ok((servers, processes))
}

/// Starts an Envoy with the gateway's configuration, but without these filters. Returns its port.
async fn envoy_without(
    gateway: &Gateway,
    folder: &WorkFolder,
    children: &Children,
    without: &[&str],
) -> anyhow::Result<(u16, Child)> {
    let rendered = folder
        .path()
        .join("gateway")
        .join("envoy")
        .join(ENVOY_CONFIG_FILE);
    let mut config: Value = serde_json::from_slice(&std::fs::read(rendered)?)?;
    let (port, health) = (ports::free()?, ports::free()?);
    let listeners = &mut config["static_resources"]["listeners"];
    listeners[0]["address"]["socket_address"]["port_value"] = port.into();
    listeners[1]["address"]["socket_address"]["port_value"] = health.into();
    let manager = &mut listeners[0]["filter_chains"][0]["filters"][0]["typed_config"];
    let is_kept = |name: &Value| name.as_str().is_some_and(|name| !without.contains(&name));
    let filters = manager["http_filters"]
        .as_array_mut()
        .context("no filters")?;
    let before = filters.len();
    filters.retain(|filter| is_kept(&filter["name"]));
    ensure!(
        filters.len() + without.len() == before,
        "a filter of {without:?} has another name"
    );
    let hosts = manager["route_config"]["virtual_hosts"].as_array_mut();
    for host in hosts.context("no hosts")? {
        if let Some(settings) = host["typed_per_filter_config"].as_object_mut() {
            settings.retain(|name, _| !without.contains(&name.as_str()));
        }
    }
    let name = format!("envoy-{port}");
    let path = folder.path().join(format!("{name}.json"));
    std::fs::write(&path, config.to_string())?;
    let path = path.display().to_string();
    let args = [
        "--config-path",
        &path,
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ];
    let launch = Launch::new(
        &name,
        &gateway.programs.envoy,
        args.map(str::to_owned).into(),
        &folder.logs(),
    );
    let process = children.spawn(&launch)?;
    let url = format!("http://127.0.0.1:{health}{GATEWAY_HEALTH_PATH}");
    wait(&url, &process).await?;
    Ok((port, process))
}

/// A token of the user from the provider.
async fn token(gateway: &Gateway) -> anyhow::Result<String> {
    let now = Timestamp::now().as_second();
    let claims = json!({"iss": gateway.provider.url(), "aud": CLI_CLIENT, "sub": USER, "email": USER, "email_verified": true,
        "iat": now, "exp": now + 3_600});
    gateway.provider.sign(&json!({}), &claims).await
}

/// Creates a run through the gateway, and returns its heartbeat.
async fn create_run(all: &[Server]) -> anyhow::Result<Call> {
    let service = all.first().context("no service")?;
    let client = reqwest::Client::new();
    let url = format!("http://{}/flows/Bench", service.target.address);
    let body = json!({"user_name": USER, "tags": [], "system_tags": [format!("user:{USER}")]});
    client.post(&url).json(&body).send().await?;
    let run: Value = client
        .post(format!("{url}/run"))
        .json(&body)
        .send()
        .await?
        .json()
        .await?;
    // Metaflow's own service gives a number, others a text.
    let number = match &run["run_number"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => bail!("the metadata service created no run: {run}"),
    };
    Ok(Call {
        method: http::Method::POST,
        path: format!("/flows/Bench/runs/{number}/heartbeat").into(),
        body: "{}",
    })
}
