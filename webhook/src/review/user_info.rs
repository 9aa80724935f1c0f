//! The requester of a review, as the API server authenticated it.

use namesake_core::Text;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::review::text::objects_only;

/// The requester, as the API server authenticated it.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct UserInfo<'a> {
    /// Name of the person, service account or node.
    pub username: Text<'a>,
    /// Groups.
    pub groups: Option<Vec<Text<'a>>>,
    /// Additional data from the authenticator.
    pub extra: Option<Extra<'a>>,
}

/// The part of `userInfo.extra` that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Extra<'a> {
    #[serde(rename = "authentication.kubernetes.io/credential-id")]
    credential_id: Option<Vec<IgnoredAny>>,
    #[serde(rename = "authentication.kubernetes.io/pod-name")]
    pod_name: Option<Vec<Text<'a>>>,
    #[serde(rename = "authentication.kubernetes.io/pod-uid")]
    pod_uid: Option<Vec<Text<'a>>>,
}

impl UserInfo<'_> {
    /// Whether the request has a credential id. An impersonated request has none.
    #[must_use]
    pub fn has_credential_id(&self) -> bool {
        let ids = self.extra.as_ref().and_then(|e| e.credential_id.as_ref());
        ids.is_some_and(|ids| !ids.is_empty())
    }

    /// Whether it is the kubelet of a node. Group and user name are compared, as the API server's own authorizer of nodes does:
    /// the group alone could come from an identity provider.
    #[must_use]
    pub fn is_kubelet(&self) -> bool {
        let mut groups = self.groups.iter().flatten();
        groups.any(|group| group.as_str() == "system:nodes")
            && self.username.starts_with("system:node:")
    }

    /// Whether the credential was issued to a pod.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.pod().is_some()
    }

    /// Name and UID of the pod that the credential was issued to.
    #[must_use]
    pub fn pod(&self) -> Option<(&str, &str)> {
        let extra = self.extra.as_ref().filter(|_| self.has_credential_id())?;
        let name = extra.pod_name.as_ref()?.first()?.as_str();
        Some((name, extra.pod_uid.as_ref()?.first()?.as_str()))
    }
}

objects_only!(UserInfo, Extra);
