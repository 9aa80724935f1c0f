//! Reasons for which requests are refused: the codes NS1….

/// The rows of these reasons, and then those that are given to it.
macro_rules! after_refusals {
    ($($rows:tt)+) => { $crate::reason::reasons! {
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

    $($rows)+
    } };
}
pub(super) use after_refusals;
