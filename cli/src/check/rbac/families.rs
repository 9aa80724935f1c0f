//! Families of rights with which one can act as another user, and where they matter.

use namesake_core::Reason;

use super::Right;
use super::rights::*;
use crate::check::Severity;

/// How the ClusterRole of a program can be narrowed so that the program keeps working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Narrowing {
    /// By Roles in the namespaces where it works.
    ByNamespace,
    /// By namespace too, unless it creates pods for others: the rules should then list it under carriers.
    ByNamespaceOrCarrier,
    /// By the names of its own objects, for rights that are about objects of certain names.
    ByName,
    /// By other rules in its role.
    AsInstead,
}

/// Rights that others should not have, for one reason.
pub(super) struct Family<'a> {
    pub(super) check: Reason,
    pub(super) severity: Severity,
    pub(super) rights: &'static [Right],
    /// The consequence of having one, printed after the rights.
    pub(super) consequence: &'a str,
    /// The alternative to keeping the binding.
    pub(super) instead: &'static str,
    /// How a program that holds such a right in the whole cluster can keep working.
    pub(super) narrowing: Narrowing,
}

/// Checks of what trusted controllers exist to do.
pub(super) const OF_CARRIERS: [Reason; 2] = [Reason::CheckDevelopers, Reason::CheckOurNamespace];

pub(super) const EVERYWHERE: [Family<'_>; 8] = [
    Family {
        check: Reason::CheckAdmins,
        severity: Severity::Critical,
        rights: &[ADMINISTER],
        consequence: "to every policy, and it is not known who that is: all users, all accounts, or whoever can create a pod there",
        instead: "name the people",
        narrowing: Narrowing::AsInstead,
    },
    Family {
        check: Reason::CheckDevelopers,
        severity: Severity::Critical,
        rights: &[RUN],
        consequence: "in every namespace, so also with the accounts of controllers",
        instead: "bind the role in the namespaces where they work",
        narrowing: Narrowing::ByNamespaceOrCarrier,
    },
    Family {
        check: Reason::CheckImpersonation,
        severity: Severity::Critical,
        rights: &[
            IMPERSONATE_USERS,
            IMPERSONATE_GROUPS,
            IMPERSONATE_ACCOUNTS,
            IMPERSONATE_EXTRAS,
        ],
        consequence: "in the whole cluster: they can act as whoever they name",
        instead: "a role without impersonation; whoever keeps it for some names, resourceNames, acts as those, and stays a finding unless --trust names it",
        narrowing: Narrowing::ByName,
    },
    Family {
        check: Reason::CheckTokens,
        severity: Severity::Critical,
        rights: &[TOKENS],
        consequence: "in every namespace: whoever has a token of an account acts as it",
        instead: "bind the role in the namespaces where they work",
        narrowing: Narrowing::ByNamespace,
    },
    Family {
        check: Reason::CheckGuards,
        severity: Severity::Critical,
        rights: &[POLICIES, CONFIGURATIONS],
        consequence: ": policies cannot protect policies, and a webhook can change what admins write",
        instead: "a role without admission policies; webhook configurations of its own it keeps by resourceNames",
        narrowing: Narrowing::ByName,
    },
    Family {
        check: Reason::CheckEscalation,
        severity: Severity::Critical,
        rights: &[ESCALATE, BIND, SIGN],
        consequence: "in the whole cluster: that amounts to every right",
        instead: "a role without escalate; bind and sign it keeps for roles and signers of its own, resourceNames",
        narrowing: Narrowing::ByName,
    },
    Family {
        check: Reason::CheckKubelets,
        severity: Severity::Critical,
        rights: &[KUBELETS],
        consequence: ": no webhook and no policy sees it",
        instead: "a role with nodes/metrics and nodes/stats",
        narrowing: Narrowing::AsInstead,
    },
    Family {
        check: Reason::CheckOurSecrets,
        severity: Severity::Critical,
        rights: &[SECRETS],
        consequence: ": whoever has the stamp key signs as anyone",
        instead: "bind the role in other namespaces; and rotate the stamp key, docs/operate.md",
        narrowing: Narrowing::ByNamespace,
    },
];

pub(super) const HOME_SECRETS: &Family<'_> = &EVERYWHERE[7];
pub(super) const HOME: Family<'_> = Family {
    check: Reason::CheckOurNamespace,
    severity: Severity::Warning,
    rights: &[
        WRITE_SECRETS,
        WRITE_RULES,
        RUN,
        ENTER,
        REACH,
        of(TOKENS, OUR_ACCOUNTS),
    ],
    consequence: "in Namesake's namespace: only the policy namesake-system prevents it",
    instead: "bind the role in other namespaces",
    narrowing: Narrowing::ByNamespace,
};
pub(super) const UNGUARDED_HOME: Family<'_> = Family {
    severity: Severity::Critical,
    consequence: "in Namesake's namespace, and no policy prevents it",
    ..HOME
};
// Policies do not see impersonation.
pub(super) const HOME_IMPERSONATION: Family<'_> = Family {
    check: Reason::CheckImpersonation,
    severity: Severity::Critical,
    rights: &[of(IMPERSONATE_ACCOUNTS, OUR_ACCOUNTS)],
    consequence: "in Namesake's namespace: the webhook's can read the stamp key, with which one signs as anyone",
    instead: "bind the role in other namespaces",
    narrowing: Narrowing::ByName,
};
pub(super) const HOME_ROLES: Family<'_> = Family {
    check: Reason::CheckEscalation,
    severity: Severity::Critical,
    rights: &[ESCALATE, BIND],
    consequence: "in Namesake's namespace",
    instead: "bind the role in other namespaces",
    narrowing: Narrowing::ByName,
};
pub(super) const GUARDED_HOME: Family<'_> = Family {
    check: Reason::CheckGuardedAccounts,
    severity: Severity::Critical,
    rights: &[RUN, ENTER, TOKENS, IMPERSONATE_ACCOUNTS],
    consequence: "in the namespace of a guarded account, and so act as that account",
    instead: "move the account to a namespace of its own",
    narrowing: Narrowing::AsInstead,
};
pub(super) const OPTED_IN: Family<'_> = Family {
    check: Reason::CheckOptedInRights,
    severity: Severity::Warning,
    rights: &[TOKENS, IMPERSONATE_ACCOUNTS],
    consequence: "of a namespace where each account belongs to a user",
    instead: "a role without these two rights, docs/trust.md, \"Taking rights away\"",
    narrowing: Narrowing::AsInstead,
};
pub(super) const OPTED_IN_DENIED: Family<'_> = Family {
    rights: &[IMPERSONATE_ACCOUNTS],
    instead: "a role without this right, docs/trust.md, \"Taking rights away\"",
    ..OPTED_IN
};
