//! Refusals: they come at the object that the person creates, of whatever kind, and name the rule, the requester and the remedy.

use anyhow::{Context, Result};
use namesake_tests::{drafts::metaflow_pod, namespace::with_namespace};
use serde_json::json;

use crate::abuse::raw::{one_of_each_kind, place, send_json};

#[test]
fn a_deny_rule_refuses_the_object_of_every_kind_that_the_person_creates() -> Result<()> {
    with_namespace(|ns| async move {
        let carl = ns.person("carl@contractor.example").await?;
        let mut all = one_of_each_kind();
        all.push(("v1/pods", metaflow_pod().into_value()));
        for (of, mut object) in all {
            let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
            object["apiVersion"] = json!(api_version);
            object["metadata"]["name"] = json!("denied");
            let answer = send_json(&carl, "POST", &place(of, &ns.name), &object).await?;
            answer
                .expect_refusal(&[
                    "contractors",
                    "ask #ml-platform",
                    &carl.name,
                    "namesake.dev",
                ])
                .context(of)?;
        }
        Ok(())
    })
}
