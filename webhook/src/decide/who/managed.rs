//! Requests of managed KSAs: what a task pod creates belongs to the user whose pod it is.

use namesake_core::{Reason, Refusal, User, is_managed_name};

use crate::decide::known::KnownIdentity;
use crate::review::UserInfo;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Namespace and name of the managed KSA that sent a request, if one did.
#[must_use]
pub fn managed_account<'a>(info: &'a UserInfo<'_>) -> Option<(&'a str, &'a str)> {
    let account = info.username.strip_prefix(SERVICE_ACCOUNT)?;
    account
        .split_once(':')
        .filter(|(_, name)| is_managed_name(name))
}

/// The user as whom the requester acts, if it is a managed KSA; `known` is the Identity of its name in the namespace of the request.
#[must_use]
pub fn managed(
    info: &UserInfo<'_>,
    namespace: &str,
    known: Option<&KnownIdentity>,
) -> Option<Result<User, Refusal>> {
    let (home, _) = managed_account(info)?;
    Some(user_of(info, home, namespace, known))
}

fn user_of(
    info: &UserInfo<'_>,
    home: &str,
    namespace: &str,
    known: Option<&KnownIdentity>,
) -> Result<User, Refusal> {
    let refuse = |reason, what: &str| Refusal {
        rule: None,
        reason,
        message: format!("{} {what}", info.username),
    };
    if home != namespace {
        let what =
            "acts for its user in its own namespace only: create the object there, or as yourself";
        return Err(refuse(Reason::UnknownIdentity, what));
    }
    if !info.is_pod() {
        let what = "acts for its user only with a token that its pod was given, and this request has none: it \
                    impersonates the account, or uses a token that was requested by hand. Send the request as yourself";
        return Err(refuse(Reason::NotAPod, what));
    }
    let Some(known) = known else {
        let what = "is the account of no Identity that is known here. Try again in a minute; if it lasts, ask the platform \
                    team to look at the Identity of this name";
        return Err(refuse(Reason::UnknownIdentity, what));
    };
    if known.user.is_empty() {
        let what = format!(
            "is shared by the users of class {}, so that no single user is proven. Create the object as yourself, or ask \
             your admin for a class per user",
            known.class
        );
        return Err(refuse(Reason::SharedIdentity, &what));
    }
    User::exact(&known.user).map_err(|error| {
        let what = format!(
            "has an Identity whose user is not legal: {error}. Ask the platform team to look at it"
        );
        refuse(Reason::IllegalUser, &what)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KSA: &str = "system:serviceaccount:research:mf-alice-4k72lwgc2tsmxd";

    fn acts_for(username: &str, pod: bool, user: Option<&str>) -> Option<Result<String, Reason>> {
        let mut extra = json!({"authentication.kubernetes.io/credential-id": ["JTI=1"]});
        if pod {
            extra["authentication.kubernetes.io/pod-name"] = json!(["p"]);
            extra["authentication.kubernetes.io/pod-uid"] = json!(["u"]);
        }
        let info: Value = json!({"username": username, "extra": extra});
        let text = info.to_string();
        let info: UserInfo<'_> = serde_json::from_str(&text).unwrap();
        let known = user.map(|user| KnownIdentity {
            user: user.into(),
            class: "research".into(),
            service_account_uid: None,
            ready: true,
            stalled: None,
        });
        let answer = managed(&info, "research", known.as_ref())?;
        Some(answer.map(|u| u.to_string()).map_err(|r| r.reason))
    }

    #[test]
    fn a_managed_account_acts_for_its_user_from_its_own_pod_and_in_its_own_namespace_only() {
        let alice = Some("alice@acme.com");
        assert_eq!(
            acts_for(KSA, true, alice),
            Some(Ok("alice@acme.com".to_owned()))
        );
        assert_eq!(acts_for(KSA, false, alice), Some(Err(Reason::NotAPod)));
        assert_eq!(
            acts_for(KSA, true, None),
            Some(Err(Reason::UnknownIdentity))
        );
        assert_eq!(
            acts_for(KSA, true, Some("")),
            Some(Err(Reason::SharedIdentity))
        );
        let elsewhere = KSA.replace("research", "prod");
        assert_eq!(
            acts_for(&elsewhere, true, alice),
            Some(Err(Reason::UnknownIdentity))
        );
        assert_eq!(
            acts_for("system:serviceaccount:research:robot", true, alice),
            None
        );
        assert_eq!(acts_for("alice@acme.com", true, alice), None);
    }
}
