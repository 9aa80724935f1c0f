//! The account that `who` is asked about, and whether an entry of a log is about it. Pure.

use kube::ResourceExt;
use namesake_api::Identity;
use namesake_core::is_managed_name;

/// End of the e-mail address of every Google service account of a project.
const GOOGLE_DOMAIN: &str = ".iam.gserviceaccount.com";

/// An account, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Namespace of the KSA.
    pub(super) namespace: Option<String>,
    /// Name of the KSA.
    pub(super) name: Option<String>,
    /// E-mail address of the GSA.
    pub(super) email: Option<String>,
    /// Project of the cluster.
    pub(super) cluster_project: Option<String>,
    /// Project of the identity at Google.
    pub(super) project: Option<String>,
}

impl Account {
    /// Reads `NAME`, `NAMESPACE/NAME` or an e-mail address.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c);
            !name.is_empty() && name.bytes().all(legal)
        };
        if let Some((local, domain)) = text.split_once('@') {
            if !is_name(local) || !domain.ends_with(GOOGLE_DOMAIN) || !is_name(domain) {
                return Err(format!(
                    "{text:?} is not the address of a Google service account (NAME@PROJECT{GOOGLE_DOMAIN}); of a person, kubectl \
                     namesake explain user {text:?} shows the accounts"
                ));
            }
            return Ok(Self {
                // Of a generated account the name is the same on both sides.
                name: is_managed_name(local).then(|| local.to_owned()),
                email: Some(text.to_owned()),
                project: domain.strip_suffix(GOOGLE_DOMAIN).map(str::to_owned),
                ..Self::default()
            });
        }
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if !is_name(name) || !namespace.is_none_or(is_name) {
            return Err(format!(
                "{text:?} is not an account: write NAME, NAMESPACE/NAME or an e-mail address"
            ));
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            ..Self::default()
        })
    }

    /// Whether an Identity is that of this account.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        let email = identity.spec.google_service_account.as_ref();
        match &self.email {
            Some(own) if email.is_some() => email == Some(own),
            _ => self.is_service_account(
                &identity.namespace().unwrap_or_default(),
                &identity.name_any(),
            ),
        }
    }

    /// The account with what its Identity says.
    pub(super) fn with(self, identity: &Identity) -> Self {
        Self {
            namespace: identity.namespace(),
            name: Some(identity.name_any()),
            email: identity.spec.google_service_account.clone(),
            cluster_project: identity.spec.cluster.split('/').nth(1).map(str::to_owned),
            project: Some(identity.spec.project.clone()),
        }
    }

    /// Whether it is this KSA.
    pub(super) fn is_service_account(&self, namespace: &str, name: &str) -> bool {
        self.name.as_deref() == Some(name)
            && self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    /// Whether it is this GSA.
    pub(super) fn is_email(&self, email: &str) -> bool {
        match (&self.email, &self.name) {
            (Some(own), _) => own == email,
            (None, Some(name)) => email.split_once('@').is_some_and(|(local, domain)| {
                local == name && is_managed_name(name) && domain.ends_with(GOOGLE_DOMAIN)
            }),
            (None, None) => false,
        }
    }

    /// Whether Google's name of a principal is this KSA: `serviceAccount:POOL[NAMESPACE/NAME]`, or
    /// `principal://…/subject/ns/NAMESPACE/sa/NAME`.
    pub(super) fn is_subject(&self, subject: &str) -> bool {
        let in_brackets = subject
            .strip_suffix(']')
            .and_then(|rest| rest.split_once('['));
        let in_brackets = in_brackets.and_then(|(_, inside)| inside.split_once('/'));
        let as_path = subject.rsplit_once("/subject/ns/");
        let as_path = as_path.and_then(|(_, rest)| rest.split_once("/sa/"));
        let found = in_brackets.or(as_path);
        found.is_some_and(|(namespace, name)| self.is_service_account(namespace, name))
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        let name = match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
            (None, name) => name.clone(),
            (Some(_), None) => None,
        };
        let both = [name, self.email.clone()];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::identities::tests::identity;

    const NAME: &str = "mf-alice-aaaaaaaaaaaaaa";

    #[test]
    fn an_account_is_a_name_with_or_without_its_namespace_or_an_address() {
        let account = Account::parse("research/mf-alice-aaaaaaaaaaaaaa").unwrap();
        assert_eq!(account.namespace.as_deref(), Some("research"));
        let generated = format!("{NAME}@acme-identities.iam.gserviceaccount.com");
        let account = Account::parse(&generated).unwrap();
        assert_eq!(account.name.as_deref(), Some(NAME));
        assert_eq!(account.project.as_deref(), Some("acme-identities"));
        let pinned = Account::parse("bob-ml@acme.iam.gserviceaccount.com").unwrap();
        assert_eq!(pinned.name, None);
        for wrong in [
            "",
            "alice@acme.com",
            "a b",
            "/x",
            "x/",
            "a/b/c",
            "x@y.iam.gserviceaccount.com\" OR \"1",
        ] {
            assert!(Account::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn google_names_the_kubernetes_account_in_two_ways() {
        let account = Account::parse(&format!("research/{NAME}")).unwrap();
        for subject in [
            format!("serviceAccount:acme.svc.id.goog[research/{NAME}]"),
            format!(
                "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/acme.svc.id.goog/subject/ns/research/sa/{NAME}"
            ),
        ] {
            assert!(account.is_subject(&subject), "{subject}");
            assert!(!account.is_subject(&subject.replace("research", "other")));
            assert!(!account.is_subject(&format!("{subject}x")));
        }
        assert!(!account.is_subject("user:alice@acme.com"));
    }

    #[test]
    fn an_account_is_completed_by_its_identity_only() {
        let alice = identity("alice", "InUse", "True", "Ready");
        let account = Account::parse(NAME).unwrap();
        assert!(
            account.is_of(&alice) && !account.is_of(&identity("bob", "InUse", "True", "Ready"))
        );
        let account = account.with(&alice);
        assert_eq!(account.cluster_project.as_deref(), Some("acme"));
        assert!(account.is_email(&format!("{NAME}@acme-identities.iam.gserviceaccount.com")));
        assert!(!account.is_email(&format!("{NAME}@other.iam.gserviceaccount.com")));
        assert!(!Account::parse("other/x").unwrap().is_of(&alice));
    }
}
