//! Requests to the broker, like the webhook's.

use std::net::SocketAddr;

use anyhow::Result;
use namesake_api::names::{BROKER_AUDIENCE, IDENTITIES_PATH, WEBHOOK_SERVICE_ACCOUNT};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::Stack;

/// The request for this user's identity of the class `research`.
#[must_use]
pub fn identity_request(namespace: &str, user: &str) -> Value {
    json!({"namespace": namespace, "class": "research", "user": user, "groups": [], "values": {"user": user}})
}

impl Stack {
    /// The address of the broker.
    #[must_use]
    pub fn broker_address(&self) -> SocketAddr {
        self.broker_address
    }

    /// Sends a request as the webhook to the broker at this address, and returns status and body.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn ask_broker(&self, broker: SocketAddr, body: &Value) -> Result<(u16, Value)> {
        let cluster = self.cluster();
        let audiences = [BROKER_AUDIENCE];
        let home = self.home();
        let token = cluster.token(&home, WEBHOOK_SERVICE_ACCOUNT, &audiences);
        self.post_to_broker(broker, Some(&token.await?), body.to_string())
            .await
    }

    /// Sends a request with this token to the broker at this address, and returns status and body.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn post_to_broker(
        &self,
        broker: SocketAddr,
        token: Option<&SecretString>,
        body: String,
    ) -> Result<(u16, Value)> {
        let request = self
            .https()?
            .post(format!("https://{broker}{IDENTITIES_PATH}"));
        let request = request.header("content-type", "application/json");
        let request = token.iter().fold(request, |request, token| {
            request.bearer_auth(token.expose_secret())
        });
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }
}
