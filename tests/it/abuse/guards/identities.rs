//! What keeps an Identity from going before what it made at Google has gone.

use anyhow::{Result, ensure};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::Identity;
use namesake_tests::{cluster::refusal::refused, namespace::with_namespace};
use serde_json::{Value, json};

use super::{bobs_account, powerful};

#[test]
fn nobody_takes_the_finalizer_off_bobs_identity_by_any_path() -> Result<()> {
    with_namespace(|ns| async move {
        let name = bobs_account(&ns).await?;
        let somebody = powerful(&ns).await?;
        let identities: Api<Identity> = somebody.all();
        let before = identities.get(&name).await?;
        ensure!(!before.finalizers().is_empty(), "it has none");
        for finalizers in [json!(null), json!(["mallorys.example/stays"])] {
            let edit = json!({"metadata": {"finalizers": finalizers}});
            refused(somebody.patches::<Identity>(&name, edit.clone()).await)?
                .with(403)?
                .saying("only Namesake's broker and admins")?
                .saying(&somebody.name)?;
            let (params, edit) = (PatchParams::default(), Patch::Merge(edit));
            let through_status = identities.patch_status(&name, &params, &edit).await;
            refused(through_status)?.with(403)?;
        }
        // RBAC knows identities/finalizers, and the API server serves none: there is nothing to write through.
        let path = format!("{}/{name}/finalizers", identities.resource_url());
        let request = http::Request::put(path).body(serde_json::to_vec(&before)?)?;
        refused(somebody.client().request::<Value>(request).await)?.with(404)?;
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
fn an_admin_may_write_an_identity_and_nobody_else_whatever_their_role() -> Result<()> {
    with_namespace(|ns| async move {
        let bobs: Identity = ns
            .admin()
            .await?
            .all()
            .get(&bobs_account(&ns).await?)
            .await?;
        let wish = Identity::new(&ns.name_for("carol@acme.com"), bobs.spec);
        for person in [ns.mallory().await?, ns.bob().await?, ns.webhook().await?] {
            refused(person.dry_runs::<Identity>(wish.clone()).await)?.with(403)?;
        }
        let somebody = powerful(&ns).await?;
        refused(somebody.dry_runs::<Identity>(wish.clone()).await)?
            .with(403)?
            .saying("only Namesake's broker and admins")?
            .saying(&somebody.name)?;
        ns.admin().await?.dry_runs::<Identity>(wish).await?;
        Ok(())
    })
}
