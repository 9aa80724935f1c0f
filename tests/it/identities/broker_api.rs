//! The broker's API, for anyone who can reach its port.

use anyhow::{Result, ensure};
use namesake_api::names::{
    BROKER_AUDIENCE, BROKER_SERVICE_ACCOUNT, SYSTEM_NAMESPACE, WEBHOOK_SERVICE_ACCOUNT,
};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    namespace::{TestNamespace, with_namespace},
    stack,
};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The broker's response: status and body.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn is(&self, status: u16, reason: &str) -> Result<()> {
        let error = &self.body["error"];
        ensure!(
            self.status == status && error["reason"] == reason,
            "{} {}",
            self.status,
            self.body
        );
        ensure!(error["code"] == status, "{}", self.body);
        ensure!(
            error["message"]
                .as_str()
                .is_some_and(|message| message.len() > 10),
            "{}",
            self.body
        );
        Ok(())
    }
}

async fn post(ns: &TestNamespace, token: Option<&SecretString>, body: String) -> Result<Answer> {
    let (status, body) = ns
        .stack
        .post_to_broker(ns.stack.broker_address(), token, body)
        .await?;
    Ok(Answer { status, body })
}

/// Sends a request like the webhook.
async fn ask_broker(ns: &TestNamespace, body: Value) -> Result<Answer> {
    let (status, body) = ns
        .stack
        .ask_broker(ns.stack.broker_address(), &body)
        .await?;
    Ok(Answer { status, body })
}

fn identity_request(ns: &TestNamespace, user: &str) -> Value {
    stack::identity_request(&ns.name, user)
}

/// The request with one key changed.
fn with(ns: &TestNamespace, key: &str, value: Value) -> Value {
    let mut question = identity_request(ns, ALICE);
    question[key] = value;
    question
}

#[test]
fn the_webhook_gets_an_identity_whose_account_already_exists() -> Result<()> {
    with_namespace(|ns| async move {
        let answer = ask_broker(&ns, identity_request(&ns, ALICE)).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let name = ns.name_for(ALICE);
        ensure!(
            answer.body["name"] == name.as_str() && answer.body["ready"].is_boolean(),
            "{}",
            answer.body
        );
        ensure!(ns.managed_accounts().await? == [name]);
        let again = ask_broker(&ns, identity_request(&ns, ALICE)).await?;
        ensure!(
            again.body["serviceAccountUid"] == answer.body["serviceAccountUid"],
            "{}",
            again.body
        );
        Ok(())
    })
}

#[test]
fn a_request_without_a_valid_token_for_the_audience_is_unauthorized() -> Result<()> {
    with_namespace(|ns| async move {
        let body = identity_request(&ns, ALICE).to_string();
        let cluster = ns.stack.cluster();
        ensure!(post(&ns, None, body.clone()).await?.status == 401);
        ensure!(
            post(&ns, Some(&"nonsense".to_owned().into()), body.clone())
                .await?
                .status
                == 401
        );
        for audiences in [&[][..], &["acme.svc.id.goog"][..]] {
            let token = cluster
                .token(SYSTEM_NAMESPACE, WEBHOOK_SERVICE_ACCOUNT, audiences)
                .await?;
            ensure!(
                post(&ns, Some(&token), body.clone()).await?.status == 401,
                "{audiences:?}"
            );
        }
        ensure!(ns.identities().await?.is_empty());
        Ok(())
    })
}

#[test]
fn only_the_webhook_is_allowed_to_request_identities() -> Result<()> {
    with_namespace(|ns| async move {
        let cluster = ns.stack.cluster();
        // Mallory's pod can have a token with any audience; so can the broker itself, and an account of the same name in another namespace.
        for (home, name) in [
            (ns.name.as_str(), "default"),
            (SYSTEM_NAMESPACE, BROKER_SERVICE_ACCOUNT),
        ] {
            let token = cluster.token(home, name, &[BROKER_AUDIENCE]).await?;
            post(&ns, Some(&token), identity_request(&ns, ALICE).to_string())
                .await?
                .is(403, "NotTheWebhook")?;
        }
        ensure!(ns.identities().await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_namespace_that_is_not_opted_in_has_no_identities() -> Result<()> {
    with_namespace(|ns| async move {
        for namespace in ["kube-system", "no-such-namespace", "../research", ""] {
            let answer = ask_broker(&ns, with(&ns, "namespace", json!(namespace))).await?;
            ensure!(
                matches!(answer.status, 400 | 503),
                "{namespace:?}: {} {}",
                answer.status,
                answer.body
            );
        }
        Ok(())
    })
}

#[test]
fn a_class_that_the_rules_do_not_have_or_that_is_not_for_this_user_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        ask_broker(&ns, with(&ns, "class", json!("root")))
            .await?
            .is(403, "UnknownClass")?;
        ask_broker(&ns, with(&ns, "class", json!("inner-circle")))
            .await?
            .is(403, "NotEntitled")?;
        let mut outsider = identity_request(&ns, "eve@elsewhere.example");
        ask_broker(&ns, outsider.clone())
            .await?
            .is(403, "NotEntitled")?;
        outsider["user"] = json!(ALICE);
        let answer = ask_broker(&ns, outsider).await?;
        ensure!(
            answer.status == 403 || answer.status == 400,
            "a value that is not the user: {}",
            answer.body
        );
        ensure!(ns.identities().await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_user_name_that_is_not_valid_is_refused_and_creates_nothing() -> Result<()> {
    with_namespace(|ns| async move {
        let long = format!("{}@acme.com", "a".repeat(300));
        let bad = [
            long.as_str(),
            "🦀@acme.com",
            "Alice@acme.com",
            "../alice@acme.com",
            "alice@acme.com.",
            "",
            " ",
            "a\0@acme.com",
        ];
        for user in bad {
            let answer = ask_broker(&ns, identity_request(&ns, user)).await?;
            ensure!(
                matches!(answer.status, 400 | 403),
                "{user:?}: {} {}",
                answer.status,
                answer.body
            );
            ensure!(
                answer.body["error"]["message"].is_string(),
                "{user:?}: {}",
                answer.body
            );
        }
        ensure!(
            ns.identities().await?.is_empty(),
            "{:?}",
            ns.identities().await?
        );
        Ok(())
    })
}

#[test]
fn a_body_that_is_not_a_request_is_refused() -> Result<()> {
    with_namespace(|ns| async move {
        let token = ns
            .stack
            .cluster()
            .token(
                SYSTEM_NAMESPACE,
                WEBHOOK_SERVICE_ACCOUNT,
                &[BROKER_AUDIENCE],
            )
            .await?;
        let unknown_key = with(
            &ns,
            "serviceAccount",
            json!("root@acme.iam.gserviceaccount.com"),
        )
        .to_string();
        let huge = with(&ns, "groups", json!(vec!["g"; 100_000])).to_string();
        for body in [
            "",
            "{",
            "[]",
            "null",
            "{\"namespace\": 3}",
            &unknown_key,
            &huge,
        ] {
            let answer = post(&ns, Some(&token), body.to_owned()).await?;
            ensure!(
                matches!(answer.status, 400 | 413),
                "{}: {} {}",
                &body[..body.len().min(40)],
                answer.status,
                answer.body
            );
        }
        ensure!(ns.identities().await?.is_empty());
        Ok(())
    })
}

#[test]
fn only_posts_to_one_path_are_served() -> Result<()> {
    with_namespace(|ns| async move {
        let (https, url) = (ns.stack.https()?, ns.stack.broker_url());
        ensure!(
            https
                .get(format!("{url}/v1/identities"))
                .send()
                .await?
                .status()
                == 405
        );
        // Metrics have their own port.
        for path in ["v1/secrets", "metrics"] {
            ensure!(
                https.get(format!("{url}/{path}")).send().await?.status() == 404,
                "{path}"
            );
        }
        for path in ["healthz", "readyz"] {
            ensure!(
                https.get(format!("{url}/{path}")).send().await?.status() == 200,
                "{path}"
            );
        }
        Ok(())
    })
}
