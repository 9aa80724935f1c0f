//! Adoption of an object of Argo: an admin assigns it to a user, as it is now.

use namesake_core::{Json, Launcher, Stamp};

use super::early::evaluate;
use crate::admit::admission::{Admission, Decided};
use crate::admit::early::Early;
use crate::decide::argo::{ArgoKind, custody, reference};
use crate::decide::kinds::{Parts, Scope};
use crate::decide::mutate;
use crate::decide::pod_model::containers::Digests;
use crate::decide::who::Principal;
use crate::decide::who::adopt::Adoption;
use crate::review::outcome::Outcome;

/// Decides about an adopted object: the rules decide as if the user had created it.
pub(super) async fn adopt(
    admission: &Admission<'_>,
    argo_kind: ArgoKind,
    adoption: &Adoption,
    new: &Parts<'_>,
) -> Decided {
    let (context, kind) = (admission.context, admission.kind);
    let name = admission.object.metadata.name.as_deref();
    let of = (kind, name.unwrap_or_default());
    let stamp = adoption.stamp();
    let argo = custody::adopted(of, argo_kind, stamp, new);
    let stamp = Stamp {
        argo: Some(argo.map_err(|refused| admission.refuse(refused))?),
        runs: Vec::new(),
        containers: Digests::new(),
        ..stamp.clone()
    };
    let principal = Principal::of_stamp(&stamp, Launcher::Workflow, of);
    let early = match spec_of_pods(admission, argo_kind, new) {
        Some(spec) => evaluate(admission, &principal, spec).await?,
        None => Early::undecided(&principal),
    };
    let metadata = &admission.object.metadata;
    let change = mutate::stamped(context, metadata, &stamp, Outcome::Adopted);
    Ok(early.verdict(change))
}

// The spec whose pods will run as its user; none if it runs the spec of another object, or if that is decided at each run.
fn spec_of_pods<'n, 'a>(
    admission: &Admission<'_>,
    argo_kind: ArgoKind,
    new: &'n Parts<'a>,
) -> Option<&'n Json<'a>> {
    match argo_kind {
        ArgoKind::Template => (admission.kind.scope == Scope::Namespaced).then_some(&new.spec),
        ArgoKind::Workflow => Some(custody::running(new)),
        ArgoKind::CronWorkflow => {
            let spec = new.spec.get("workflowSpec");
            reference::named(spec).is_none().then_some(spec)
        }
    }
}
