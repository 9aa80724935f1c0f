//! One change of the plan, done: in the cluster here, at Google in `google`.

use std::time::Duration;

use futures::TryFutureExt;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ServiceAccount as Account;
use kube::{Api, ResourceExt};
use namesake_api::Identity;
use namesake_api::conditions;
use namesake_api::names::{BINDING_READY, VERIFIED};

use super::memory::Memory;
use super::{Context, google, leave};
use crate::cluster::ensure;
use crate::google::verify;
use crate::google::written::{Entry, Members};
use crate::identity::conditions::Finding;
use crate::identity::failure::{Failure, Retry};
use crate::identity::objects::{self, Judgement};
use crate::identity::plan::{Change, ServiceAccount};
use crate::identity::reason::ConditionReason;
use crate::server::config::Timings;

/// Limit of each call of a proof: why it fails should be known soon, and it is tried again anyway.
const PROOF: Duration = Duration::from_secs(8);

/// What a step has done and learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// The step found something missing and put it there.
    pub(crate) repaired: bool,
    /// The KSA, after a step on it.
    pub(crate) service_account: Option<ServiceAccount>,
    /// UID of the KSA, after a step on it.
    pub(crate) service_account_uid: Option<String>,
    /// The KSA is gone.
    pub(crate) forget_service_account: bool,
    /// The GSA is gone, and nobody will want it back.
    pub(crate) forget_google_id: bool,
    /// How the identity is called at Google: to be recorded before it is written there.
    pub(crate) record: Option<Members>,
    /// What was taken back at Google.
    pub(crate) taken: Vec<Entry>,
    /// What a user who has left still has.
    pub(crate) left: Option<Vec<String>>,
    /// Pods run as the identity.
    pub(crate) used: bool,
    /// It is not done yet: again after so long.
    pub(crate) again: Option<Duration>,
    /// `uniqueId` of the GSA, after a look at it.
    pub(crate) google_id: Option<String>,
    /// What is so whatever the plan says.
    pub(crate) findings: Vec<Finding>,
    /// Who else is in the policy of the GSA.
    pub(crate) exclusive: Option<Finding>,
}

/// What a look at the KSA has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The KSA as it is.
    pub(crate) account: ServiceAccount,
    /// Its UID, where it is right and the status does not say so yet.
    pub(crate) learned: Option<String>,
}

impl From<ServiceAccount> for Look {
    fn from(account: ServiceAccount) -> Self {
        Self {
            account,
            learned: None,
        }
    }
}

/// The KSA as it is. Unless this is to be thorough, what the watch has shown is enough. One that nobody has recorded is right
/// only when nothing but itself had to be made.
pub(crate) async fn look(
    identity: &Identity,
    context: &Context,
    thorough: bool,
) -> Result<Look, Failure> {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let wanted = objects::service_account(
        identity,
        &objects::mark(identity).map_err(ensure::Error::from)?,
    );
    let recorded = identity.service_account_uid();
    let may_learn = recorded.is_none() && !thorough && objects::is_alone(identity);
    let looks = |account: ServiceAccount, uid: &str| Look {
        account,
        learned: may_learn.then(|| uid.to_owned()),
    };
    let shown = || context.accounts.uid(&namespace, &name);
    let shown = may_learn.then(shown).flatten();
    let judged = |uid| context.accounts.judge(&wanted, uid);
    if let Some(uid) = recorded.or(shown.as_deref()).filter(|_| !thorough)
        && let Some(judged) = judged(uid)
    {
        return Ok(looks(right(&judged), uid));
    }
    let api = Api::<Account>::namespaced(context.client.clone(), &namespace);
    let found = api.get_opt(&name).await;
    let found = found.map_err(ensure::Error::kube(format!(
        "a look at service account {namespace}/{name}"
    )))?;
    let Some(there) = found else {
        return Ok(ServiceAccount::Absent.into());
    };
    let uid = there.uid().unwrap_or_default();
    let same = may_learn || Some(uid.as_str()) == recorded;
    let judged = objects::judge(&there, &wanted);
    match judged {
        Judgement::Right | Judgement::Unowned => {
            context.accounts.found_right(&there.metadata);
            let complete =
                || ensure::has_role_bindings(&context.client, identity).map_err(Failure::from);
            if same && (!thorough || complete().await?) {
                return Ok(looks(right(&judged), &uid));
            }
            Ok(ServiceAccount::Drifted.into())
        }
        Judgement::Drifted => Ok(ServiceAccount::Drifted.into()),
        // What is recorded is ours, whatever was done to its number.
        Judgement::Cut if same && recorded.is_some() => Ok(ServiceAccount::Drifted.into()),
        // Said, or made anew, by whoever tries to make it.
        Judgement::Leftover | Judgement::Cut | Judgement::Foreign(_) => {
            Ok(ServiceAccount::Absent.into())
        }
    }
}

/// One that is as it should be, but perhaps for its owner.
fn right(judged: &Judgement) -> ServiceAccount {
    match judged {
        Judgement::Unowned => ServiceAccount::Unowned,
        _ => ServiceAccount::Right,
    }
}

impl Done {
    /// Whether a restart would only do it again: nothing that the status must know.
    pub(crate) fn may_be_forgotten(&self, identity: &Identity) -> bool {
        let status = identity.status.as_ref();
        let known = status.and_then(|status| status.google_service_account_id.as_deref());
        let learned = self
            .google_id
            .as_deref()
            .is_some_and(|id| Some(id) != known);
        let forgets = self.forget_service_account || self.forget_google_id;
        let records = self.record.is_some() || !self.taken.is_empty() || self.left.is_some();
        let waits = self.again.is_some() || self.used;
        !(learned || forgets || records || waits || self.service_account_uid.is_some())
    }
}

/// Does one change.
pub(crate) async fn take(
    identity: &Identity,
    context: &Context,
    change: &Change,
    memory: &mut Memory,
) -> Result<Done, Failure> {
    if at_google(change) {
        context.place.check(&identity.spec.cluster)?;
    }
    match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => {
            service_account(identity, context).await
        }
        Change::OwnServiceAccount => own(identity, context).await,
        Change::FindGoogleAccount => google::find(identity, context).await,
        Change::SeeGoogleAccount => google::see(identity, context).await,
        Change::Bind => google::bind(identity, context).await,
        Change::Grant(resource) => google::grant(identity, context, resource).await,
        Change::Prove => {
            let google = context.gcp.within(PROOF);
            let last = memory.proves_last();
            let (client, token) = (&context.client, &mut memory.token);
            let proven = verify::prove(identity, client, &google, last, token).await;
            proven.map(|()| Done::default())
        }
        Change::ProveAgain => {
            let google = context.gcp.within(PROOF);
            let proven = verify::prove_again(identity, &context.client, &google).await;
            proven.map(|()| Done::default())
        }
        Change::Record => google::record(identity, context).await,
        Change::Revoke => leave::revoke(identity, context).await,
        Change::DeleteGoogleAccount => leave::delete_account(identity, context).await,
        Change::Unbind => leave::unbind(identity, context).await,
        Change::DisableGoogleAccount => leave::disable(identity, context).await,
        Change::Drain => leave::drain(identity, context).await,
        Change::DeleteServiceAccount => leave::delete_service_account(identity, context).await,
        Change::DeleteIdentity => leave::delete_identity(identity, context).await,
    }
}

async fn service_account(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let account = ensure::service_account(&context.client, identity).await?;
    Ok(Done {
        service_account: Some(ServiceAccount::Right),
        service_account_uid: account.uid(),
        ..Done::default()
    })
}

/// Makes the Identity the owner of its KSA, all of which is seen on this occasion.
async fn own(identity: &Identity, context: &Context) -> Result<Done, Failure> {
    let (account, judged) = ensure::owned(&context.client, identity).await?;
    let right = judged == Judgement::Right;
    if right {
        context.accounts.found_right(&account.metadata);
    }
    let now = if right {
        ServiceAccount::Right
    } else {
        ServiceAccount::Drifted
    };
    Ok(Done {
        service_account: Some(now),
        ..Done::default()
    })
}

/// Whether a change is one in the cluster: those do not wait for Google.
pub(crate) const fn in_cluster(change: &Change) -> bool {
    matches!(
        change,
        Change::CreateServiceAccount
            | Change::RepairServiceAccount
            | Change::OwnServiceAccount
            | Change::DeleteServiceAccount
            | Change::DeleteIdentity
    )
}

/// Whether a change is one at Google, or speaks to it as the identity.
const fn at_google(change: &Change) -> bool {
    matches!(
        change,
        Change::FindGoogleAccount
            | Change::SeeGoogleAccount
            | Change::Bind
            | Change::Grant(_)
            | Change::Prove
            | Change::ProveAgain
            | Change::Revoke
            | Change::DeleteGoogleAccount
            | Change::Unbind
            | Change::DisableGoogleAccount
    )
}

/// How long to wait after a step before the next: only looks and proofs of the same thing have to be apart.
pub(crate) fn pause(change: &Change, next: Option<&Change>, timings: &Timings) -> Duration {
    match (change, next) {
        (Change::SeeGoogleAccount, Some(Change::SeeGoogleAccount)) => timings.sighting,
        (Change::Prove, Some(Change::Prove)) => timings.proof,
        _ => Duration::ZERO,
    }
}

/// A change's name in metrics and Events.
pub(crate) const fn name(change: &Change) -> &'static str {
    match change {
        Change::CreateServiceAccount => "CreateServiceAccount",
        Change::RepairServiceAccount => "RepairServiceAccount",
        Change::OwnServiceAccount => "OwnServiceAccount",
        Change::FindGoogleAccount => "FindGoogleAccount",
        Change::SeeGoogleAccount => "SeeGoogleAccount",
        Change::Bind => "Bind",
        Change::Grant(_) => "Grant",
        Change::Prove => "Prove",
        Change::ProveAgain => "ProveAgain",
        Change::Record => "Record",
        Change::Revoke => "Revoke",
        Change::DeleteGoogleAccount => "DeleteGoogleAccount",
        Change::Unbind => "Unbind",
        Change::DisableGoogleAccount => "DisableGoogleAccount",
        Change::Drain => "Drain",
        Change::DeleteServiceAccount => "DeleteServiceAccount",
        Change::DeleteIdentity => "DeleteIdentity",
    }
}

/// A proof that keeps failing past the deadline says so, and is tried slowly from then on.
pub(crate) fn overdue(
    identity: &Identity,
    context: &Context,
    change: &Change,
    failure: Failure,
) -> Failure {
    let deadline =
        SignedDuration::try_from(context.config.timings.deadline).unwrap_or(SignedDuration::MAX);
    let status = identity.status.clone().unwrap_or_default();
    let times = [BINDING_READY, VERIFIED]
        .into_iter()
        .filter_map(|c| conditions::get(&status.conditions, c));
    let since = times.map(|c| c.last_transition_time.0).max();
    let late = since.is_some_and(|since| context.now().duration_since(since) > deadline);
    // What the organization refuses it says itself.
    if *change != Change::Prove || !late || failure.is_of_the_organization() {
        return failure;
    }
    let (waited, why) = (words(context.config.timings.deadline), &failure.message);
    let suspicion = verify::suspicion(identity, &failure);
    let message =
        format!("not proven within {waited}, which is longer than Google needs: {why}{suspicion}");
    Failure {
        reason: ConditionReason::DeadlineExceeded.as_str(),
        message,
        retry: Retry::Slowly,
        ..failure
    }
}

fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_and_proofs_are_apart_and_nothing_else_is_waited_for() {
        let timings = Timings::default();
        let wait = |change: Change, next: Option<Change>| pause(&change, next.as_ref(), &timings);
        let see = || Change::SeeGoogleAccount;
        assert_eq!(wait(see(), Some(see())), timings.sighting);
        assert_eq!(wait(Change::Prove, Some(Change::Prove)), timings.proof);
        for (change, next) in [
            (Change::FindGoogleAccount, Some(see())),
            (see(), Some(Change::Bind)),
            (Change::Bind, Some(Change::Prove)),
            (Change::Prove, None),
        ] {
            assert_eq!(wait(change, next), Duration::ZERO);
        }
    }
}
