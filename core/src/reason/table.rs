//! All reasons: code, word, kind, meaning, and what to do about it. docs/reasons.md is generated from this table. A code is never
//! changed or used again: core/testdata/reasons.txt has every code that there ever was.

super::reasons! {
    "The rules refuse":
    NS1001 NoMatch(Lasting) "no rule matches, and the rules say `noMatch: deny`"
        => "ask for a rule, or start the pod where one matches";
    NS1002 DeniedByRule(Lasting) "a rule with `deny` matches; the message is the rule's own"
        => "do what the message says";
    NS1003 NotEntitled(Lasting) "the class is not for this user, group or namespace"
        => "ask for it to be added to `for` of the class";
    NS1004 Offboarded(Lasting) "the user is listed under `offboarded`"
        => "an admin removes the user from the list, see docs/operate.md, \"Lifecycle of an identity\"";
    NS1005 UnknownRequester(Lasting) "no entry of `users` matches the requester"
        => "add an entry";
    NS1006 EmptyRequester(Lasting) "the API server named no requester"
        => "check the authentication of the API server";
    NS1007 IllegalUser(Lasting) "the requester, or the user that an entry maps it to, is not a legal user name"
        => "correct the entry; see docs/rules.md, \"Users\"";
    NS1008 Impersonated(Lasting) "a service account that the rules know is impersonated"
        => "use a token of the service account itself";
    NS1009 MissingClaim(Lasting) "the requester acts for other users and did not name the user"
        => "set the annotation that the message names";
    NS1010 ClaimNotAllowed(Lasting) "the requester is not allowed to act for this user"
        => "add the user to `mayClaim`";
    NS1011 NotAPod(Lasting) "the requester has the name of a managed account, but no token that was issued to one of its pods"
        => "run it in a pod of that user";
    NS1012 UnknownIdentity(Lasting) "the requester is a managed account without an Identity"
        => "delete the service account";
    NS1013 SharedIdentity(Lasting) "the requester is a managed account that several users share, so no single user is proven"
        => "start it as a person";
    NS1014 UnknownClass(Lasting) "a rule names a class that the rules do not define"
        => "correct the rules";
    NS1015 MissingValue(Lasting) "the class has one identity for each flow, step or project, and the pod names none"
        => "start it with Metaflow, or set the label or annotation that the message names";
    NS1016 IllegalValue(Lasting) "the name of the flow, step or project is too long, or has characters that are not allowed"
        => "choose another name";
    NS1017 WrongValues(Lasting) "the request has other values than the class asks for"
        => "webhook and broker have different versions: finish the upgrade";

    "Pods and their containers":
    NS1101 AccountNotAllowed(Lasting) "no rule gives the pod an identity, and such pods may not use the service account that it names"
        => "name one of `allowedServiceAccounts`, or ask for a rule";
    NS1102 ManagedAccount(Lasting) "the pod names the service account of an identity that it was not given"
        => "remove `serviceAccountName`; Namesake sets it";
    NS1103 ChangedAfterwards(Lasting) "another webhook or policy changed the pod after Namesake had decided"
        => "configure it to leave the service account, the containers and Namesake's annotations alone";
    NS1104 InvalidResolution(Lasting) "Namesake's signature on the pod does not match the pod"
        => "configure other webhooks to leave Namesake's annotations alone";
    NS1105 ForeignContainer(Lasting) "another webhook added a container"
        => "configure it to skip these pods, or list the container under `sidecars`";
    NS1106 TooManyContainers(Lasting) "the pod has more containers than Namesake can sign (64)"
        => "use several pods";
    NS1107 HostNetwork(Lasting) "the pod uses the network of its node, where Google would take it for the node"
        => "remove `hostNetwork`";
    NS1108 NoMetadataServer(Lasting) "the pod may be scheduled to a node without GKE's metadata server"
        => "set the nodeSelector that the message names";
    NS1109 GatewayTokenTaken(Lasting) "the pod has a volume of the name of the token for the gateway, or a mount in its folder"
        => "use another name, and another path";
    NS1110 ForgedController(Lasting) "a pod or Job claims to have been created by a controller"
        => "create it without the owner reference, label or annotation that the message names";
    NS1111 NotReadyYet(Passing) "the identity is still being created, and a pod that names its node cannot wait for it"
        => "try again in a few minutes, or remove `nodeName`";

    "Jobs, other parents of pods, and adoption":
    NS1201 NoProvenRequester(Lasting) "nothing proves who created the parent of the pod: it was created before the opt-in, or its stamp is not valid"
        => "create it again, or adopt it: docs/operate.md, \"Objects without a proven requester\"";
    NS1202 NotAsSigned(Passing) "a controller creates something that is not what was signed for its parent"
        => "wait: the parent was just changed; if it lasts, delete it and create it again";
    NS1203 NotItsOwner(Lasting) "a pod would be adopted by a controller of another user"
        => "delete the pod, or remove the labels by which the controller selects it";
    NS1204 NotYours(Lasting) "the request changes an object that runs as another user"
        => "stop or delete it, or ask its user or an admin to change it";
    NS1205 ParentLookupFailed(Passing) "the parent of the pod could not be read"
        => "wait";
    NS1206 UnknownKey(Passing) "the key of a signature is not in the Secret of stamp keys"
        => "see docs/operate.md, \"Stamp keys\"";
    NS1207 TooManyTemplates(Lasting) "the parent has more pod templates than a stamp can sign"
        => "create several, each with fewer";
    NS1208 NotAnAdmin(Lasting) "only admins of the rules may adopt"
        => "ask an admin";
    NS1209 AdoptedTooEarly(Lasting) "a new object cannot be adopted"
        => "create it without the annotation";

    "Argo Workflows":
    NS1301 NoProvenDeployer(Lasting) "nothing proves who deployed the template"
        => "deploy it again, or adopt it";
    NS1302 NotAReference(Lasting) "the Workflow contains more than the reference to a template"
        => "remove the rest, or copy the template into the Workflow";
    NS1303 ForgedStatus(Lasting) "a new Workflow has a status"
        => "remove `status`";
    NS1304 CannotRunAsOneUser(Lasting) "the Workflow asks for something that cannot run as one user"
        => "use what the message names instead";
    NS1305 AgentPod(Lasting) "Argo's agent would send requests that other users wrote"
        => "send the requests from a container";
    NS1306 NameStillInUse(Passing) "pods or results of an earlier Workflow of this name still exist, and Argo would take them for the new one's"
        => "wait until they are deleted, delete them, or use another name (`generateName`)";
    NS1307 NodeNameCollision(Lasting) "the Workflow has the name of a node of another user's Workflow, and Argo would take its pod for that node's"
        => "use another name (`generateName`)";
    NS1308 NotStoredYet(Passing) "Argo has not stored yet what the Workflow runs"
        => "wait";
    NS1309 ChangedWorkflow(Passing) "what the Workflow runs was changed while Namesake was not watching"
        => "if it lasts, start the run again";
    NS1310 NotYourStep(Lasting) "a WorkflowTaskResult or WorkflowTaskSet is written by something else than the step's own pod or Argo; a legacy token Secret (`executor.serviceAccountName`) does not identify a pod"
        => "let Argo's executor write it";

    "Running pods":
    NS1401 NotYourPod(Lasting) "`exec`, `attach`, `portforward` or `proxy` to a pod that runs as another user"
        => "ask its user, or run a pod of your own";
    NS1402 PodNotFound(Lasting) "`exec`, `attach`, `portforward` or `proxy` to a pod that does not exist"
        => "check its name";
    NS1403 PodLookupFailed(Passing) "the pod could not be read"
        => "try again";

    "Endpoints":
    NS1501 InvalidToken(Lasting, 401) "the request has no token, or one that is expired, of another issuer or audience, not signed by its issuer, or without an accepted name"
        => "log in again, with the program or in the browser; if it lasts, compare the token with `issuers` of gateway.yaml";
    NS1502 NoEndpoints(Lasting) "the rules have no section `endpoints`"
        => "add it: docs/rules.md, \"endpoints\"";
    NS1503 NoEndpointRight(Lasting) "`endpoints` of the rules does not give the user the right that the request needs"
        => "add the user or a group to `read`, `write` or `admin`";
    NS1504 NotYourRun(Lasting) "the request changes a run of another user"
        => "ask its user or an admin";
    NS1505 NamesAnotherUser(Lasting) "a new run, or a tag, names another user than the one who sends it"
        => "set METAFLOW_USER as the message says";
    NS1506 InvalidBody(Lasting, 400) "the body of the request is not what Metaflow's client sends"
        => "use Metaflow's client";
    NS1507 NotServing(Lasting) "the service account of the pod is of no identity that serves: it is not Namesake's, or suspended, offboarded or removed"
        => "start the task with an identity; `kubectl get identities` shows them";
    NS1508 UnknownPath(Lasting, 404) "nothing is served at this path, or it could mean different things to different servers"
        => "check the path; programs use Metaflow's client";
    NS1509 UnknownRun(Lasting, 404) "the metadata service has no such run"
        => "check flow and run id";
    NS1510 ReadOnlyHost(Lasting) "a host for browsers lets nothing be changed"
        => "use the host for programs, with a token";
    NS1511 OwnerLookupFailed(Passing) "the metadata service does not say who owns the run"
        => "check the metadata service";
    NS1512 MalformedRequest(Lasting, 400) "the request, its path or a header cannot be read in one way only"
        => "send the path without encoded slashes, and header names without underscores";
    NS1513 UnknownHost(Lasting, 421) "the gateway does not serve this host"
        => "use a host of gateway.yaml";
    NS1514 RequestTooLarge(Lasting, 413) "the headers of the request have more than 32 KiB, or its body more than 1 MiB"
        => "send less: log in again if cookies or a token have grown, or split the request";
    NS1515 TooManyRequests(Passing, 429) "more requests per second than the gateway accepts from a connection, or for a host"
        => "wait a second and try again";
    NS1516 AuthorizerUnavailable(Passing, 503) "the program that authorizes requests does not answer, or cannot: it has no rules, or the metadata service does not say who owns a run"
        => "try again; if it lasts, check the pods of `namesake-gateway` and of the metadata service";
    NS1517 ServiceUnavailable(Passing, 503) "the service behind the gateway does not answer, or not in time"
        => "try again; if it lasts, check its pods";

    "Rules, broker and namespace":
    NS1601 InvalidRules(Lasting) "an edit of the rules has problems; the previous rules stay in force"
        => "correct each problem that the message names";
    NS1602 RulesNotLoaded(Passing) "no rules are in force yet"
        => "create the ConfigMap `namesake-rules`, or look at its Events";
    NS1603 RulesDiffer(Passing) "webhook and broker have different revisions of the rules"
        => "wait; if it lasts, look at the Events of `namesake-rules`";
    NS1604 NotSynced(Passing) "a replica of the webhook or of the broker has just started, and has not read everything yet"
        => "wait";
    NS1605 NotOptedIn(Passing) "Namesake does not see the namespace as opted in"
        => "wait; if it lasts, check its labels `namesake.dev/stack` and `namesake.dev/mode`";
    NS1606 BrokerUnavailable(Passing) "the broker did not answer"
        => "check the pods of `namesake-broker`; users who already have their identity are not affected";
    NS1607 TooManyIdentities(Passing, 429) "the user created too many identities in the last minute"
        => "wait";
    NS1608 Terminating(Passing, 409) "an object that had the identity's name is still being deleted"
        => "wait";
    NS1609 PreviouslyOffboarded(Lasting) "an earlier user of this name was offboarded, and nothing says that this is the same person"
        => "an admin lists the same person under `returned`";
    NS1610 BadRequest(Lasting, 400) "the request cannot be read, or the webhook configuration sends what Namesake does not ask for"
        => "apply the manifests of this version";
    NS1611 NotTheWebhook(Passing, 403) "the caller of the broker is not the webhook; in the broker's log and the webhook's message"
        => "give the webhook its own service account";
    NS1612 FailedRulesTests(Lasting) "an edit of the rules fails tests that the rules have about themselves; the previous rules stay in force"
        => "correct the rules or the tests that the message names";

    "Policies in the API server":
    NS1701 PolicyAdoption = "namesake-adoption" (Lasting) "a label, annotation or owner reference would make the object a child of another one, which only controllers may do"
        => "leave it as it was; an admin gives a controller of yours the ClusterRole `namesake-carrier`";
    NS1702 PolicyArgoPods = "namesake-argo-pods" (Lasting) "the request changes a key of a pod by which Argo acts"
        => "leave it as it was";
    NS1703 PolicyBindings = "namesake-bindings" (Lasting) "only schedulers choose the node of a pod, and a Binding never writes keys that say who a pod belongs to"
        => "leave it to the scheduler; a scheduler of yours needs the right to create `pods/binding` in the whole cluster";
    NS1704 PolicyBrokerPodStatus = "namesake-broker-pod-status" (Lasting) "the broker writes more of the status of a pod than why it waits"
        => "report it: the broker has a bug";
    NS1705 PolicyBrokerPods = "namesake-broker-pods" (Lasting) "the broker changes more of a pod than its gate and its annotations"
        => "report it: the broker has a bug";
    NS1706 PolicyBrokerRoleBindings = "namesake-broker-role-bindings" (Lasting) "the broker binds a role to another account than the one managed account that the binding is for"
        => "report it: the broker has a bug";
    NS1707 PolicyBrokerServiceAccounts = "namesake-broker-service-accounts" (Lasting) "the broker writes an account that is not managed"
        => "report it: the broker has a bug";
    NS1708 PolicyBrokerTokens = "namesake-broker-tokens" (Lasting) "the broker requests a token that it needs for nothing"
        => "report it: the broker has a bug";
    NS1709 PolicyEpochs = "namesake-epochs" (Lasting) "what was signed is from before the namespace was last opted in"
        => "try again in a minute; if it lasts, an admin removes the label `namesake.dev/stack` and sets it again";
    NS1710 PolicyGuardedPods = "namesake-guarded-pods" (Lasting) "the request changes the image of a pod that runs as a guarded account"
        => "create a pod of your own";
    NS1711 PolicyIdentities = "namesake-identities" (Lasting) "somebody other than the broker or an admin writes an Identity or its status"
        => "change the rules; the broker creates and updates Identities";
    NS1712 PolicyInstallation = "namesake-installation" (Lasting) "somebody other than an admin changes what Namesake consists of in the cluster"
        => "ask an admin: they hold `namesake-identities-admin` cluster-wide";
    NS1713 PolicyKeys = "namesake-keys" (Lasting) "a label or annotation of Namesake would change through a subresource"
        => "leave it as it is: Namesake writes it";
    NS1714 PolicyManagedPods = "namesake-managed-pods" (Lasting) "the request changes what runs in a pod with an identity, Namesake's keys on it, or its gate"
        => "create a pod of your own, or wait until the gate is removed";
    NS1715 PolicyMode = "namesake-mode" (Lasting) "somebody other than an admin changes the mode of a namespace, or the value is not a mode"
        => "ask an admin; the modes are `enforce`, `shadow` and `off`";
    NS1716 PolicyOptIn = "namesake-opt-in" (Lasting) "somebody other than an admin opts a namespace in or out, or the namespace does not meet the requirements"
        => "do what the message says, or ask an admin";
    NS1717 PolicyOptInRoleBindings = "namesake-opt-in-role-bindings" (Lasting) "somebody other than an admin changes the RoleBinding by which Namesake works in an opted-in namespace"
        => "ask an admin to opt the namespace out first";
    NS1718 PolicyPlacement = "namesake-placement" (Lasting) "the request changes where a pod with an identity runs while it waits"
        => "create a pod of your own; a scheduler such as Kueue needs the ClusterRole `namesake-placement`";
    NS1719 PolicyPods = "namesake-pods" (Lasting) "the pod names a managed account, and nothing checks it: the namespace is switched off, its stack is not installed, or it was just opted in"
        => "name another account, or ask an admin to opt the namespace in";
    NS1720 PolicyPodsAfterOptOut = "namesake-pods-after-opt-out" (Lasting) "the pod names a managed account in a namespace that is not opted in"
        => "name another account, or ask an admin to opt the namespace in";
    NS1721 PolicyRoleBindings = "namesake-role-bindings" (Lasting) "somebody other than the broker or an admin binds a role to a managed account"
        => "name the role under `roleBindings` of its class, or ask an admin";
    NS1722 PolicyServiceAccounts = "namesake-service-accounts" (Lasting) "somebody other than the broker of its stack writes a managed account"
        => "change the rules, which say what the account is";
    NS1723 PolicyServiceProxy = "namesake-service-proxy" (Lasting) "the proxy to a Service reaches pods of any user"
        => "use `kubectl port-forward`, or the proxy of a pod of your own";
    NS1724 PolicyStatus = "namesake-status" (Lasting) "somebody other than a node or a controller writes how a pod or Job ended"
        => "give a controller of yours the right to update that status in the whole cluster";
    NS1725 PolicySystem = "namesake-system" (Lasting) "somebody other than an admin writes in the namespace of Namesake"
        => "ask an admin: they hold `namesake-identities-admin` cluster-wide";
    NS1726 PolicyTaskResults = "namesake-task-results" (Lasting) "somebody other than the pod of a step writes its result"
        => "run a Workflow of your own";
    NS1727 PolicyTokenSecrets = "namesake-token-secrets" (Lasting) "a Secret would hold a token of a managed or guarded account"
        => "let pods get their tokens from their node";
    NS1728 PolicyTokens = "namesake-tokens" (Lasting) "somebody requests a token of a managed or guarded account, which pods get from their node"
        => "run it in a pod of the account; who must request tokens needs the ClusterRole `namesake-token-requester`";
    NS1729 PolicyOptInAdvice = "namesake-opt-in-advice" (Lasting) "a namespace is being opted in, and something is still open, or its stack is not installed; this is a warning"
        => "do what the message says";

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
