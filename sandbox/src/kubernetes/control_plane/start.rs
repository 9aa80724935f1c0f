//! Starts the processes of a control plane, on ports that are free.

use std::{fs, path::Path, sync::Mutex};

use anyhow::{Context, Result, bail};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    ControlPlane, FIELD_MANAGER,
    commands::{self, Ports},
    keys::Keys,
    namespaces::is_prepared,
    processes::Process,
};
use crate::{
    WorkFolder,
    host::{
        children::{Children, Launch},
        ports,
    },
    kubernetes::users::{ADMIN, Users},
    programs::{
        Program,
        kubernetes::{Binaries, ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER},
    },
};

const START_TRIES: u32 = 5;

impl ControlPlane {
    /// Starts it with these programs and with ports from `next_ports`. It tries again if a port is taken in between.
    pub(super) async fn start_with(
        folder: &WorkFolder,
        binaries: Binaries,
        issuer: &str,
        next_ports: &mut dyn FnMut() -> Result<Ports>,
    ) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys = Keys::generate(&folder.keys())?;
        let users = Users::generate()?;
        users.write_token_file(&folder.keys().join("tokens.csv"))?;
        for (name, text) in [
            ("audit-policy.yaml", commands::AUDIT_POLICY),
            ("tracing.yaml", commands::TRACING),
        ] {
            let path = folder.keys().join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        for attempt in 1.. {
            let error =
                match Self::start_once(folder, &binaries, &keys, &users, issuer, next_ports()?)
                    .await
                {
                    Ok(started) => return Ok(started),
                    Err(error) => error,
                };
            if attempt == START_TRIES || !port_was_taken(&folder.logs()) {
                folder.keep();
                return Err(error);
            }
            tracing::info!(
                attempt,
                "a port was taken in between: starting the control plane again with others"
            );
            for log in ["etcd.log", "kube-apiserver.log"] {
                let _ = fs::rename(
                    folder.logs().join(log),
                    folder.logs().join(format!("attempt-{attempt}-{log}")),
                );
            }
            let _ = fs::remove_dir_all(folder.data().join("etcd"));
        }
        bail!("the control plane was not started")
    }

    async fn start_once(
        folder: &WorkFolder,
        binaries: &Binaries,
        keys: &Keys,
        users: &Users,
        issuer: &str,
        ports: Ports,
    ) -> Result<Self> {
        let server = format!("https://127.0.0.1:{}", ports.api);
        users.write_kubeconfigs(&folder.kubeconfigs(), &server, &keys.ca_pem)?;
        let children = Children::start()?;
        let launch = |program: Program, args| {
            let path = binaries.path(program);
            let launch = Launch::new(program.name, &path, args, &folder.logs());
            let child = children.spawn(&launch)?;
            anyhow::Ok(Process { launch, child })
        };
        let etcd = launch(ETCD, commands::etcd(ports, folder))?;
        let api_server = launch(
            KUBE_APISERVER,
            commands::api_server(ports, folder, keys, issuer, binaries.minor_version()),
        )?;
        let started = Self {
            server,
            etcd: commands::url(ports.etcd),
            ca_pem: keys.ca_pem.clone(),
            kubeconfigs: folder.kubeconfigs(),
            audit_log: folder.logs().join("audit.log"),
            binaries: binaries.clone(),
            processes: Mutex::new(vec![api_server, etcd]),
            children: children.clone(),
        };
        started.answers().await?;
        let admin = started.client(ADMIN).await?;
        // Started only when the API server answers: it would wait longer before it tries again.
        let manager = launch(
            KUBE_CONTROLLER_MANAGER,
            commands::controller_manager(folder, keys),
        )?;
        started.processes().insert(0, manager);
        started
            .until("create the default service account", || {
                is_prepared(&admin, "default")
            })
            .await?;
        grant_metadata_server(&admin).await?;
        Ok(started)
    }
}

/// GKE's metadata server, on the node, requests tokens whose audience is the workload pool, which no pod names: the API server
/// allows a node that only if it is granted. It also reads which Google account a service account is linked to.
async fn grant_metadata_server(client: &Client) -> Result<()> {
    let name = "sandbox:metadata-server";
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [
            {"apiGroups": [""], "resources": [crate::WORKLOAD_POOL], "verbs": ["request-serviceaccounts-token-audience"]},
            {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:nodes"}],
    });
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    Api::<k8s_openapi::api::rbac::v1::ClusterRole>::all(client.clone())
        .patch(name, &apply, &Patch::Apply(&role))
        .await?;
    Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(client.clone())
        .patch(name, &apply, &Patch::Apply(&binding))
        .await?;
    Ok(())
}

pub(super) fn random_ports() -> Result<Ports> {
    Ok(Ports {
        etcd: ports::free()?,
        etcd_peer: ports::free()?,
        api: ports::free()?,
    })
}

fn port_was_taken(logs: &Path) -> bool {
    ["etcd.log", "kube-apiserver.log"].iter().any(|log| {
        fs::read(logs.join(log))
            .is_ok_and(|text| String::from_utf8_lossy(&text).contains("address already in use"))
    })
}
