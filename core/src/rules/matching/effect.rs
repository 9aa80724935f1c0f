//! What a pod that a rule matches gets.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    names::quoted,
    rules::yaml::{Fields, invalid, values::service_account},
};

/// Longest message of a `deny`, in bytes.
const MAX_DENY_BYTES: usize = 1000;

/// What a pod that a rule matches gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum Effect {
    /// A refusal with the admin's message.
    Deny { deny: String },
    /// A service account that an admin created.
    ServiceAccount { service_account: String },
    /// An identity of this class.
    Identity { identity: String },
}

impl Effect {
    pub(super) fn read(fields: &mut Fields<'_>, class_names: &BTreeSet<&str>) -> Option<Effect> {
        let (deny, account, identity) = (
            fields.get("deny"),
            fields.get("serviceAccount"),
            fields.get("identity"),
        );
        match (deny, account, identity) {
            (Some(deny), None, None) => deny.read(|text| {
                let legal = !text.trim().is_empty()
                    && text.len() <= MAX_DENY_BYTES
                    && !text.chars().any(char::is_control);
                let what = || format!("{} is not a message", quoted(text));
                let remedy = || {
                    format!("write one line of at most {MAX_DENY_BYTES} bytes that says what to do")
                };
                if legal {
                    Ok(Effect::Deny {
                        deny: text.to_owned(),
                    })
                } else {
                    Err(invalid(what(), remedy()))
                }
            }),
            (None, Some(account), None) => Some(Effect::ServiceAccount {
                service_account: account.read(service_account)?,
            }),
            (None, None, Some(identity)) => identity.read(|text| {
                if class_names.contains(text) {
                    return Ok(Effect::Identity {
                        identity: text.to_owned(),
                    });
                }
                let known: Vec<&str> = class_names.iter().copied().collect();
                let remedy = format!(
                    "add it to identities, or write one of: {}",
                    known.join(", ")
                );
                Err(invalid(
                    format!("there is no class {}", quoted(text)),
                    remedy,
                ))
            }),
            _ => {
                let remedy = "write exactly one of deny, serviceAccount and identity";
                fields
                    .item
                    .report(invalid("the rule must have exactly one effect", remedy));
                None
            }
        }
    }
}
