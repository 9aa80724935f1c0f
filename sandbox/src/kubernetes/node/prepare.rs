//! Everything that a pod needs before its containers start: Secrets and ConfigMaps, volumes, tokens, environment, command lines.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Container, Pod, Secret},
};
use kube::Api;

use super::{
    Context,
    env::{self, Sources},
    exec::log_file,
    isolation::{Isolation, View},
    metadata,
    mounts::Mounts,
    run::{Plan, Restart},
    tokens::PodIdentity,
    volumes::{self, TokenFile},
};
use crate::{
    google::metadata::MetadataServer, host::children::Launch, kubernetes::users::write_private,
};

/// Everything that a pod needs to run.
pub(super) struct Prepared {
    pub(super) init: Vec<Plan>,
    pub(super) plans: Vec<Plan>,
    /// Runs until it is dropped.
    pub(super) _metadata: Option<MetadataServer>,
    /// Token files, and when each has to be renewed.
    pub(super) tokens: Vec<(TokenFile, Duration)>,
}

/// Prepares one pod in its folder.
pub(super) struct Preparation<'a> {
    pub(super) context: &'a Context,
    pub(super) pod: &'a Pod,
    pub(super) identity: &'a PodIdentity,
    pub(super) folder: &'a Path,
}

impl Preparation<'_> {
    pub(super) async fn prepare(&self) -> Result<Prepared> {
        let sources = self.sources().await?;
        let volumes = self.folder.join("volumes");
        let mut tokens = Vec::new();
        for file in volumes::write(self.pod, &sources, &volumes)? {
            let due = file.write(&self.context.node, self.identity).await?;
            tokens.push((file, due));
        }
        let server = match &self.context.options.google {
            Some(google) => Some(metadata::serve(google, &self.context.node, self.identity).await?),
            None => None,
        };
        let metadata_env = server.as_ref().map(MetadataServer::env).unwrap_or_default();
        let spec = self.pod.spec.as_ref().context("a pod without a spec")?;
        let policy = Restart::parse(spec.restart_policy.as_deref());
        let again = if policy == Restart::Never {
            Restart::Never
        } else {
            Restart::OnFailure
        };
        let isolation = self.isolation()?;
        let plan = |containers: &[Container], is_init: bool| -> Result<Vec<Plan>> {
            let plans = containers.iter().enumerate().map(|(index, container)| {
                let launch = self.launch(container, &sources, &metadata_env, isolation)?;
                let restart = if is_init { again } else { policy };
                Ok(Plan {
                    index,
                    is_init,
                    container: container.clone(),
                    launch,
                    restart,
                    isolation,
                })
            });
            plans.collect()
        };
        let init = plan(spec.init_containers.as_deref().unwrap_or_default(), true)?;
        Ok(Prepared {
            init,
            plans: plan(&spec.containers, false)?,
            tokens,
            _metadata: server,
        })
    }

    /// Reads what the pod refers to, as the node: one by one, because a node is not allowed to list.
    async fn sources(&self) -> Result<Sources> {
        let (secrets, maps) = volumes::references(self.pod);
        let mut sources = Sources::default();
        let values = |data: Option<BTreeMap<String, ByteString>>| {
            data.into_iter()
                .flatten()
                .map(|(key, value)| (key, value.0))
        };
        for name in secrets {
            let api =
                Api::<Secret>::namespaced(self.context.node.clone(), &self.identity.namespace);
            if let Some(secret) = api
                .get_opt(&name)
                .await
                .with_context(|| format!("cannot read Secret {name:?}"))?
            {
                sources.secrets.insert(name, values(secret.data).collect());
            }
        }
        for name in maps {
            let api =
                Api::<ConfigMap>::namespaced(self.context.node.clone(), &self.identity.namespace);
            if let Some(map) = api
                .get_opt(&name)
                .await
                .with_context(|| format!("cannot read ConfigMap {name:?}"))?
            {
                let text = map
                    .data
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| (key, value.into_bytes()));
                sources
                    .config_maps
                    .insert(name, text.chain(values(map.binary_data)).collect());
            }
        }
        Ok(sources)
    }

    /// How this pod gets its own namespaces, if it needs them.
    fn isolation(&self) -> Result<Option<Isolation>> {
        if !self.context.options.is_isolated(self.pod) {
            return Ok(None);
        }
        let isolation = self.context.isolation.as_ref();
        let isolation = isolation.context("isolation was not probed")?;
        isolation.clone().map(Some).map_err(anyhow::Error::msg)
    }

    fn launch(
        &self,
        container: &Container,
        sources: &Sources,
        metadata_env: &[(String, String)],
        isolation: Option<Isolation>,
    ) -> Result<Launch> {
        let mounts = Mounts::of(container, &self.folder.join("volumes"));
        let home = self.folder.join(&container.name);
        let (work, temporary) = (home.join("work"), home.join("tmp"));
        for made in [&work, &temporary] {
            fs::create_dir_all(made)
                .with_context(|| format!("cannot create {}", made.display()))?;
        }
        let mut node_env = self.context.node_env(&home, &temporary);
        node_env.extend_from_slice(metadata_env);
        let rewrite = |text: &str| match isolation {
            None => mounts.rewrite(text),
            Some(_) => text.to_owned(),
        };
        if isolation.is_some() {
            // There it has its own /tmp, and finds the API server by the files of its service account.
            node_env.retain(|(name, _)| name != "TMPDIR");
        } else if let Some(account) = mounts.folder("/var/run/secrets/kubernetes.io/serviceaccount")
        {
            node_env.push((
                "KUBECONFIG".into(),
                self.kubeconfig(account, &home)?.display().to_string(),
            ));
        }
        let image = container.image.as_deref().unwrap_or_default();
        let ours = self.context.options.program(image);
        if let (Some(_), Some(folder)) = (isolation, ours.and_then(Path::parent)) {
            // An image has its program in PATH.
            for (_, path) in node_env.iter_mut().filter(|(name, _)| name == "PATH") {
                *path = format!("{}:{path}", folder.display());
            }
        }
        let env = env::environment(self.pod, container, sources, &node_env)?;
        let (program, args) =
            command_line(container, ours, &|word| rewrite(&env::expand(word, &env)))?;
        let (namespace, pod) = (&self.identity.namespace, &self.identity.pod);
        let key = (namespace.clone(), pod.clone(), container.name.clone());
        let log = log_file(&self.context.logs, &key);
        let launch = Launch {
            name: container.name.clone(),
            program,
            args,
            env: env
                .iter()
                .map(|(name, value)| (name.clone(), rewrite(value)))
                .collect(),
            only_env: true,
            folder: Some(work),
            log,
        };
        match isolation {
            None => Ok(launch),
            Some(isolation) => self.isolate(isolation, launch, &mounts, &home),
        }
    }

    /// The same in its own namespaces, with its volumes mounted.
    fn isolate(
        &self,
        isolation: Isolation,
        launch: Launch,
        mounts: &Mounts,
        home: &Path,
    ) -> Result<Launch> {
        let root = home.join("root");
        let mounts = mounts.outermost_first();
        // A path below a volume may exist only once it is mounted.
        let folders = mounts.iter().map(|(folder, _)| folder.as_path());
        for made in folders.filter(|it| !it.exists()).chain([root.as_path()]) {
            fs::create_dir_all(made)
                .with_context(|| format!("cannot create {}", made.display()))?;
        }
        let view = View {
            root: &root,
            visible: &self.context.visible,
            mounts,
        };
        Ok(isolation.isolate(launch, &view))
    }

    /// Clients in a pod find the API server by files at a fixed path, which does not exist here: instead they get a kubeconfig with
    /// the pod's token file.
    fn kubeconfig(&self, account: &Path, home: &Path) -> Result<PathBuf> {
        let path = home.join("kubeconfig");
        let credential = format!("tokenFile: {}", account.join("token").display());
        let user = &self.identity.service_account;
        let text = crate::kubernetes::users::kubeconfig(
            user,
            &self.context.server,
            &self.context.ca_pem,
            &credential,
        );
        write_private(&path, &text)?;
        Ok(path)
    }
}

/// What a container starts: the program for its image, or else its own command.
fn command_line(
    container: &Container,
    ours: Option<&Path>,
    word: &dyn Fn(&str) -> String,
) -> Result<(PathBuf, Vec<String>)> {
    let words = container
        .command
        .iter()
        .flatten()
        .chain(container.args.iter().flatten());
    let mut argv = words.map(|text| word(text));
    let program = match (ours, &container.command) {
        (Some(ours), command) => {
            if command.is_some() {
                let _the_images_own_name = argv.next();
            }
            ours.to_path_buf()
        }
        (None, Some(_)) => PathBuf::from(argv.next().unwrap_or_default()),
        (None, None) => anyhow::bail!(
            "container {:?} names no command, and its image is not ours",
            container.name
        ),
    };
    Ok((program, argv.collect()))
}
