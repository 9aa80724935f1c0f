//! Several brokers at one Google: of two stacks, of two clusters, of a cluster and its copy. Each has its own token, so that the
//! journal shows who wrote what.

use std::collections::BTreeMap;

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::google::principal;

const USER: &str = "roles/storage.objectUser";
const ML: &str = "projects/acme/locations/us-central1/clusters/ml";

/// A broker that Google knows by this name, with all permissions of a broker.
async fn broker(world: &World, email: &str) -> Context {
    let member = format!("user:{email}");
    let state = world.emulator.state();
    for (id, role) in [
        ("acme-identities", "roles/iam.serviceAccountAdmin"),
        ("acme", "roles/browser"),
    ] {
        let project = Resource::Project { id: id.into() };
        let grant = |policy: &mut Policy| policy.add(role, &member, None);
        world
            .context
            .gcp
            .modify_policy(&project, grant)
            .await
            .unwrap();
    }
    let bucket = Resource::Bucket {
        name: "acme-mf".into(),
    };
    let grant = |policy: &mut Policy| policy.add("roles/storage.admin", &member, None);
    world
        .context
        .gcp
        .modify_policy(&bucket, grant)
        .await
        .unwrap();
    let token = Bearer(state.user_token(email));
    World::context_as(&world.emulator.base_url, token.into(), Config::default()).await
}

/// Identities of these users, as the rules of that stack and cluster derive them.
fn identities(stack: &str, cluster: &str) -> Vec<Identity> {
    let text = fixtures::RULES
        .replace("stack: prod", &format!("stack: {stack}"))
        .replace(ML, cluster);
    let source = namesake_core::Source {
        file: "rules.yaml",
        text: &text,
    };
    let rules = namesake_core::Rules::parse(&[source]).unwrap();
    // Names that look alike, and one that imitates a mark.
    let users = [
        "alice@acme.com",
        "alice-prod@acme.com",
        "ksa=x/mf-alice@acme.com",
    ];
    let of = |user: &&str| {
        let mut request = fixtures::request();
        request.user = (*user).to_owned();
        request.values = BTreeMap::from([("user".to_owned(), request.user.clone())]);
        // The rules refuse a user with an illegal name.
        let derived = crate::identity::derive::identity(&rules, &request).ok()?;
        let mut identity =
            crate::identity::objects::identity("research", &derived.name, derived.spec);
        identity.metadata.uid = Some(format!("{stack}-{user}"));
        identity.metadata.generation = Some(1);
        Some(identity)
    };
    users.iter().filter_map(of).collect()
}

async fn up(context: &Context, identity: &Identity) {
    google_account::ensure(identity, context).await.unwrap();
    policies::bind(identity, context).await.unwrap();
    policies::grant(identity, context, &folder(identity))
        .await
        .unwrap();
}

#[tokio::test]
async fn brokers_of_other_stacks_and_clusters_never_change_each_others_identities() {
    let world = World::new().await;
    let installations = [
        ("prod", ML),
        ("dev", ML),
        ("prod", "projects/acme/locations/us-central1/clusters/ml2"),
        ("pro", "projects/acme/locations/us-central1/clusters/ml"),
    ];
    let mut brokers = Vec::new();
    for (n, (stack, cluster)) in installations.into_iter().enumerate() {
        let email = format!("broker{n}@acme.com");
        brokers.push((
            broker(&world, &email).await,
            email,
            identities(stack, cluster),
        ));
    }
    for (context, _, all) in &brokers {
        futures::future::join_all(all.iter().map(|identity| up(context, identity))).await;
    }
    // One installation removes everything while the others check for drift.
    let (first, _, leaving) = &brokers[0];
    for identity in leaving {
        delete_at_google(identity, first).await.unwrap();
    }
    for (context, _, all) in &brokers[1..] {
        for identity in all {
            assert!(!policies::bind(identity, context).await.unwrap().repaired);
            assert!(
                !policies::grant(identity, context, &folder(identity))
                    .await
                    .unwrap()
                    .repaired
            );
        }
    }
    // Every path that a broker wrote to names one of its own identities.
    for (_, email, all) in &brokers {
        let others = brokers.iter().filter(|(_, other, _)| other != email);
        let others: Vec<String> = others
            .flat_map(|(_, _, all)| all.iter().flat_map(|i| [i.name_any(), i.spec.key.clone()]))
            .collect();
        let requests = world.emulator.state().requests(0);
        let read = |path: &str| path.ends_with(":getIamPolicy");
        let written: Vec<_> = requests
            .iter()
            .filter(|r| r.caller.contains(email.as_str()) && r.method != "GET" && !read(&r.path))
            .collect();
        assert!(written.len() >= 3 * all.len(), "{email}: {written:?}");
        for request in written {
            let touched = others
                .iter()
                .find(|other| request.path.contains(other.as_str()));
            assert_eq!(
                touched, None,
                "{email}: {} {}",
                request.method, request.path
            );
        }
    }
}

#[tokio::test]
async fn an_account_that_replaced_ours_is_not_bound_not_granted_and_not_deleted() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .delete_service_account("acme-identities", email)
        .await
        .unwrap();
    // Its mark is almost ours: of another stack, or longer.
    let mark = google_account::mark(&identity).unwrap();
    for near in [mark.replace("stack=prod", "stack=dev"), format!("{mark} ")] {
        let account = json!({"project": "acme-identities", "accountId": identity.name_any(), "description": near});
        world.seed(json!({"serviceAccounts": [account]}));
        let before = world.last();
        for done in [
            google_account::ensure(&identity, &world.context).await,
            policies::bind(&identity, &world.context).await,
            policies::grant(&identity, &world.context, &folder(&identity)).await,
        ] {
            assert_eq!(done.unwrap_err().reason, Reason::Conflict);
        }
        delete_at_google(&identity, &world.context).await.unwrap();
        assert_eq!(world.written(before), Vec::<String>::new());
        world
            .context
            .gcp
            .delete_service_account("acme-identities", email)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_copy_of_a_cluster_does_not_change_the_identities_of_the_original() {
    let (world, identity) = (World::new().await, fixtures::identity());
    up(&world.context, &identity).await;
    let copy = broker(&world, "copy@acme.com").await;
    copy.cluster_id.set_issuer(&principal::issuer(
        "projects/acme/locations/us-central1/clusters/copy",
    ));
    let before = world.last();
    for change in [
        crate::identity::plan::change::Change::EnsureGoogleAccount,
        crate::identity::plan::change::Change::Bind,
        crate::identity::plan::change::Change::Grant(folder(&identity)),
        crate::identity::plan::change::Change::Unbind,
        crate::identity::plan::change::Change::DeleteGoogleAccount,
    ] {
        let failure = step::execute(&identity, &copy, &change, &mut Memory::default())
            .await
            .unwrap_err();
        assert_eq!(failure.reason, Reason::OtherCluster);
    }
    delete_at_google(&identity, &copy).await.unwrap();
    assert_eq!(world.written(before), Vec::<String>::new());
    assert!(
        world
            .has(&folder(&identity), USER, &member(&identity))
            .await
    );
}
