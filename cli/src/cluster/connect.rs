//! The connection to the API server, and which stack is meant.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Error, ResourceExt};
use namesake_api::names;
use namesake_service::install_crypto_provider;

use crate::answer::failure::{Failure, causes};
use crate::answer::text::{plain, some};
use crate::cluster::flags::Global;

/// Longest wait for a connection, and for an answer: an interactive command should not seem to hang.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// A connection, and the stack that commands are about.
#[derive(Clone)]
pub(crate) struct Session {
    /// The caller's client.
    pub client: Client,
    /// Namespace of the stack's webhook and broker.
    pub home: String,
    /// Namespace of the objects that the command is about, if the caller named one.
    pub namespace: Option<String>,
    /// The context's namespace.
    pub default_namespace: String,
}

impl Session {
    /// Connects to an API server that has Namesake.
    ///
    /// # Errors
    /// No kubeconfig, no API server, no Namesake or another version of it, or several stacks of which none is chosen.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        let session = Self::open_without_namesake(global).await?;
        session.check_version().await?;
        Ok(session)
    }

    /// Connects to an API server, whether it has Namesake or not.
    ///
    /// # Errors
    /// No kubeconfig, no API server, or several stacks of which none is chosen.
    pub(crate) async fn open_without_namesake(global: &Global) -> Result<Self, Failure> {
        // Another command of the same process may have installed it.
        let _ = install_crypto_provider();
        let config = config(global).await?;
        let default_namespace = config.default_namespace.clone();
        let client = client(config)?;
        let home = match &global.system_namespace {
            Some(namespace) => namespace.clone(),
            None => home(global.stack.as_deref(), stacks(&client).await?.as_deref())?,
        };
        Ok(Self {
            client,
            home,
            namespace: global.namespace.clone(),
            default_namespace,
        })
    }

    /// A client of the same API server that impersonates somebody.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub(crate) async fn client_as(
        global: &Global,
        name: &str,
        groups: Vec<String>,
    ) -> Result<Client, Failure> {
        let mut config = config(global).await?;
        config.auth_info.impersonate = Some(name.to_owned());
        config.auth_info.impersonate_groups = Some(groups);
        client(config)
    }

    async fn check_version(&self) -> Result<(), Failure> {
        let groups = self.client.list_api_groups().await;
        let groups = groups.map_err(Failure::to("read which kinds the API server has"))?;
        let ours = groups
            .groups
            .iter()
            .find(|group| group.name == names::GROUP);
        let versions = ours.ok_or(Failure::NotInstalled)?.versions.iter();
        let versions: Vec<_> = versions.map(|version| version.version.clone()).collect();
        match versions.iter().any(|version| version == names::VERSION) {
            true => Ok(()),
            false => Err(Failure::OtherVersion {
                found: plain(&some(&versions)),
            }),
        }
    }

    /// Objects of a kind: in the namespace that the caller named, or in all.
    pub(crate) fn objects<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Objects of a kind in the namespace of the stack.
    pub(crate) fn at_home<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.home)
    }
}

fn client(mut config: Config) -> Result<Client, Failure> {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    // It retries for minutes what is better said at once.
    config.default_retry = false;
    let client = Client::try_from(config);
    client.map_err(|error| Failure::NoKubeconfig(causes(&error)))
}

async fn config(global: &Global) -> Result<Config, Failure> {
    let options = KubeConfigOptions {
        context: global.context.clone(),
        ..KubeConfigOptions::default()
    };
    let unusable = |error: &dyn std::error::Error| Failure::NoKubeconfig(causes(error));
    if let Some(path) = &global.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(|e| unusable(&e))?;
        let config = Config::from_custom_kubeconfig(file, &options).await;
        return config.map_err(|e| unusable(&e));
    }
    if options.context.is_some() {
        let config = Config::from_kubeconfig(&options).await;
        return config.map_err(|e| unusable(&e));
    }
    Config::infer().await.map_err(|e| unusable(&e))
}

/// Home and name of a stack.
type Stack = (String, Option<String>);

/// The stacks of the cluster, or `None` if the caller may not list their configurations.
async fn stacks(client: &Client) -> Result<Option<Vec<Stack>>, Failure> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let listed = match api.list_metadata(&ListParams::default()).await {
        Ok(listed) => listed.items,
        Err(Error::Api(status)) if status.code == 403 => return Ok(None),
        Err(error) => return Err(Failure::to("list the webhook configurations")(error)),
    };
    let ours = listed.into_iter().filter_map(|one| {
        let home = names::namespace_of_configuration(&one.name_any())?;
        Some((home, one.labels().get(names::INSTANCE_LABEL).cloned()))
    });
    Ok(Some(ours.collect()))
}

/// The namespace of the stack that is meant. Where nobody can say which stacks there are, the names of the manifests count.
fn home(stack: Option<&str>, stacks: Option<&[Stack]>) -> Result<String, Failure> {
    let by_suffix = |name: &str| format!("{}-{name}", names::SYSTEM_NAMESPACE);
    let Some(stacks) = stacks else {
        return Ok(stack.map_or_else(|| names::SYSTEM_NAMESPACE.to_owned(), by_suffix));
    };
    let shown = |(home, name): &Stack| name.clone().unwrap_or_else(|| home.clone());
    let all: Vec<_> = stacks.iter().map(shown).collect();
    match (stack, stacks) {
        (Some(name), _) => {
            let is_it = |(home, label): &&Stack| match label {
                Some(label) => label == name,
                None => *home == by_suffix(name),
            };
            let found = stacks.iter().find(is_it).map(|(home, _)| home.clone());
            let there = if all.is_empty() {
                "none".to_owned()
            } else {
                some(&all)
            };
            let unknown = || {
                Failure::Usage(format!(
                    "there is no stack {name:?}: the cluster has {}",
                    plain(&there)
                ))
            };
            found.ok_or_else(unknown)
        }
        // Its configurations may be missing, which `doctor` says.
        (None, []) => Ok(names::SYSTEM_NAMESPACE.to_owned()),
        (None, [(home, _)]) => Ok(home.clone()),
        (None, _) => {
            let all = plain(&some(&all));
            Err(Failure::Usage(format!(
                "the cluster has several stacks: choose one with --stack ({all})"
            )))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn stack(home: &str, name: Option<&str>) -> Stack {
        (home.to_owned(), name.map(str::to_owned))
    }

    /// A session with the stack of the manifests, about all namespaces.
    pub(crate) fn session(client: Client) -> Session {
        Session {
            client,
            home: names::SYSTEM_NAMESPACE.to_owned(),
            namespace: None,
            default_namespace: "default".to_owned(),
        }
    }

    #[test]
    fn the_only_stack_is_meant_and_of_several_one_must_be_chosen() {
        let one = [stack("namesake-system-dev", Some("dev"))];
        assert_eq!(home(None, Some(&one)).unwrap(), "namesake-system-dev");
        let two = [one[0].clone(), stack("namesake-system", Some("prod"))];
        assert_eq!(home(Some("prod"), Some(&two)).unwrap(), "namesake-system");
        let text = home(None, Some(&two)).unwrap_err().to_string();
        assert!(text.ends_with("--stack (dev, prod)"), "{text}");
        let text = home(Some("x"), Some(&two)).unwrap_err().to_string();
        assert_eq!(text, "there is no stack \"x\": the cluster has dev, prod");
    }

    #[test]
    fn without_the_right_to_list_them_the_names_of_the_manifests_count() {
        assert_eq!(home(None, None).unwrap(), "namesake-system");
        assert_eq!(home(Some("dev"), None).unwrap(), "namesake-system-dev");
        assert_eq!(home(None, Some(&[])).unwrap(), "namesake-system");
    }
}
