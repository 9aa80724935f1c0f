//! Uniqueness: exactly one identity per user, never somebody else's, and deleted with its namespace.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams},
};
use namesake_api::names::{GSA_ANNOTATION, MARK_ANNOTATION};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{account_of, with_namespace},
};

#[test]
fn fifty_pods_of_ten_new_users_at_once_create_ten_identities_and_nothing_else() -> Result<()> {
    with_namespace(|ns| async move {
        let users: Vec<String> = (0..10).map(|n| format!("crowd{n}@acme.com")).collect();
        let people = try_join_all(users.iter().map(|user| ns.person(user))).await?;
        try_join_all(
            people
                .iter()
                .map(|person| person.create::<Job>(metaflow_job().pods(5))),
        )
        .await?;
        let pods = eventually("fifty pods", async || {
            let pods = ns.pods().await?;
            ensure!(pods.len() == 50, "{} pods", pods.len());
            Ok(pods)
        })
        .await?;
        let mut by_account: BTreeMap<&str, usize> = BTreeMap::new();
        for pod in &pods {
            *by_account.entry(account_of(pod)).or_default() += 1;
        }
        ensure!(
            by_account.len() == 10 && by_account.values().all(|&count| count == 5),
            "{by_account:?}"
        );
        let identities = ns.identities().await?;
        let of: BTreeSet<_> = identities
            .iter()
            .map(|identity| identity.spec.user.clone())
            .collect();
        ensure!(
            identities.len() == 10 && of == users.into_iter().collect(),
            "{of:?}"
        );
        for pod in &pods {
            ns.wait_until_ungated(pod).await?;
        }
        let names: BTreeSet<_> = identities.iter().map(ResourceExt::name_any).collect();
        ensure!(
            ns.managed_accounts()
                .await?
                .into_iter()
                .collect::<BTreeSet<_>>()
                == names,
            "service accounts"
        );
        let google = ns.stack.google().accounts_of(&ns.name);
        ensure!(google == names, "at Google: {google:?}, here: {names:?}");
        Ok(())
    })
}

#[test]
fn the_same_user_in_two_namespaces_is_two_identities() -> Result<()> {
    with_namespace(|ns| async move {
        let other = ns.neighbour().await?;
        other.opt_in().await?;
        let mut accounts = BTreeSet::new();
        for place in [&ns, &other] {
            let made = place.alice().await?.create::<Pod>(pod()).await?;
            place.runs_as(&made, ALICE).await?;
            accounts.insert(account_of(&made).to_owned());
        }
        ensure!(accounts.len() == 2, "{accounts:?}");
        other.delete().await
    })
}

#[test]
fn an_account_names_its_identity_its_google_account_and_its_creator() -> Result<()> {
    with_namespace(|ns| async move {
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        let identity = ns.runs_as(&made, ALICE).await?;
        let account: ServiceAccount = ns.admin().await?.all().get(account_of(&made)).await?;
        let annotation = |key: &str| account.annotations().get(key).cloned();
        ensure!(annotation(GSA_ANNOTATION) == identity.spec.google_service_account);
        let mark = annotation(MARK_ANNOTATION).unwrap_or_default();
        ensure!(
            mark.contains(&format!("ksa={}/{}", ns.name, account.name_any())),
            "{mark}"
        );
        eventually("its Identity owns it", async || {
            let now: ServiceAccount = ns.admin().await?.all().get(account_of(&made)).await?;
            ensure!(now.uid() == account.uid(), "it was created again");
            let owner = now.owner_references().first().map(|owner| &owner.uid);
            ensure!(owner == identity.uid().as_ref(), "its owner is {owner:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn a_foreign_google_account_is_never_taken_over() -> Result<()> {
    with_namespace(|ns| async move {
        let google = ns.stack.google();
        let name = ns.name_for("squatted@acme.com");
        google.create_account(&name, "somebody else's")?;
        let new_user = ns.person("squatted@acme.com").await?;
        let made = new_user.create::<Pod>(pod()).await?;
        eventually("the Identity says that there is a conflict", async || {
            let identity = ns.identity_of(&made).await?;
            let conditions = identity.status.clone().unwrap_or_default().conditions;
            ensure!(
                conditions
                    .iter()
                    .any(|c| c.status == "False" && c.message.contains(&name)),
                "{conditions:?}"
            );
            ensure!(!identity.is_ready());
            Ok(())
        })
        .await?;
        ensure!(google.description_of(&name)? == "somebody else's");
        ensure!(google.members_of(&name)?.is_empty(), "somebody was let in");
        Ok(())
    })
}

#[test]
fn users_that_differ_by_case_are_one_and_by_anything_else_are_two() -> Result<()> {
    with_namespace(|ns| async move {
        let mut accounts = BTreeMap::new();
        for user in [
            "Dana.Doe@ACME.com",
            "dana.doe@acme.com",
            "danadoe@acme.com",
            "dana_doe@acme.com",
            "dana-doe@acme.com",
        ] {
            let made = ns.person(user).await?.create::<Pod>(pod()).await?;
            accounts.insert(user, account_of(&made).to_owned());
        }
        ensure!(
            accounts["Dana.Doe@ACME.com"] == accounts["dana.doe@acme.com"],
            "{accounts:?}"
        );
        let different: BTreeSet<_> = accounts.values().collect();
        ensure!(different.len() == 4, "{accounts:?}");
        Ok(())
    })
}

#[test]
fn a_user_name_that_is_not_valid_is_refused_by_name() -> Result<()> {
    with_namespace(|ns| async move {
        let long = format!("{}@acme.com", "a".repeat(300));
        for user in [
            long.as_str(),
            "../../etc/passwd@acme.com",
            "a b@acme.com",
            "@acme.com",
            "alice@acme.com@acme.com",
        ] {
            let refusal = refused(
                ns.person(user)
                    .await?
                    .create::<Job>(metaflow_job().without_account())
                    .await,
            );
            let refusal = match refusal {
                Ok(refusal) => refusal.with_code(403)?,
                // Valid, if unusual: then it is a different user.
                Err(accepted) => {
                    let own = ns
                        .identities()
                        .await?
                        .into_iter()
                        .any(|identity| identity.spec.user == user);
                    ensure!(own, "{user:?} was accepted as somebody else: {accepted}");
                    continue;
                }
            };
            refusal.with_message("user")?;
        }
        // Not the same as without the dot, so the rules do not match.
        let dotted = ns
            .person("alice@acme.com.")
            .await?
            .create::<Job>(metaflow_job().without_account())
            .await?;
        let made = ns.pod_of(&dotted).await?;
        ensure!(
            account_of(&made) == "default",
            "it runs as {}",
            account_of(&made)
        );
        Ok(())
    })
}

#[test]
fn a_namespace_with_identities_can_be_deleted() -> Result<()> {
    with_namespace(|ns| async move {
        let other = ns.neighbour().await?;
        other.opt_in().await?;
        let made = other.alice().await?.create::<Pod>(pod()).await?;
        other.wait_until_ungated(&made).await?;
        other.delete().await?;
        other.wait_until_gone().await
    })
}

#[test]
fn a_deletecollection_of_accounts_completes_and_leaves_the_managed_ones() -> Result<()> {
    with_namespace(|ns| async move {
        let made = ns.alice().await?.create::<Pod>(pod()).await?;
        let mallory = ns.mallory().await?;
        let accounts = mallory.all::<ServiceAccount>();
        let others = ListParams::default().labels("!app.kubernetes.io/managed-by");
        accounts
            .delete_collection(&DeleteParams::default(), &others)
            .await?;
        let all = accounts
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await;
        refused(all.map(|_| ()))?
            .with_code(403)?
            .with_message("managed by Namesake")?;
        ensure!(ns.managed_accounts().await? == [account_of(&made)]);
        Ok(())
    })
}
