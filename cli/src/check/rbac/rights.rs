//! Rights with which one can act as another user. Pure.

use namesake_api::names;

use super::Right;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const CHANGE: &[&str] = &["create", "update", "patch"];

/// API groups.
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

const IMPERSONATE: &[&str] = &[
    "impersonate",
    // Since Kubernetes 1.35, one verb for each kind of user.
    "impersonate:user-info",
    "impersonate:serviceaccount",
    "impersonate:arbitrary-node",
];
const OURS: &[&str] = &[names::AUTHORITY_SECRET, names::STAMP_KEY_SECRET];
pub(in crate::check) const OUR_ACCOUNTS: &[&str] = &[
    names::WEBHOOK_SERVICE_ACCOUNT,
    names::BROKER_SERVICE_ACCOUNT,
];
/// ClusterRoles with which one can obtain every right.
const ROLES: &[&str] = &[
    "cluster-admin",
    "admin",
    "edit",
    "namesake-identities-admin",
];

const fn right(
    words: &'static str,
    verbs: &'static [&'static str],
    resources: &'static [(&'static str, &'static str)],
) -> Right {
    Right {
        words,
        verbs,
        resources,
        names: &[],
    }
}

pub(in crate::check) const fn of(right: Right, names: &'static [&'static str]) -> Right {
    Right { names, ..right }
}

pub(in crate::check) const ADMINISTER: Right = right(
    "count as admins",
    &["administer"],
    &[(names::GROUP, "identities")],
);
pub(in crate::check) const GUARDED: Right =
    right("are guarded", &["guarded"], &[(names::GROUP, "identities")]);
pub(in crate::check) const CARRY: Right =
    right("carry", &["carry"], &[(names::GROUP, "identities")]);
pub(in crate::check) const READ_JOBS: Right = right("read Jobs", &["list"], &[("batch", "jobs")]);
pub(in crate::check) const SECRETS: Right = of(
    right("read Namesake's Secrets", READ, &[("", "secrets")]),
    OURS,
);
pub(in crate::check) const WRITE_SECRETS: Right = of(
    right("write Namesake's Secrets", WRITE, &[("", "secrets")]),
    OURS,
);
pub(in crate::check) const WRITE_RULES: Right = of(
    right("write the rules", WRITE, &[("", "configmaps")]),
    &[names::RULES_CONFIG_MAP, names::ACCEPTED_RULES_CONFIG_MAP],
);
pub(in crate::check) const RUN: Right = right(
    "create or change pods",
    CHANGE,
    &[
        ("", "pods"),
        ("", "pods/ephemeralcontainers"),
        ("", "replicationcontrollers"),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
        ("batch", "cronjobs"),
        ("batch", "jobs"),
    ],
);
pub(in crate::check) const ENTER: Right = right(
    "enter pods",
    &["create", "get"],
    &[
        ("", "pods/attach"),
        ("", "pods/exec"),
        ("", "pods/portforward"),
        ("", "pods/proxy"),
    ],
);
// Through the API server, from which the webhook accepts reviews: whoever sends one gets stamps signed.
pub(in crate::check) const REACH: Right = right(
    "connect to what runs there through the API server",
    &["create", "get", "update"],
    &[("", "pods/proxy"), ("", "services/proxy")],
);
pub(in crate::check) const TOKENS: Right = right(
    "request tokens of service accounts",
    &["create"],
    &[("", "serviceaccounts/token")],
);
pub(in crate::check) const IMPERSONATE_ACCOUNTS: Right = right(
    "impersonate service accounts",
    IMPERSONATE,
    &[("", "serviceaccounts"), (AUTHENTICATION, "serviceaccounts")],
);
pub(in crate::check) const IMPERSONATE_USERS: Right = right(
    "impersonate users",
    IMPERSONATE,
    &[("", "users"), (AUTHENTICATION, "users")],
);
pub(in crate::check) const IMPERSONATE_GROUPS: Right = right(
    "impersonate groups",
    IMPERSONATE,
    &[("", "groups"), (AUTHENTICATION, "groups")],
);
// With these, impersonation looks like a token of the account itself.
pub(in crate::check) const IMPERSONATE_EXTRAS: Right = right(
    "set the extras of whom they impersonate",
    IMPERSONATE,
    &[
        (AUTHENTICATION, "userextras"),
        (
            AUTHENTICATION,
            "userextras/authentication.kubernetes.io/credential-id",
        ),
        (AUTHENTICATION, "uids"),
    ],
);
pub(in crate::check) const POLICIES: Right = right(
    "change admission policies or their bindings",
    WRITE,
    &[
        (ADMISSION, "validatingadmissionpolicies"),
        (ADMISSION, "validatingadmissionpolicybindings"),
        (ADMISSION, "mutatingadmissionpolicies"),
        (ADMISSION, "mutatingadmissionpolicybindings"),
    ],
);
/// A program with webhooks has to write its own configurations, and can keep that right by `resourceNames`.
pub(in crate::check) const CONFIGURATIONS: Right = of(
    right(
        "change webhook configurations",
        WRITE,
        &[
            (ADMISSION, "mutatingwebhookconfigurations"),
            (ADMISSION, "validatingwebhookconfigurations"),
        ],
    ),
    &[names::WEBHOOK_CONFIGURATION],
);
pub(in crate::check) const ESCALATE: Right = right(
    "grant rights that they do not have (escalate)",
    &["escalate"],
    &[(RBAC, "clusterroles"), (RBAC, "roles")],
);
pub(in crate::check) const BIND: Right = of(
    right(
        "bind roles that they do not have (bind)",
        &["bind"],
        &[(RBAC, "clusterroles"), (RBAC, "roles")],
    ),
    ROLES,
);
pub(in crate::check) const SIGN: Right = of(
    right(
        "approve client certificates of any user",
        &["approve", "sign"],
        &[("certificates.k8s.io", "signers")],
    ),
    &["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"],
);
pub(in crate::check) const KUBELETS: Right = right(
    "enter any pod through its kubelet, bypassing admission",
    &["create", "get"],
    &[("", "nodes/proxy")],
);
