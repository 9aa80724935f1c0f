//! The program `namesake-sandbox`: one function per subcommand, and how it is stopped.

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use nix::unistd::getppid;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ControlPlane, WorkFolder,
    cli::{
        args::{Cli, Command, ControlPlaneArgs, SandboxArgs},
        demo::laptop::Laptop,
        output::{print, say},
    },
    kubernetes::{
        argo::ArgoPrograms,
        users::{ADMIN, ALICE, BOB},
    },
    programs::{
        google_schema::GoogleSchema, helm, kubernetes::versions, promtool, tofu::TofuPrograms,
    },
    sandbox::{self, Options, Sandbox},
};

pub mod args;
pub mod demo;
pub mod instructions;
pub mod output;

/// Runs a subcommand until it completes or is stopped. Exit codes: 0 success, 1 failure, 130 stopped.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = runtime.block_on(async {
        match &cli.command {
            Command::Demo(args) => {
                with_folder(args.keep, async |folder| {
                    demo::run(folder, options(args)?).await
                })
                .await
            }
            Command::Up(args) => {
                with_folder(args.keep, async |folder| stay_up(folder, args).await).await
            }
            Command::ControlPlane(args) => {
                with_folder(args.keep, async |folder| control_plane(folder, args).await).await
            }
            Command::Build(args) => match args.kubernetes.clone() {
                Some(version) => build_version(version).await,
                None => build().await,
            },
        }
    });
    // An interrupted build may still run in a thread that nothing waits for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn build() -> ExitCode {
    let built = tokio::task::spawn_blocking(|| {
        let (binaries, python) = sandbox::prepare(say)?;
        // Only the tests use Argo, OpenTofu, promtool and Helm.
        let argo = ArgoPrograms::find_or_build(&mut |line| say(line))?;
        let tofu = TofuPrograms::find_or_build(&mut |line| say(line))?;
        GoogleSchema::find_or_derive(&mut |line| say(line))?;
        promtool::find_or_build(&mut |line| say(line))?;
        helm::find_or_build(&mut |line| say(line))?;
        anyhow::Ok((binaries, argo, tofu, python))
    });
    match built.await.context("the build was interrupted") {
        Ok(Ok((binaries, argo, tofu, python))) => {
            say(&format!(
                "built: {}, {}, {} and {}",
                binaries.folder().display(),
                argo.controller().display(),
                tofu.tofu().display(),
                python.bin().display()
            ));
            ExitCode::SUCCESS
        }
        Ok(Err(error)) | Err(error) => failed(&error),
    }
}

async fn build_version(version: String) -> ExitCode {
    let built = tokio::task::spawn_blocking(move || {
        versions::find_or_build(&version, &mut |line| say(line))
    });
    match built.await.context("the build was interrupted") {
        Ok(Ok(binaries)) => {
            say(&format!("built: {}", binaries.folder().display()));
            ExitCode::SUCCESS
        }
        Ok(Err(error)) | Err(error) => failed(&error),
    }
}

/// Runs `work` in a new work folder until it completes or a stop is requested; keeps the folder, and prints its path, on failure.
async fn with_folder(keep: bool, work: impl AsyncFnOnce(&WorkFolder) -> Result<bool>) -> ExitCode {
    let folder = match WorkFolder::create() {
        Ok(folder) => folder,
        Err(error) => return failed(&error),
    };
    let outcome = tokio::select! {
        outcome = work(&folder) => Some(outcome),
        reason = stop_requested() => {
            say(&format!("stopping: {reason}"));
            None
        }
    };
    let code = match &outcome {
        Some(Ok(true)) | None => None,
        Some(Ok(false)) => Some(ExitCode::FAILURE),
        Some(Err(error)) => Some(failed(error)),
    };
    if keep || code.is_some() {
        folder.keep();
        print(&format!("logs are kept in {}", folder.logs().display()));
    }
    code.unwrap_or(if outcome.is_none() {
        ExitCode::from(130)
    } else {
        ExitCode::SUCCESS
    })
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
    ExitCode::FAILURE
}

/// Waits for a signal to stop, or until the process that started this one is gone.
async fn stop_requested() -> &'static str {
    let parent = getppid();
    let orphaned = async {
        while getppid() == parent {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let received = async |kind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = received(SignalKind::interrupt()) => "interrupted",
        () = received(SignalKind::terminate()) => "terminated",
        () = received(SignalKind::hangup()) => "the terminal was closed",
        () = orphaned => "the process that started this one has exited",
    }
}

fn options(args: &SandboxArgs) -> Result<Options> {
    Ok(Options {
        propagation: args.propagation,
        images: sandbox::workspace_images()?,
    })
}

async fn stay_up(folder: &WorkFolder, args: &SandboxArgs) -> Result<bool> {
    let sandbox = Sandbox::start(folder, options(args)?, say).await?;
    let laptops = [
        Laptop::open(&sandbox, folder, ALICE, ALICE).await?,
        Laptop::open(&sandbox, folder, BOB, BOB).await?,
    ];
    try_join_all(laptops.iter().map(|laptop| laptop.log_in(&sandbox))).await?;
    say("up");
    print(&instructions::instructions(&sandbox, folder, &laptops)?);
    std::future::pending().await
}

async fn control_plane(folder: &WorkFolder, args: &ControlPlaneArgs) -> Result<bool> {
    let control_plane = ControlPlane::start(folder).await?;
    let env = format!(
        "export KUBECONFIG={}\nexport PATH={}:$PATH",
        control_plane.kubeconfig(ADMIN).display(),
        control_plane.binaries().folder().display()
    );
    if args.print_env {
        print(&env);
    } else {
        say(&format!(
            "the API server listens at {}; kubeconfigs are in {}",
            control_plane.server(),
            folder.kubeconfigs().display()
        ));
        print(&format!("\n{env}\n\nPress Ctrl-C to stop it."));
    }
    std::future::pending().await
}
