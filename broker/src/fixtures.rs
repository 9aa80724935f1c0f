//! Objects that the tests of this crate share.

use std::collections::BTreeMap;

use kube::client::Body;
use kube::{Client, Resource as _};
use namesake_api::Identity;
use namesake_api::broker_api::IdentityRequest;
use namesake_core::{Rules, Source};

pub(crate) const RULES: &str = r#"apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users:
- {requester: "*@acme.com"}
identities:
- name: research
  for: {users: ["*@acme.com"]}
  per: [user]
  project: acme-identities
  grants: [{role: roles/storage.objectUser, bucket: acme-mf, folder: "users/{key}/"}]
  roleBindings: [namesake-argo-task]
  imagePullSecrets: [registry]
rules:
- {name: everyone, match: {user: "*@acme.com"}, identity: research}
"#;

/// [`RULES`] with these lines at the end of the class.
pub(crate) fn rules_with(lines: &str) -> Rules {
    let text = RULES.replace(
        "  imagePullSecrets: [registry]\n",
        &format!("  imagePullSecrets: [registry]\n{lines}"),
    );
    Rules::parse(&[Source {
        file: "rules.yaml",
        text: &text,
    }])
    .unwrap()
}

pub(crate) fn rules() -> Rules {
    Rules::parse(&[Source {
        file: "rules.yaml",
        text: RULES,
    }])
    .unwrap()
}

pub(crate) fn request() -> IdentityRequest {
    IdentityRequest {
        namespace: "research".into(),
        class: "research".into(),
        user: "alice@acme.com".into(),
        groups: vec![],
        values: BTreeMap::from([("user".into(), "alice@acme.com".into())]),
    }
}

/// A client of an API server that answers with `answer`.
pub(crate) fn client<A>(
    answer: impl Fn(http::Request<Body>) -> A + Clone + Send + 'static,
) -> Client
where
    A: Future<Output = http::Response<Body>> + Send + 'static,
{
    let serve = tower::service_fn(move |request| {
        let answer = answer(request);
        async { Ok::<_, kube::Error>(answer.await) }
    });
    Client::new(serve, "default")
}

pub(crate) fn identity() -> Identity {
    let derived = crate::identity::derive::identity(&rules(), &request()).unwrap();
    let mut identity = crate::identity::objects::identity("research", &derived.name, derived.spec);
    identity.meta_mut().uid = Some("11111111-aaaa".into());
    identity.meta_mut().generation = Some(1);
    identity
}
