//! A refusal comes at the object that the person made, of whatever kind, and says rule, requester and remedy.

use anyhow::{Context, Result};
use namesake_tests::{drafts::metaflow_pod, namespace::with_namespace};
use serde_json::json;

use crate::abuse::raw::{parents, place, sends};

#[test]
fn a_deny_rule_refuses_the_object_of_every_kind_that_the_person_creates() -> Result<()> {
    with_namespace(|ns| async move {
        let carl = ns.person("carl@contractor.example").await?;
        let mut all = parents();
        all.push(("v1/pods", metaflow_pod().into_value()));
        for (of, mut object) in all {
            let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
            object["apiVersion"] = json!(api_version);
            object["metadata"]["name"] = json!("denied");
            let answer = sends(&carl, "POST", &place(of, &ns.name), &object).await?;
            answer
                .tells(&[
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
