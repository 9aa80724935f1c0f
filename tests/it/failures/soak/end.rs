//! The expected state after the faults, compared with the state of Google.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{ResourceExt, api::ListParams};
use namesake_api::{Identity, Mode, Phase};
use namesake_tests::{google::email, namespace::TestNamespace};

use super::{
    acts::World,
    book::{PINNED, PINNED_ACCOUNT, people, person},
    found::{Role, found},
    plan::{Book, Class},
    watch::is_gated,
};

/// The reasons for which a pod may fail: an admin, the rules or Google really refused.
const TRUE_REASONS: [&str; 7] = [
    "Suspended",
    "Offboarding",
    "Gone",
    "Draining",
    "Deleting",
    "NoIdentity",
    "DeadlineExceeded",
];

/// The expected state of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Works,
    Rests,
    Gone,
}

/// The expected state by the rules, and by whether its user was offboarded before.
pub(super) fn wanted(identity: &Identity, book: &Book) -> Wanted {
    let of = |list: &BTreeSet<usize>| list.iter().any(|who| person(*who) == identity.spec.user);
    let left = matches!(identity.phase(), Phase::Offboarding | Phase::Gone);
    if of(&book.offboarded) || (left && !of(&book.returned)) {
        Wanted::Gone
    } else if identity.spec.suspended {
        Wanted::Rests
    } else {
        Wanted::Works
    }
}

/// The roles that an identity must have, by the rules.
fn roles(
    ns: &TestNamespace,
    book: &Book,
    identity: &Identity,
    account: &ServiceAccount,
) -> Result<BTreeSet<Role>> {
    let (name, spec) = (identity.name_any(), &identity.spec);
    let key = name.trim_start_matches("mf-");
    let folder = |top: &str| format!("projects/_/buckets/acme-mf/managedFolders/{top}/{key}/");
    let mut roles = BTreeSet::new();
    let mut add = |on: String, role: &str, member: &str| {
        roles.insert((on, format!("roles/{role}"), member.to_owned()));
    };
    if spec.class == Class::Notes.name() {
        ensure!(spec.mode == Mode::Direct);
        let uid = account.uid().context("no UID")?;
        let pool = "iam.googleapis.com/projects/314159265358/locations/global/workloadIdentityPools/acme.svc.id.goog";
        let member = format!("principal://{pool}/kubernetes.serviceaccount.uid/{uid}");
        add(folder("notes"), "storage.objectViewer", &member);
        return Ok(roles);
    }
    let pinned = book.pinned && spec.user == person(PINNED);
    let id = if pinned { PINNED_ACCOUNT } else { &name };
    let member = format!("serviceAccount:acme.svc.id.goog[{}/{name}]", ns.name);
    let policy = ns.stack.google().policy_of(id)?;
    add(policy, "iam.workloadIdentityUser", &member);
    if !pinned {
        roles.extend(grants(book, &name, id));
    }
    Ok(roles)
}

/// The grants of an identity that impersonates this GSA, by the rules.
fn grants(book: &Book, name: &str, id: &str) -> Vec<Role> {
    let member = format!("serviceAccount:{}", email(id));
    let bucket = "projects/_/buckets/acme-mf";
    let key = name.trim_start_matches("mf-");
    let folder = format!("{bucket}/managedFolders/users/{key}/");
    let mut grants = vec![(
        folder,
        "roles/storage.objectUser".to_owned(),
        member.clone(),
    )];
    if book.wider {
        grants.push((
            bucket.to_owned(),
            "roles/storage.objectViewer".to_owned(),
            member,
        ));
    }
    grants
}

/// The expected state of Google, by the Identities and the rules.
#[derive(Default)]
struct Expected {
    accounts: BTreeSet<String>,
    /// The GSAs of suspended identities: disabled, if they exist.
    may_rest: BTreeSet<String>,
    roles: BTreeSet<Role>,
    /// The roles of suspended identities; changes of their grants are applied when they return.
    may_be: BTreeSet<Role>,
}

impl World {
    /// Checks that everything is consistent.
    ///
    /// # Errors
    /// Something is not.
    pub(super) async fn check_consistent(&self) -> Result<()> {
        let all: kube::Api<ServiceAccount> = self.admin.all();
        let accounts = all.list(&ListParams::default()).await?.items;
        let of = |identity: Identity| {
            let mut all = accounts.iter();
            let account = all.find(|account| account.name_any() == identity.name_any());
            (identity, account.cloned())
        };
        let identities: Vec<_> = self.ns.identities().await?.into_iter().map(of).collect();
        let mut expected = Expected::default();
        for (identity, account) in &identities {
            let what = || {
                let user = &identity.spec.user;
                format!("{} of {user}: {:?}", identity.name_any(), identity.status)
            };
            let part = self.expect(identity, account.as_ref(), &mut expected);
            part.await.with_context(what)?;
        }
        let found = found(&self.ns, &identities, &self.deleted);
        let resting = found.accounts.intersection(&expected.may_rest);
        let resting: BTreeSet<_> = resting.cloned().collect();
        check_same("disabled accounts", &found.disabled, &resting)?;
        let serving = found.accounts.difference(&resting).cloned().collect();
        check_same("accounts at Google", &serving, &expected.accounts)?;
        // If somebody deletes the GSA of a suspended identity, its grants stay, in the form that Google then shows.
        let rests = |member: &str| {
            let mut resting = expected.may_rest.iter();
            member.starts_with("deleted:") && resting.any(|gsa| member.contains(gsa))
        };
        let is_odd = |role: &&Role| {
            let known = expected.roles.contains(*role) || expected.may_be.contains(*role);
            !known && !rests(&role.2)
        };
        let odd: Vec<_> = found.roles.iter().filter(is_odd).collect();
        ensure!(odd.is_empty(), "roles of nobody: {odd:#?}");
        let missing: Vec<_> = expected.roles.difference(&found.roles).collect();
        ensure!(missing.is_empty(), "missing roles: {missing:#?}");
        self.check_accounts(&identities, &accounts)?;
        self.check_no_pod_is_stuck().await
    }

    /// Checks one Identity, and adds its expected resources at Google.
    async fn expect(
        &self,
        identity: &Identity,
        account: Option<&ServiceAccount>,
        expected: &mut Expected,
    ) -> Result<()> {
        let (name, spec) = (identity.name_any(), &identity.spec);
        let wanted = wanted(identity, &self.book);
        if wanted == Wanted::Gone {
            ensure!(identity.phase() == Phase::Gone, "should be gone");
            ensure!(account.is_none(), "is gone and has a service account");
            return Ok(());
        }
        let own = spec.mode == Mode::Impersonate && !spec.pinned;
        let gsa = spec.google_service_account.clone().filter(|_| own);
        ensure!(spec.class != Class::Brief.name(), "should have gone: idle");
        if wanted == Wanted::Rests {
            ensure!(identity.phase() == Phase::Suspended, "should rest");
            ensure!(!identity.is_ready(), "rests and is ready");
            // A suspended identity needs no GSA, so it does not matter if somebody deletes it.
            expected.may_rest.extend(gsa);
            let mut wide = self.book.clone();
            wide.wider = true;
            if own {
                expected.may_be.extend(grants(&wide, &name, &name));
            }
            return Ok(());
        }
        ensure!(identity.is_ready(), "should work");
        let account = account.context("no service account")?;
        expected.accounts.extend(gsa);
        self.ns.works_at_google(&name, spec).await?;
        expected
            .roles
            .extend(roles(&self.ns, &self.book, identity, account)?);
        Ok(())
    }

    /// Checks that each service account has an Identity, except those of another stack, which stay.
    fn check_accounts(
        &self,
        identities: &[(Identity, Option<ServiceAccount>)],
        accounts: &[ServiceAccount],
    ) -> Result<()> {
        let known: BTreeSet<_> = identities
            .iter()
            .map(|(identity, _)| identity.name_any())
            .collect();
        let lone = accounts.iter().filter(|account| {
            let name = account.name_any();
            let alien = account
                .annotations()
                .values()
                .any(|text| text.contains("stack=dev"));
            name.starts_with("mf-") && !known.contains(&name) && !alien
        });
        let lone: Vec<_> = lone.map(ResourceExt::name_any).collect();
        ensure!(lone.is_empty(), "service accounts of nobody: {lone:?}");
        let aliens = accounts
            .iter()
            .filter(|account| {
                account
                    .annotations()
                    .values()
                    .any(|text| text.contains("stack=dev"))
            })
            .count();
        ensure!(
            aliens == self.aliens,
            "{aliens} of {} accounts of another stack are left",
            self.aliens
        );
        let listing = self.ns.stack.google().state().listing();
        let theirs = listing["serviceAccounts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|account| {
                let mark = format!(
                    "stack=dev cluster={} ksa={}/",
                    namesake_sandbox::CLUSTER,
                    self.ns.name
                );
                account["description"]
                    .as_str()
                    .is_some_and(|text| text.contains(&mark))
                    && account["deleted"].is_null()
                    && account["disabled"] != true
            });
        let theirs = theirs.count();
        ensure!(
            theirs == self.aliens,
            "{theirs} of {} of another stack at Google are left",
            self.aliens
        );
        Ok(())
    }

    async fn check_no_pod_is_stuck(&self) -> Result<()> {
        for pod in self.ns.pods().await? {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            let ended = matches!(phase, Some("Failed" | "Succeeded"));
            if is_gated(&pod) && !ended && pod.metadata.deletion_timestamp.is_none() {
                let identity = self
                    .ns
                    .identity_of(&pod)
                    .await
                    .map(|i| (i.spec.user, i.status));
                bail!(
                    "{} waits: {:?}; {identity:?}",
                    pod.name_any(),
                    pod.annotations()
                );
            }
        }
        Ok(())
    }

    /// Checks what must never have happened.
    ///
    /// # Errors
    /// It happened.
    pub(super) fn check_history(&self) -> Result<()> {
        let ledger = self.watch.ledger();
        ensure!(
            ledger.early.is_empty(),
            "released early: {:#?}",
            ledger.early
        );
        ensure!(ledger.working > 0, "no pod was released");
        for (pod, message) in &ledger.ended {
            let reason = message
                .trim_start_matches("Namesake: ")
                .split(':')
                .next()
                .unwrap_or_default();
            let denied = reason == "PermissionDenied" && self.was_denied;
            let late = message.contains("the pod has waited for");
            ensure!(
                denied || late || TRUE_REASONS.contains(&reason),
                "{pod} was ended with a reason that was not true: {message}"
            );
        }
        Ok(())
    }

    /// Whether a person may have a pod at the end, by their Identity and the rules.
    pub(super) async fn serves(&self, who: usize, class: Class) -> Result<bool> {
        let name = self.ns.name_in(class.name(), &person(who));
        let all: kube::Api<Identity> = self.admin.all();
        let there = all.get_opt(&name).await?;
        let serves = there.is_none_or(|identity| wanted(&identity, &self.book) == Wanted::Works);
        Ok(serves && !self.book.offboarded.contains(&who))
    }

    /// Checks that people who may have no pods lose those they had.
    pub(super) async fn check_offboarded(&self) -> Result<()> {
        for who in people() {
            if !self.serves(who, Class::Research).await? || !self.serves(who, Class::Notes).await? {
                self.ends(who).await?;
            }
        }
        Ok(())
    }
}

fn check_same(what: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>) -> Result<()> {
    let more: Vec<_> = found.difference(expected).collect();
    let less: Vec<_> = expected.difference(found).collect();
    ensure!(
        more.is_empty() && less.is_empty(),
        "{what}: too many {more:?}, missing {less:?}"
    );
    Ok(())
}
