//! All reasons: code, word, kind, meaning, and what to do about it. docs/reasons.md is generated from this table. A code is never
//! changed or used again: core/testdata/reasons.txt has every code that there ever was.

mod refusals;

refusals::after_refusals! {
    "Done or in progress":
    NS2001 Pending(Passing) "about to be done" => "wait";
    NS2002 Created(Done) "the service account exists" => "";
    NS2003 Visible(Done) "the Google service account exists" => "";
    NS2004 Bound(Done) "binding and grants are written" => "";
    NS2005 Verified(Done) "a pod's full path to Google was verified" => "";
    NS2006 NotNeeded(Done) "mode direct needs no Google service account" => "";
    NS2007 NoForeignMembers(Done) "nobody else has a role on the identity's Google service account" => "";
    NS2008 Ready(Done) "the identity works" => "";
    NS2009 WaitingUntilVisible(Passing) "a new Google service account does not show up everywhere yet"
        => "wait a minute or two";
    NS2010 NotYetVisible(Passing) "Google does not find a new Google service account everywhere yet"
        => "wait a minute or two";
    NS2011 Propagating(Passing) "Google is distributing a change"
        => "wait 2 to 7 minutes";
    NS2012 Queued(Passing) "there are more changes than Google's rate limits allow, and each waits for its turn"
        => "wait: `kubectl namesake explain` says for how long that lately takes";
    NS2013 SpecChanged(Passing) "the spec has changed, and the condition is verified again" => "wait";
    NS2014 Recreated(Passing) "the service account was created again, and is verified again" => "wait";
    NS2015 Revoking(Passing) "grants that the rules no longer give are being revoked" => "wait";
    NS2016 Used(Passing) "the identity was used right before it would have been removed" => "wait";
    NS2017 Unbinding(Passing) "the binding is about to be removed"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2018 Unbound(Done) "nothing acts as the identity"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2019 Disabling(Passing) "the Google service account is about to be disabled"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2020 Disabled(Done) "the Google service account is disabled"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2021 TakenDown(Done) "the identity is removed, so there is nothing to verify"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2022 Draining(Passing) "the identity gets no new pods, and is removed after its last pod"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2023 Removed(Done) "the service account and its RoleBindings are deleted"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2024 Deleted(Done) "the Google service account is deleted"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2025 FellBackToDirect(Done) "the project has no room for a Google service account, and the identity uses mode direct" => "";

    "May pass by itself":
    NS2101 Throttled(Passing) "Google takes no more requests for now"
        => "nothing; ask Google for a higher rate if it goes on";
    NS2102 Unavailable(Passing) "Google does not answer"
        => "check the network to Google if it goes on";
    NS2103 Timeout(Passing) "Google answers too slowly"
        => "check the network to Google if it goes on";
    NS2104 Unauthenticated(Passing, 401) "credentials are missing or not accepted: the broker's own at Google, or the caller's at the broker"
        => "check the broker's Google service account and its binding, or the caller's token";
    NS2105 NotFound(Passing, 404) "something that the message names does not exist"
        => "create it, or correct the name";
    NS2106 AlreadyExists(Passing) "something of this name exists at Google already"
        => "remove what the message names";
    NS2107 ApiServerUnavailable(Passing) "the API server did not do what it was asked"
        => "check the API server";
    NS2108 NoRandomBytes(Passing) "the operating system returned no random bytes"
        => "check the node";
    NS2109 Forbidden(Passing) "RBAC or a policy denies the broker something"
        => "apply the opt-in again: docs/install.md, \"One namespace, then the next\"";
    NS2110 LeadershipLost(Passing) "this replica is not the leader any more" => "wait: the new leader goes on";

    "Lasting, until somebody does something":
    NS2201 PermissionDenied(Lasting) "Google denies it to the broker"
        => "grant what the message names; the broker tries again every five minutes";
    NS2202 Conflict(Lasting, 409) "something has the identity's name and does not belong to it, or somebody else keeps changing it"
        => "see docs/troubleshooting.md, \"The conditions of an identity\"";
    NS2203 DeadlineExceeded(Lasting) "the identity could not be verified within the time that Google needs"
        => "the message has Google's words; where Google refuses what is granted, look for a deny policy or a principal access boundary: docs/operate.md, \"Refusals by the organization\"";
    NS2204 OrganizationPolicy(Lasting) "an organization policy forbids it; the message names the constraint, and the member where Google does"
        => "see docs/operate.md, \"Refusals by the organization\"";
    NS2205 Perimeter(Lasting) "a perimeter of VPC Service Controls refuses the call; the message has the id of the violation"
        => "see docs/operate.md, \"Refusals by the organization\"";
    NS2206 ApiDisabled(Lasting) "an API of Google is not enabled"
        => "run the command in the message; it takes some minutes to take effect";
    NS2207 CredentialRejected(Lasting) "the attribute condition of a workload identity provider rejects the token; the message names pool and provider"
        => "change the condition, or correct `cluster`";
    NS2208 Invalid(Lasting) "Google does not accept the grants, or the spec is not one that the rules derive"
        => "correct the class in the rules, or delete the Identity";
    NS2209 Missing(Lasting) "the pinned account does not exist, or is disabled"
        => "create or enable it, or correct the pin";
    NS2210 BucketMissing(Lasting) "a bucket of the grants does not exist"
        => "create it, or correct the grants";
    NS2211 NotUniform(Lasting) "the bucket does not have uniform bucket-level access"
        => "run the command in the message";
    NS2212 PoolMissing(Lasting) "the project has no cluster with Workload Identity Federation yet, or the rules name another"
        => "enable it, or correct `cluster`";
    NS2213 OtherCluster(Lasting) "`cluster` in the rules is not this cluster"
        => "correct it before anything else";
    NS2214 PolicyFull(Lasting) "an IAM policy has reached its largest size"
        => "see docs/operate.md, \"Quotas\"";
    NS2215 QuotaExhausted(Lasting) "the project has no room for another Google service account"
        => "raise the quota, or delete accounts";
    NS2216 RoleNotAllowed(Lasting) "the class grants a role that `NAMESAKE_ALLOWED_ROLES` of the broker does not list"
        => "change the class, or the broker's configuration";
    NS2217 NoIdentity(Lasting) "the service account of the pod has no Identity any more"
        => "start the task again";
    NS2218 Deleting(Lasting) "the Identity is being deleted"
        => "start the task again";
    NS2219 Suspended(Lasting) "an admin has suspended the identity"
        => "ask the admin";
    NS2220 Offboarding(Lasting) "the user is offboarded, and the identity is being removed"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2221 Gone(Lasting) "the user is offboarded, and the identity is removed"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2222 IdentityFailed(Lasting) "the identity does not work, and a pod that waited for it was ended; the message has the reason"
        => "look up that reason; until it is fixed, new Jobs are refused instead of waiting";

    "In Events only":
    NS2301 Revoked(Passing) "Google refuses an identity that worked, though nothing is missing"
        => "look for a deny policy, an organization policy or a changed pool";
    NS2302 ForeignMembers(Passing) "somebody else has a role on the identity's Google service account"
        => "remove them, or set `foreignMembers: remove`";
    NS2303 Repaired(Done) "somebody changed something at Google by hand, and it was restored"
        => "change the rules instead";
    NS2304 Edited(Done) "somebody edited the spec, and it was restored"
        => "change the rules instead";
    NS2305 GrantNotRevoked(Passing) "a grant could not be revoked"
        => "revoke it by hand, or give the broker the permission";
    NS2306 RulesRejected(Lasting) "the rules as edited are not in force"
        => "correct what the Event names";
    NS2307 SameBroker(Passing) "a stack of another cluster of the workload pool may be in a namespace of the same name: then both brokers are one account to Google"
        => "see docs/operate.md, \"Several stacks\"";
    NS2308 QuotaNearlyExhausted(Passing) "a quota will be exhausted soon"
        => "see docs/operate.md, \"Quotas\"";
    NS2309 PhaseChanged(Done) "the identity entered another phase of its lifecycle"
        => "see docs/operate.md, \"Lifecycle of an identity\"";
    NS2310 GuardFaults(Lasting) "policies or webhooks that protect Namesake are missing, or weaker than shipped"
        => "apply the manifests of this version again";
    NS2311 GuardsIntact(Done) "all policies and webhooks are as shipped" => "";

    "What `check` finds":
    NS3001 CheckInstallation = "installation" (Lasting) "a policy or a webhook is missing, or weaker than shipped"
        => "apply the manifests again";
    NS3002 CheckVersion = "version" (Lasting) "the API server has no ValidatingAdmissionPolicies"
        => "upgrade it to Kubernetes 1.30 or newer";
    NS3003 CheckNetwork = "network" (Lasting) "no network policy protects the webhook"
        => "apply the manifests again";
    NS3004 CheckTokenGuard = "token-guard" (Lasting) "requests for tokens of other accounts only cause warnings"
        => "apply `manifests/token-guard` when the audit log shows none that have to continue";
    NS3005 CheckOurSecrets = "our-secrets" (Lasting) "somebody can read Namesake's Secrets, and so sign as anyone"
        => "bind the role in other namespaces, and rotate the stamp key";
    NS3006 CheckOurNamespace = "our-namespace" (Lasting) "somebody can write in Namesake's namespace by RBAC, and one policy only stops them"
        => "bind the role in other namespaces";
    NS3007 CheckDevelopers = "developers" (Lasting) "somebody can create pods in every namespace, also with the accounts of controllers"
        => "bind the role in the namespaces where they work";
    NS3008 CheckTokens = "tokens" (Lasting) "somebody can request tokens of accounts in every namespace"
        => "bind the role in the namespaces where they work";
    NS3009 CheckImpersonation = "impersonation" (Lasting) "somebody can impersonate others"
        => "take the right away, or restrict it with `resourceNames`";
    NS3010 CheckEscalation = "escalation" (Lasting) "somebody can give themselves every right"
        => "take `escalate` away, and restrict `bind` and `sign` with `resourceNames`";
    NS3011 CheckKubelets = "kubelets" (Lasting) "somebody can use the API of kubelets, which no webhook and no policy sees"
        => "use a role with `nodes/metrics` and `nodes/stats`";
    NS3012 CheckGuards = "guards" (Lasting) "somebody can change admission policies or webhook configurations"
        => "take the right away, or restrict it with `resourceNames`";
    NS3013 CheckAdmins = "admins" (Lasting) "a group of all users, or an account that everybody can act as, counts as an admin"
        => "name the people";
    NS3014 CheckGuardedAccounts = "guarded-accounts" (Lasting) "others can act as an account that acts for users, or no policy guards it"
        => "move the account to a namespace of its own, or guard it";
    NS3015 CheckCarriers = "carriers" (Lasting) "a carrier of the rules is in a namespace of users, or does not exist"
        => "move it, or remove it from `carriers`";
    NS3016 CheckTokenSecrets = "token-secrets" (Lasting) "a Secret has a token of a guarded account"
        => "delete the Secret";
    NS3017 CheckPodSecurity = "pod-security" (Lasting) "an opted-in namespace does not enforce the Pod Security Standard `baseline`"
        => "set the label that the finding names";
    NS3018 CheckMode = "mode" (Lasting) "an opted-in namespace is in mode `shadow` or `off`"
        => "set `namesake.dev/mode` to `enforce`";
    NS3019 CheckNotChecked = "not-checked" (Lasting) "no webhook selects the stack of an opted-in namespace"
        => "correct `namesake.dev/stack`, or install the stack";
    NS3020 CheckOptIn = "opt-in" (Lasting) "the webhook may not read in an opted-in namespace"
        => "apply the opt-in again";
    NS3021 CheckOptedInRights = "opted-in-rights" (Lasting) "somebody may impersonate or request tokens in an opted-in namespace"
        => "use a role without these rights: docs/trust.md, \"Taking rights away\"";
    NS3022 CheckNoProvenPerson = "no-proven-person" (Lasting) "nothing proves who created some parents of pods"
        => "create them again, or adopt them: docs/operate.md, \"Objects without a proven requester\"";
    NS3023 CheckOtherWebhooks = "other-webhooks" (Lasting) "another webhook changes pods after Namesake"
        => "make sure that it leaves account, containers and annotations of Namesake alone";
    NS3024 CheckOptedOut = "opted-out" (Lasting) "nothing checks pods that name the identities of a namespace which opted out"
        => "set the label that the finding names";

    "What `doctor` finds":
    NS3101 DoctorApiServer = "api-server" (Lasting) "the API server is too old: it has no ValidatingAdmissionPolicy v1"
        => "upgrade the cluster to Kubernetes 1.30 or newer";
    NS3102 DoctorMayInstall = "may-install" (Lasting) "you may not apply all of the manifests"
        => "let a cluster admin install Namesake";
    NS3103 DoctorWebhooks = "webhooks" (Lasting) "a webhook configuration is missing, or not as shipped"
        => "apply the manifests again";
    NS3104 DoctorPolicies = "policies" (Lasting) "a policy is missing, not bound, or weaker than shipped"
        => "apply the manifests again";
    NS3105 DoctorCaBundle = "ca-bundle" (Lasting) "the API server does not trust the webhook by the certificate of its authority, or that expires soon"
        => "restart the webhook; a new authority: docs/operate.md, \"The certificate authority\"";
    NS3106 DoctorWebhookReachable = "webhook-reachable" (Lasting) "the API server gets no answer from the webhook"
        => "look at its pods, then at the network policy: the address range of the control plane must be in it";
    NS3107 DoctorWebhookReplicas = "webhook-replicas" (Lasting) "not all replicas of the webhook are ready"
        => "`kubectl describe` its pods";
    NS3108 DoctorBrokerReplicas = "broker-replicas" (Lasting) "not all replicas of the broker are ready"
        => "`kubectl describe` its pods";
    NS3109 DoctorLeader = "leader" (Lasting) "no broker leads: new users wait, and nothing is repaired"
        => "look at the log of the broker";
    NS3110 DoctorRules = "rules" (Lasting) "the rules are missing or not valid"
        => "correct them: `kubectl namesake lint` shows each problem in its line";
    NS3111 DoctorRulesRevision = "rules-revision" (Lasting) "a program uses other rules than those that are written"
        => "look at the Events of the ConfigMap `namesake-rules`";
    NS3112 DoctorNamespaces = "namespaces" (Lasting) "no rule can match in an opted-in namespace"
        => "add the namespace to a rule and its class, or opt it out";
    NS3113 DoctorQuota = "quota" (Lasting) "at least four fifths of a quota are used"
        => "request a higher quota";
    NS3114 DoctorUnproven = "unproven" (Lasting) "some parents of pods have no proven requester"
        => "create them again, or adopt them: docs/operate.md, \"Objects without a proven requester\"";
    NS3115 DoctorExposure = "exposure" (Lasting) "`check` finds something that is open"
        => "`kubectl namesake check`";
    NS3116 DoctorMetrics = "metrics" (Lasting) "nothing scrapes the metrics"
        => "add a component of manifests/metrics to the overlay: docs/operate.md, \"Health, metrics and logs\"";
    NS3117 DoctorRights = "rights" (Lasting) "the broker lacks permissions at Google that the rules need"
        => "apply the Terraform module again, or grant the broker's account a role with them";
    NS3118 DoctorVersions = "versions" (Lasting) "webhook, broker and `kubectl namesake` are of different versions, so what one knows may not be true of the other"
        => "install the `kubectl namesake` of their version, or upgrade: docs/upgrade.md";
    NS3119 DoctorGatewayReplicas = "gateway-replicas" (Lasting) "not all replicas of the gateway are ready"
        => "`kubectl describe` its pods, and read their logs";
}
