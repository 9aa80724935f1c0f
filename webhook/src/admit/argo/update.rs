//! A changed object of Argo: its stamp is restored, whatever the request contains, and signed again for its user.

use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{ArgoStamp, Launcher, SealError, Stamp};

use super::adopt::adopt;
use super::early::evaluate;
use super::fetch::template;
use crate::admit::admission::{Admission, Decided, Refusal, facts, unexpected};
use crate::admit::parts::{self, BothVersions};
use crate::decide::argo::object::own_digest;
use crate::decide::argo::{self, ArgoKind, custody, deployed, reference};
use crate::decide::kinds::{Parts, Scope};
use crate::decide::mutate;
use crate::decide::who::adopt::adoption;
use crate::decide::who::{self, Principal, Standing, stamp};
use crate::review::Metadata;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::Facts;

/// A changed object of Argo, and what is known of it.
struct Changed<'a> {
    admission: &'a Admission<'a>,
    argo_kind: ArgoKind,
    /// Metadata before the change.
    old: &'a Metadata<'a>,
    /// The stamp that it has, and whether that is valid.
    found: Option<&'a Result<Stamp, SealError>>,
    standing: Standing,
}

/// Restores or signs its stamp, or refuses the change. What Argo writes is never refused.
pub(in crate::admit) async fn update(admission: &Admission<'_>, body: &[u8]) -> Decided {
    let (context, request, kind) = (admission.context, admission.request, admission.kind);
    let (Some(old), Some(argo_kind)) = (&request.old_object, argo::argo_kind(kind)) else {
        return Err(admission.refuse(unexpected(request)));
    };
    let (old, metadata) = (&old.metadata, &admission.object.metadata);
    let found = stamp::of_metadata(context, &request.namespace, kind, old);
    let stamp = found.as_ref().and_then(|found| found.as_ref().ok());
    let changed = Changed {
        admission,
        argo_kind,
        old,
        found: found.as_ref(),
        standing: custody::standing(context, request, old, stamp),
    };
    let versions = match parts::read(body) {
        Ok(versions) => versions,
        // Too deep to be read: nothing of it is signed again.
        Err(_) if changed.standing == Standing::Carrier => {
            let change = mutate::restored(metadata, old.annotation(STAMP_ANNOTATION));
            return Ok(change.into_verdict(changed.facts(stamp)));
        }
        Err(refused) => return Err((refused, changed.facts(stamp))),
    };
    // Argo writes values from templates, which prove nothing.
    if changed.standing != Standing::Carrier {
        let adoption = adoption(context, request, kind, (old, metadata));
        let adoption = adoption.map_err(|refused| admission.refuse(refused))?;
        if let Some(adoption) = adoption {
            let BothVersions { old, mut new } = versions;
            let user = adoption.stamp().user.as_ref();
            let cleaned = admission.sanitize(user, &old, &mut new);
            let verdict = adopt(admission, argo_kind, &adoption, &new).await?;
            return Ok(cleaned.add_to(verdict));
        }
    }
    changed.admit(stamp, versions).await
}

impl Changed<'_> {
    // The facts for the log: the object belongs to the user of this stamp.
    fn facts(&self, stamp: Option<&Stamp>) -> Facts {
        let user = stamp.and_then(|stamp| stamp.user.as_ref());
        Facts {
            user: user.map(ToString::to_string),
            outcome: Outcome::Restored,
            ..facts(self.admission.request)
        }
    }

    // Decides about a change that is not an adoption.
    async fn admit(&self, stamp: Option<&Stamp>, versions: BothVersions<'_>) -> Decided {
        let BothVersions { old, mut new } = versions;
        let (admission, metadata) = (self.admission, &self.admission.object.metadata);
        let deployer = self.new_deployer(stamp, &old, &new);
        let user = match &deployer {
            Some(deployer) => deployer.user(),
            None => stamp.and_then(|stamp| stamp.user.as_ref()),
        };
        let cleaned = admission.sanitize(user, &old, &mut new);
        if let (Some(found), true) = (self.found, self.argo_kind != ArgoKind::Template)
            && let Some(member) = custody::refused_change(self.standing, &old, &new)
        {
            return Err((self.not_yours(found, &member), self.facts(stamp)));
        }
        let next = match (deployer, stamp) {
            (Some(deployer), stamp) => Some(self.deployed_by(deployer, stamp, &old, &new).await?),
            (None, None) => None,
            (None, Some(stamp)) => Some(self.next_stamp(stamp, &old, &new).await?),
        };
        // The same text if it means the same: a second pass over the output of the webhook changes nothing.
        let signed = next.as_ref().filter(|next| Some(*next) != stamp);
        let change = match signed {
            Some(next) => mutate::stamped(admission.context, metadata, next, Outcome::Restored),
            None => mutate::restored(metadata, self.old.annotation(STAMP_ANNOTATION)),
        };
        let facts = self.facts(next.as_ref().or(stamp));
        Ok(cleaned.add_to(change.into_verdict(facts)))
    }

    fn not_yours(&self, found: &Result<Stamp, SealError>, member: &str) -> Refused {
        let name = self.old.name.as_deref().unwrap_or_default();
        let requester = &self.admission.request.user_info.username;
        custody::not_yours((self.admission.kind, name), requester, found, member)
    }

    // The requester, if this deploys a template again: a template belongs to whoever deployed it last. Trusted controllers,
    // updaters and admins leave it to whom it belongs.
    fn new_deployer(
        &self,
        stamp: Option<&Stamp>,
        old: &Parts<'_>,
        new: &Parts<'_>,
    ) -> Option<Principal> {
        let keeps_owner = matches!(
            self.standing,
            Standing::Carrier | Standing::Updater | Standing::Admin
        ) && stamp.is_some();
        if self.argo_kind != ArgoKind::Template || old.spec == new.spec || keeps_owner {
            return None;
        }
        let (context, request) = (self.admission.context, self.admission.request);
        let metadata = &self.admission.object.metadata;
        let launcher = Launcher::Workflow;
        Some(who::requesting(
            context,
            &request.user_info,
            metadata,
            launcher,
        ))
    }

    // The stamp of a template that is deployed again. It also signs the version before, if that was of the same user and as signed.
    async fn deployed_by(
        &self,
        deployer: Principal,
        stamp: Option<&Stamp>,
        old: &Parts<'_>,
        new: &Parts<'_>,
    ) -> Result<Stamp, Refusal> {
        let (admission, context) = (self.admission, self.admission.context);
        if admission.kind.scope == Scope::Namespaced {
            evaluate(admission, &deployer, &new.spec).await?;
        }
        let digest = own_digest(ArgoKind::Template, &new.spec);
        let before = match stamp {
            Some(Stamp {
                user,
                argo: Some(ArgoStamp::Own { digest: before, .. }),
                ..
            }) if user.is_some()
                && deployer.user() == user.as_ref()
                && *before == own_digest(ArgoKind::Template, &old.spec) =>
            {
                Some(before.clone()).filter(|before| *before != digest)
            }
            _ => None,
        };
        let namespace = &admission.request.namespace;
        let object = stamp::existing(self.old);
        Ok(Stamp {
            taken_over_at: Some(context.now),
            argo: Some(ArgoStamp::Own { digest, before }),
            ..stamp::for_object(context, namespace, admission.kind, object, &deployer)
        })
    }

    // The stamp of an object that stays with whom it belongs to.
    async fn next_stamp(
        &self,
        stamp: &Stamp,
        old: &Parts<'_>,
        new: &Parts<'_>,
    ) -> Result<Stamp, Refusal> {
        let admission = self.admission;
        let with = |argo| custody::stamp_of_existing(stamp, self.old, argo);
        if self.argo_kind == ArgoKind::Template {
            let argo = match old.spec == new.spec {
                true => stamp.argo.clone(),
                false => Some(custody::own(ArgoKind::Template, &new.spec)),
            };
            return Ok(with(argo));
        }
        if let Some(reference) = deployed::awaited(self.standing, stamp, new) {
            // Updates of Argo are never refused: without an answer its pods wait, and its next update tries again.
            let Ok(found) = template(admission, reference).await else {
                return Ok(with(stamp.argo.clone()));
            };
            let template = found.as_ref();
            let template = template.and_then(|found| found.stamp_and_spec(admission));
            return Ok(with(Some(deployed::deployed(
                stamp,
                template.as_ref(),
                new,
            ))));
        }
        let Some(argo) = &stamp.argo else {
            return Ok(with(None));
        };
        if self.standing == Standing::Owner
            && old.spec != new.spec
            && matches!(argo, ArgoStamp::Own { .. })
        {
            self.evaluate_own_change(stamp, new).await?;
        }
        let argo = custody::signed_after_change(argo, self.argo_kind, old, new);
        Ok(with(Some(argo)))
    }

    // Its user changes what it runs: the rules decide as for a new one.
    async fn evaluate_own_change(&self, stamp: &Stamp, new: &Parts<'_>) -> Result<(), Refusal> {
        let (admission, context) = (self.admission, self.admission.context);
        let info = &admission.request.user_info;
        let principal = who::requesting(context, info, self.old, Launcher::Workflow);
        let spec = match self.argo_kind {
            ArgoKind::CronWorkflow => new.spec.get("workflowSpec"),
            ArgoKind::Workflow | ArgoKind::Template => &new.spec,
        };
        if reference::named(spec).is_none() {
            evaluate(admission, &principal, spec).await?;
        } else if self.argo_kind == ArgoKind::Workflow {
            let refused = self.not_yours(&Ok(stamp.clone()), "spec.workflowTemplateRef");
            return Err((refused, mutate::facts(&principal, None)));
        }
        Ok(())
    }
}
