//! Reads from the API server what the check needs; of Secrets only the names. Writes nothing.

mod unstamped;

use std::fmt::Debug;

use anyhow::Context as _;
use futures::join;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount};
use kube::api::{ListParams, ObjectList, PartialObjectMeta};
use kube::{Api, Client, Error, Resource, ResourceExt};
use namesake_api::names::{ACCEPTED_RULES_CONFIG_MAP, RULES_CONFIG_MAP, webhook_configuration};
use namesake_core::Rules;
use namesake_service::{parse_and_test_rules, parse_rules, rules_files};
use serde::de::DeserializeOwned;

use super::rbac::{Listing, Rbac};
use super::{NamespaceLabels, Read, Snapshot, TokenSecret, Unreadable};
use crate::cluster::objects::each_page;
use crate::console::{Progress, Reading};
use namesake_webhook::state::installation::Installation;

/// Type of Secrets with a token, and the annotation that names their account.
const TOKEN_TYPE: &str = "type=kubernetes.io/service-account-token";
const TOKEN_ACCOUNT: &str = "kubernetes.io/service-account.name";

/// A part of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Version of the API server.
    Version,
    /// The rules in force.
    Rules,
    /// Our policies and webhook configurations.
    Installation,
    /// Roles and bindings.
    Rbac,
    /// The namespaces.
    Namespaces,
    /// Parents without a stamp.
    Unstamped,
    /// The service accounts.
    Accounts,
    /// The names of Secrets with tokens.
    TokenSecrets,
    /// All mutating webhook configurations.
    Webhooks,
    /// The network policies of Namesake's namespace.
    NetworkPolicies,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Version,
        Self::Rules,
        Self::Installation,
        Self::Rbac,
        Self::Namespaces,
        Self::Unstamped,
        Self::Accounts,
        Self::TokenSecrets,
        Self::Webhooks,
        Self::NetworkPolicies,
    ];
}

/// Something that can be read.
pub(crate) trait Readable: PartialEq {
    /// For people.
    fn what(&self) -> &'static str;
}

impl Readable for Part {
    fn what(&self) -> &'static str {
        match self {
            Self::Version => "the version of the API server",
            Self::Rules => "the rules",
            Self::Installation => "Namesake's policies and webhook configurations",
            Self::Rbac => "who may do what",
            Self::Namespaces => "the namespaces",
            Self::Unstamped => "parents without a proven requester",
            Self::Accounts => "the service accounts",
            Self::TokenSecrets => "the names of Secrets with tokens",
            Self::Webhooks => "the mutating webhook configurations",
            Self::NetworkPolicies => "the network policies of Namesake's namespace",
        }
    }
}

/// What `read` reads, if it is one of the wanted parts.
pub(crate) async fn if_wanted<P: Readable, T>(
    (reading, wanted): (&Reading, &[P]),
    part: P,
    read: impl Future<Output = Read<T>>,
) -> Read<T> {
    match wanted.contains(&part) {
        true => reading.of(part.what(), read).await,
        false => Err(not_wanted()),
    }
}

fn not_wanted() -> Unreadable {
    Unreadable {
        what: "a part of the cluster",
        why: "no check that was asked for needs it".to_owned(),
    }
}

/// Reads these parts. What the caller is not allowed to read is recorded in the snapshot.
pub(crate) async fn read(
    client: &Client,
    home: &str,
    (reading, parts): (&Reading, &[Part]),
) -> anyhow::Result<Snapshot> {
    let version = match parts.contains(&Part::Version) {
        true => reading.of(Part::Version.what(), version(client)).await?,
        false => Err(not_wanted()),
    };
    let wanted = (reading, parts);
    let namespaces = async {
        let namespaces = if_wanted(wanted, Part::Namespaces, namespaces(client)).await;
        let unstamped = unstamped::all(client, &namespaces);
        let unstamped = if_wanted(wanted, Part::Unstamped, unstamped).await;
        (namespaces, unstamped)
    };
    let webhooks = list(everywhere(client), Part::Webhooks.what());
    let network_policies = Api::namespaced(client.clone(), home);
    let network_policies = list(network_policies, Part::NetworkPolicies.what());
    let (
        rules,
        installation,
        rbac,
        (namespaces, unstamped),
        accounts,
        token_secrets,
        webhooks,
        network_policies,
    ) = join!(
        if_wanted(wanted, Part::Rules, rules(client, home)),
        if_wanted(wanted, Part::Installation, installation(client, home)),
        if_wanted(wanted, Part::Rbac, rbac(client)),
        namespaces,
        if_wanted(wanted, Part::Accounts, accounts(client)),
        if_wanted(wanted, Part::TokenSecrets, token_secrets(client)),
        if_wanted(wanted, Part::Webhooks, webhooks),
        if_wanted(wanted, Part::NetworkPolicies, network_policies),
    );
    Ok(Snapshot {
        home: home.to_owned(),
        version,
        rules,
        installation,
        rbac,
        namespaces,
        accounts,
        token_secrets,
        unstamped,
        webhooks,
        network_policies,
    })
}

/// The version of the API server.
async fn version(client: &Client) -> anyhow::Result<Read<String>> {
    match client.apiserver_version().await {
        Ok(info) => Ok(Ok(info.git_version)),
        Err(error @ Error::Api(_)) => Ok(Err(unreadable("the version of the API server")(error))),
        Err(error) => Err(error).context("no API server answers"),
    }
}

fn everywhere<K: Resource<DynamicType = ()>>(client: &Client) -> Api<K> {
    Api::all(client.clone())
}

/// For `map_err`: this part could not be read.
pub(crate) fn unreadable<E: Cause>(what: &'static str) -> impl Fn(E) -> Unreadable {
    move |why| Unreadable {
        what,
        why: why.text(),
    }
}

/// Why something could not be read.
pub(crate) trait Cause {
    /// For people.
    fn text(self) -> String;
}

impl Cause for Error {
    fn text(self) -> String {
        match self {
            // Its Display has every field of the Status.
            Self::Api(status) => status.message,
            other => other.to_string(),
        }
    }
}

impl Cause for String {
    fn text(self) -> String {
        self
    }
}

/// All objects; `what` names them in why they could not be read.
pub(crate) async fn list<K>(api: Api<K>, what: &'static str) -> Read<Vec<K>>
where
    K: Clone + DeserializeOwned + Debug,
{
    let list = async |params: &ListParams| api.list(params).await;
    all_pages(list, ListParams::default(), what).await
}

/// The objects of all pages of a list.
async fn all_pages<K: Clone>(
    list: impl AsyncFn(&ListParams) -> kube::Result<ObjectList<K>>,
    params: ListParams,
    what: &'static str,
) -> Read<Vec<K>> {
    let mut found = Vec::new();
    let mut progress = Progress::hidden();
    let listed = each_page(list, params, &mut progress, |one| found.push(one));
    listed.await.map_err(unreadable(what))?;
    Ok(found)
}

async fn metadata<K>(
    api: Api<K>,
    params: ListParams,
    what: &'static str,
) -> Read<Vec<PartialObjectMeta<K>>>
where
    K: Clone + DeserializeOwned + Debug + Resource,
{
    let list = async |params: &ListParams| api.list_metadata(params).await;
    all_pages(list, params, what).await
}

/// The current rules; if they are not valid or fail their own tests, those that the broker accepted last.
async fn rules(client: &Client, home: &str) -> Read<Rules> {
    let what = "the rules";
    let maps = Api::<ConfigMap>::namespaced(client.clone(), home);
    let mut problems = format!("there is no ConfigMap {home}/{RULES_CONFIG_MAP}");
    for name in [RULES_CONFIG_MAP, ACCEPTED_RULES_CONFIG_MAP] {
        let Some(map) = maps.get_opt(name).await.map_err(unreadable(what))? else {
            continue;
        };
        let files = rules_files(map.data.as_ref());
        let rules = match name {
            RULES_CONFIG_MAP => parse_and_test_rules(&files).map_err(|why| why.to_string()),
            _ => parse_rules(&files).map_err(|why| why.to_string()),
        };
        match rules {
            Ok(rules) => return Ok(rules),
            Err(error) => problems = format!("ConfigMap {home}/{name}: {error}"),
        }
    }
    Err(unreadable(what)(problems))
}

async fn installation(client: &Client, home: &str) -> Read<Installation> {
    let ours = unreadable("Namesake's policies and webhook configurations");
    let configuration = webhook_configuration(home);
    let mutating = everywhere(client).get_opt(&configuration).await;
    let validating = everywhere(client).get_opt(&configuration).await;
    Ok(Installation {
        home: home.to_owned(),
        policies: list(everywhere(client), "the policies").await?,
        bindings: list(everywhere(client), "the bindings of policies").await?,
        mutating: mutating.map_err(&ours)?,
        validating: validating.map_err(&ours)?,
    })
}

async fn rbac(client: &Client) -> Read<Rbac> {
    let cluster_role_bindings = "who may do what: ClusterRoleBindings";
    Ok(Rbac::of(Listing {
        cluster_roles: list(everywhere(client), "who may do what: ClusterRoles").await?,
        roles: list(everywhere(client), "who may do what: Roles").await?,
        cluster_role_bindings: list(everywhere(client), cluster_role_bindings).await?,
        role_bindings: list(everywhere(client), "who may do what: RoleBindings").await?,
    }))
}

async fn namespaces(client: &Client) -> Read<Vec<NamespaceLabels>> {
    let api = everywhere::<Namespace>(client);
    let all = metadata(api, ListParams::default(), "the namespaces").await?;
    // Nothing new can be created in a namespace that is being deleted.
    let stay = all
        .into_iter()
        .filter(|one| one.metadata.deletion_timestamp.is_none());
    let places = stay.map(|one| NamespaceLabels {
        name: one.name_any(),
        labels: one.metadata.labels.unwrap_or_default(),
    });
    Ok(places.collect())
}

async fn accounts(client: &Client) -> Read<Vec<(String, String)>> {
    let api = everywhere::<ServiceAccount>(client);
    let all = metadata(api, ListParams::default(), "the service accounts").await?;
    Ok(all
        .into_iter()
        .map(|one| (one.namespace().unwrap_or_default(), one.name_any()))
        .collect())
}

async fn token_secrets(client: &Client) -> Read<Vec<TokenSecret>> {
    let params = ListParams::default().fields(TOKEN_TYPE);
    let api = everywhere::<Secret>(client);
    let all = metadata(api, params, "the names of Secrets with tokens").await?;
    let secrets = all.into_iter().map(|one| TokenSecret {
        namespace: one.namespace().unwrap_or_default(),
        name: one.name_any(),
        account: one
            .annotations()
            .get(TOKEN_ACCOUNT)
            .cloned()
            .unwrap_or_default(),
    });
    Ok(secrets.collect())
}
