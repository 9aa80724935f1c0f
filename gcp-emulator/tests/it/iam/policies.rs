//! Policies: etags, versions, conditions, members, inheritance.

use serde_json::{Value, json};

use crate::support::{ALICE, GSAS, POOL, World};

const USER: &str = "roles/iam.workloadIdentityUser";
const PROJECT: &str = "/v1/projects/acme-identities";

fn policy(role: &str, member: &str) -> Value {
    json!({"bindings": [{"role": role, "members": [member]}]})
}

#[tokio::test]
async fn a_policy_that_was_never_set_has_only_an_etag() {
    let world = World::new();
    let uri = format!("{GSAS}/{}", world.account("mf-alice-1").await);
    let read = format!("{uri}:getIamPolicy?alt=json&options.requestedPolicyVersion=3");
    assert_eq!(
        world.post(&read, Value::Null).await,
        json!({"etag": "ACAB"})
    );
    let mut wanted = policy(USER, &ALICE.member());
    wanted["etag"] = json!("ACAB");
    wanted["version"] = json!(3);
    let set = world
        .post(&format!("{uri}:setIamPolicy"), json!({"policy": wanted}))
        .await;
    assert_eq!(set["version"], 1);
    assert!(set["etag"].as_str().unwrap().starts_with("Bw"));
    let emptied =
        json!({"policy": {"etag": set["etag"], "version": 3}, "updateMask": "bindings,etag"});
    let empty = world.post(&format!("{uri}:setIamPolicy"), emptied).await;
    assert_eq!(empty, json!({"etag": empty["etag"], "version": 1}));
}

#[tokio::test]
async fn a_stale_etag_is_refused_and_a_missing_one_overwrites() {
    let world = World::new();
    let uri = format!("{GSAS}/{}:setIamPolicy", world.account("mf-alice-1").await);
    let first = world
        .post(&uri, json!({"policy": policy(USER, &ALICE.member())}))
        .await;
    world
        .post(&uri, json!({"policy": policy(USER, "user:bob@acme.com")}))
        .await;
    let mut late = policy(USER, &ALICE.member());
    late["etag"] = first["etag"].clone();
    let refused = world
        .admin
        .post(&uri, json!({"policy": late}))
        .await
        .refused_as(409, "ABORTED");
    assert!(
        refused
            .message()
            .starts_with("There were concurrent policy changes. Please retry the whole")
    );
}

#[tokio::test]
async fn conditions_need_version_three_and_are_hidden_below_it() {
    let world = World::new();
    let mut wanted = policy(USER, &ALICE.member());
    let condition = json!({"expression": "request.time < timestamp(\"2027-01-01T00:00:00Z\")", "title": "until"});
    wanted["bindings"][0]["condition"] = condition.clone();
    let email = world.account("mf-alice-1").await;
    let uri = format!("{GSAS}/{email}");
    let set = format!("{uri}:setIamPolicy");
    world
        .admin
        .post(&set, json!({"policy": wanted}))
        .await
        .refused(400);
    wanted["version"] = json!(3);
    assert_eq!(
        world.post(&set, json!({"policy": wanted})).await["version"],
        3
    );
    let full = world
        .post(
            &format!("{uri}:getIamPolicy?options.requestedPolicyVersion=3"),
            json!({}),
        )
        .await;
    assert_eq!(
        (&full["version"], &full["bindings"][0]["condition"]),
        (&json!(3), &condition)
    );
    let stripped = world.post(&format!("{uri}:getIamPolicy"), json!({})).await;
    assert_eq!(stripped["version"], 1);
    let role = stripped["bindings"][0]["role"].as_str().unwrap();
    let hash = role
        .strip_prefix("roles/iam.workloadIdentityUser_withcond_")
        .unwrap();
    assert_eq!(hash.len(), 20);
    let mut low = policy(USER, &ALICE.member());
    low["etag"] = full["etag"].clone();
    world
        .admin
        .post(&set, json!({"policy": low}))
        .await
        .refused(400);
    let federated = world.federated(&ALICE).await;
    world.impersonate(&federated, &email).await.ok();
    world.pass(60 * 86_400);
    world.impersonate(&federated, &email).await.refused(403);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn invalid_policies_are_refused() {
    let world = World::new();
    let email = world.account("mf-alice-1").await;
    let uri = format!("{GSAS}/{email}:setIamPolicy");
    let many: Vec<String> = (0..1_501)
        .map(|number| format!("user:u{number}@acme.com"))
        .collect();
    for (policy, words) in [
        (json!({"version": 2}), "Valid versions are 0, 1, and 3"),
        (json!({"binding": []}), "Unknown name \"binding\""),
        (policy(USER, "alice@acme.com"), "unknown type"),
        (policy(USER, "user:alice"), "not an email"),
        (
            policy(USER, "serviceAccount:alice@acme.com"),
            "is of type \"user\"",
        ),
        (
            policy(USER, &format!("user:{email}")),
            "is of type \"serviceAccount\"",
        ),
        (
            policy(
                USER,
                "serviceAccount:gone@acme-identities.iam.gserviceaccount.com",
            ),
            "Service account gone@acme-identities.iam.gserviceaccount.com does not exist.",
        ),
        (
            policy(USER, "serviceAccount:no.svc.id.goog[a/b]"),
            "Identity Pool does not exist (no.svc.id.goog).",
        ),
        (
            policy(
                USER,
                &format!(
                    "principal://iam.googleapis.com/projects/acme/locations/global/workloadIdentityPools/{POOL}/subject/x"
                ),
            ),
            "Identity Pool does not exist",
        ),
        (
            policy("roles/storage.objectUser", "user:a@acme.com"),
            "is not supported for this resource",
        ),
        (
            policy("roles/none", "user:a@acme.com"),
            "is not supported for this resource",
        ),
        (
            policy("projects/acme/roles/x", "user:a@acme.com"),
            "does not exist in the resource's hierarchy",
        ),
        (
            json!({"version": 3, "bindings": [{"role": USER, "members": ["user:a@acme.com"], "condition": {"expression": "((", "title": "t"}}]}),
            "compilation failed",
        ),
        (
            json!({"version": 3, "bindings": [{"role": USER, "members": ["user:a@acme.com"],
                "condition": {"expression": "nobody.knows == 1", "title": "t"}}]}),
            "undeclared reference to 'nobody'",
        ),
        (
            json!({"version": 3, "bindings": [{"role": USER, "members": ["user:a@acme.com"],
                "condition": {"expression": "resource.colour == 'red'", "title": "t"}}]}),
            "undefined field 'colour'",
        ),
        (
            json!({"version": 3, "bindings": [{"role": USER, "members": ["user:a@acme.com"], "condition": {"expression": "true"}}]}),
            "title must not be empty",
        ),
        (
            json!({"version": 3, "bindings": [{"role": USER, "members": ["user:a@acme.com"],
                "condition": {"expression": "true", "title": "t", "colour": "red"}}]}),
            "Unknown name \"colour\"",
        ),
        (
            policy(USER, "allUsers"),
            "Member allUsers is invalid due to membership type restrictions on the resource.",
        ),
        (
            policy(USER, "allAuthenticatedUsers"),
            "Member allAuthenticatedUsers is invalid",
        ),
        (
            json!({"bindings": [{"role": USER, "members": many}]}),
            "(1501) is larger than the maximum allowed size 1500",
        ),
    ] {
        let answer = world
            .admin
            .post(&uri, json!({"policy": policy}))
            .await
            .refused_as(400, "INVALID_ARGUMENT");
        assert!(answer.message().contains(words), "{}", answer.message());
    }
}

#[tokio::test]
async fn a_deleted_account_becomes_a_deleted_member_and_a_new_one_of_its_name_gets_no_access() {
    let world = World::new();
    let old = world.post(GSAS, json!({"accountId": "mf-alice-1"})).await;
    let (email, uid) = (
        old["email"].as_str().unwrap(),
        old["uniqueId"].as_str().unwrap(),
    );
    let target = world.account("mf-target").await;
    let member = format!("serviceAccount:{email}");
    let creator = "roles/iam.serviceAccountTokenCreator";
    world.bind(&target, creator, &member).await;
    world.bind(email, USER, &ALICE.member()).await;
    world.delete(&format!("{GSAS}/{email}")).await;
    let read = format!("{GSAS}/{target}:getIamPolicy");
    let deleted = format!("deleted:{member}?uid={uid}");
    let shown = world.post(&read, json!({})).await;
    assert_eq!(shown["bindings"][0]["members"], json!([deleted]));
    let kept = world
        .post(
            &format!("{GSAS}/{target}:setIamPolicy"),
            json!({"policy": shown}),
        )
        .await;
    assert_eq!(kept["bindings"][0]["members"], json!([deleted]));

    assert_eq!(world.account("mf-alice-1").await, email);
    world.bind(email, USER, &ALICE.member()).await;
    let token = world
        .impersonate(&world.federated(&ALICE).await, email)
        .await
        .body["accessToken"]
        .clone();
    world
        .impersonate(token.as_str().unwrap(), &target)
        .await
        .refused(403);

    world.delete(&format!("{GSAS}/{email}")).await;
    world
        .post(&format!("{GSAS}/{uid}:undelete"), json!({}))
        .await;
    assert_eq!(
        world.post(&read, json!({})).await["bindings"][0]["members"],
        json!([member])
    );
}

#[tokio::test]
async fn projects_have_policies_in_both_api_versions_which_their_accounts_inherit() {
    let world = World::new();
    let mallory = world.user("mallory@acme.com");
    let body = json!({"options": {"requestedPolicyVersion": 3}});
    let mut current = world
        .post(&format!("{PROJECT}:getIamPolicy?alt=json"), body.clone())
        .await;
    assert_eq!(
        current,
        world
            .post("/v3/projects/210987654321:getIamPolicy", body)
            .await
    );
    mallory.get(GSAS).await.refused(403);
    let binding =
        json!({"role": "roles/iam.serviceAccountAdmin", "members": ["user:Mallory@acme.com"]});
    current["bindings"].as_array_mut().unwrap().push(binding);
    world
        .post(
            &format!("{PROJECT}:setIamPolicy"),
            json!({"policy": current}),
        )
        .await;
    mallory.get(GSAS).await.ok();
    let project = world.get("/v1/projects/acme").await;
    assert_eq!(
        (&project["projectNumber"], &project["lifecycleState"]),
        (&json!("123456789012"), &json!("ACTIVE"))
    );
    world.admin.get("/v1/projects/nope").await.refused(403);
}

#[tokio::test]
async fn predefined_roles_can_be_read() {
    let world = World::new();
    let role = world.get(&format!("/v1/{USER}")).await;
    let permissions = role["includedPermissions"].as_array().unwrap();
    assert!(permissions.contains(&json!("iam.serviceAccounts.getAccessToken")));
    world.admin.get("/v1/roles/none").await.refused(404);
}

#[tokio::test]
async fn test_iam_permissions_returns_the_permissions_of_the_caller() {
    let world = World::new();
    let mallory = world.user("mallory@acme.com");
    let policy = policy("roles/iam.serviceAccountAdmin", "user:mallory@acme.com");
    let set = format!("{PROJECT}:setIamPolicy");
    world.post(&set, json!({ "policy": policy })).await;
    let test = json!({"permissions": ["iam.serviceAccounts.create", "resourcemanager.projects.setIamPolicy"]});
    let granted = mallory
        .post(&format!("{PROJECT}:testIamPermissions"), test)
        .await;
    assert_eq!(
        granted.body,
        json!({"permissions": ["iam.serviceAccounts.create"]})
    );
    let wild = json!({"permissions": ["iam.*"]});
    mallory
        .post(&format!("{PROJECT}:testIamPermissions"), wild)
        .await
        .refused(400);
}
