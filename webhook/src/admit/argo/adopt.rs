//! Adoption of an object of Argo: an admin says whose it is, as it stands now.

use std::collections::BTreeMap;

use namesake_core::Stamp;

use super::Asked;
use super::create::{by, nothing};
use super::early::evaluate;
use crate::admit::{asks, done};
use crate::decide::argo::Role;
use crate::decide::argo::custody;
use crate::decide::argo::reference;
use crate::decide::kinds::Parts;
use crate::decide::mutate::{self, Picked};
use crate::decide::who;
use crate::decide::who::adopt;
use crate::review::Metadata;
use crate::review::verdict::{Facts, Refused, Verdict};
use namesake_core::Json;

/// What becomes of an object that an admin gives to a user; none if nobody asks for that. The rules are asked as if the
/// user had made it.
pub(super) async fn adopted(
    asked: &Asked<'_, '_>,
    old: &Metadata<'_>,
    new: &Parts<'_>,
) -> Result<Option<Verdict>, (Refused, Facts)> {
    let (context, request, kind) = (asked.context, asked.request, asked.kind);
    let refuse = |refused: Refused| (refused, asks(request));
    let metadata = &asked.object.metadata;
    let given = adopt::given(context, request, kind, (old, metadata)).map_err(refuse)?;
    let again = || adopt::again(context, request, kind, old, metadata);
    let Some(stamp) = given.or_else(again) else {
        return Ok(None);
    };
    let name = old.name.as_deref().unwrap_or_default();
    let argo = custody::given(asked.role, &stamp, new);
    let argo = argo.ok_or_else(|| refuse(custody::nothing_stored(kind, name)))?;
    let stamp = Stamp {
        argo: Some(argo),
        runs: Vec::new(),
        containers: BTreeMap::new(),
        ..stamp
    };
    let asker = by(stamp.clone(), |requester| {
        who::unmapped(requester, kind, name)
    });
    let early = match runs(asked, new) {
        Some(spec) => evaluate(asked, &asker, spec).await?,
        None => nothing(&asker),
    };
    let picked = Picked {
        not_made: early.missing,
        ..Picked::default()
    };
    let change = mutate::restamped(context, metadata, &stamp, picked, "adopted");
    Ok(Some(done(change, early.facts)))
}

// The spec whose pods will be its user's; none if that is another object's, or decided where it is run.
fn runs<'n, 'a>(asked: &Asked<'_, '_>, new: &'n Parts<'a>) -> Option<&'n Json<'a>> {
    match asked.role {
        Role::Template => (!super::fetch::home(asked.kind, "x").is_empty()).then_some(&new.spec),
        Role::Workflow => Some(custody::running(new)),
        Role::CronWorkflow => {
            Some(new.spec.get("workflowSpec")).filter(|spec| reference::named(spec).is_none())
        }
    }
}
