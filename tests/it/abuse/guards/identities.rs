//! The protection of Identities from disappearing before their resources at Google are deleted.

use anyhow::{Result, ensure};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::Identity;
use namesake_tests::{cluster::refusal::refused, namespace::with_namespace};
use serde_json::{Value, json};

use super::{create_account_of_bob, person_with_cluster_rights};

#[test]
fn nobody_removes_the_finalizer_of_bobs_identity_by_any_path() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let somebody = person_with_cluster_rights(&ns).await?;
        let identities: Api<Identity> = somebody.all();
        let before = identities.get(&name).await?;
        ensure!(!before.finalizers().is_empty(), "it has none");
        for finalizers in [json!(null), json!(["mallorys.example/stays"])] {
            let edit = json!({"metadata": {"finalizers": finalizers}});
            refused(somebody.patch::<Identity>(&name, edit.clone()).await)?
                .with_code(403)?
                .with_message("only Namesake's broker and admins")?
                .with_message(&somebody.name)?;
            let (params, edit) = (PatchParams::default(), Patch::Merge(edit));
            let through_status = identities.patch_status(&name, &params, &edit).await;
            refused(through_status)?.with_code(403)?;
        }
        // RBAC has identities/finalizers, but the API server does not serve this subresource.
        let path = format!("{}/{name}/finalizers", identities.resource_url());
        let request = http::Request::put(path).body(serde_json::to_vec(&before)?)?;
        refused(somebody.client().request::<Value>(request).await)?.with_code(404)?;
        let after = identities.get(&name).await?;
        ensure!(
            after.finalizers() == before.finalizers(),
            "{:?}",
            after.finalizers()
        );
        Ok(())
    })
}

#[test]
fn only_admins_write_identities_by_hand_whatever_the_role_of_others() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs: Identity = ns
            .admin()
            .await?
            .all()
            .get(&create_account_of_bob(&ns).await?)
            .await?;
        let wish = Identity::new(&ns.name_for("carol@acme.com"), bobs.spec);
        for person in [ns.mallory().await?, ns.bob().await?, ns.webhook().await?] {
            refused(person.dry_run::<Identity>(wish.clone()).await)?.with_code(403)?;
        }
        let somebody = person_with_cluster_rights(&ns).await?;
        refused(somebody.dry_run::<Identity>(wish.clone()).await)?
            .with_code(403)?
            .with_message("only Namesake's broker and admins")?
            .with_message(&somebody.name)?;
        ns.admin().await?.dry_run::<Identity>(wish).await?;
        Ok(())
    })
}
