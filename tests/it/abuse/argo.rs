//! Argo, with one person who deploys a flow and another who starts it. The tests write in place of Argo's controller, with its account.

mod attacks;
mod down;
mod feeding;
mod parallel;
mod pods;
mod stock;

use anyhow::Result;
use kube::api::DynamicObject;
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::replayed_argo::{Controller, FLOW, create, template, trigger},
    namespace::TestNamespace,
};
use serde_json::Value;

/// Alice deploys the flow.
struct Deployed {
    ns: TestNamespace,
    alice: Person,
    bob: Person,
    mallory: Person,
    argo: Controller,
}

async fn deployed(ns: TestNamespace) -> Result<Deployed> {
    let (alice, bob, mallory) = (ns.alice().await?, ns.bob().await?, ns.mallory().await?);
    let argo = Controller::of(&ns).await?;
    create(&alice, &template()).await?;
    Ok(Deployed {
        ns,
        alice,
        bob,
        mallory,
        argo,
    })
}

impl Deployed {
    /// Bob starts it, and Argo stores its spec.
    async fn started(&self) -> Result<DynamicObject> {
        let workflow = create(&self.bob, &trigger()).await?;
        refused(self.argo.create_step_pod(&workflow, "start").await)?
            .with_code(503)?
            .with_message(FLOW)?;
        Ok(self.argo.store_spec(&workflow, &template()["spec"]).await?)
    }

    /// The deployed spec, changed by this person to run something else.
    async fn swapped_by(&self, person: &Person) -> Result<Value> {
        let mut other = template();
        for template in other["spec"]["templates"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            if template.get("container").is_some() {
                template["container"]["image"] = "evil".into();
            }
        }
        self.deploys(person, &other).await?;
        Ok(other["spec"].take())
    }

    /// Replaces the deployed template.
    async fn deploys(&self, person: &Person, template: &Value) -> Result<DynamicObject> {
        let spec = serde_json::json!({"spec": template["spec"]});
        Ok(namesake_tests::controllers::replayed_argo::patch(
            person,
            "WorkflowTemplate",
            FLOW,
            spec,
        )
        .await?)
    }
}
