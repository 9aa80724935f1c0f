//! The stable words for why the webhook refuses. They begin every message that people see, and docs/reasons.md explains each.

namesake_core::reasons! {
    /// Why the webhook itself refuses a request. What the rules refuse has a [`namesake_core::Reason`].
    pub enum RefusalReason {
        /// A service account that pods without an identity may not name.
        AccountNotAllowed,
        /// An object that is not adopted with a second of after the namespace was opted in.
        AdoptedTooEarly,
        /// Argo's agent pod, which would run what others wrote as one user.
        AgentPod,
        /// A request that cannot be read, or that no rule of the webhook configuration asks for.
        BadRequest,
        /// The rules as edited are broken.
        BrokenRules,
        /// The broker did not answer, or answered something that the webhook does not know.
        BrokerUnavailable,
        /// Something changed the pod after it was decided about.
        ChangedAfterwards,
        /// A Workflow runs something else than was signed for it.
        ChangedWorkflow,
        /// Something added a container after the pod was decided about.
        ForeignContainer,
        /// A Workflow that comes with a status.
        ForgedStatus,
        /// The user of the identity had left, and nobody says that this is the same person.
        HasLeft,
        /// A pod with an identity on its node's network.
        HostNetwork,
        /// Something of the identity's name belongs to somebody else.
        IdentityConflict,
        /// The identity does not work, and a pod has waited for it in vain.
        IdentityFailed,
        /// What had the identity's name is still being deleted.
        IdentityLeaving,
        /// Pods or results of an earlier Workflow of the same name are still there.
        LeftBehind,
        /// A pod names the account of an identity that it was not given.
        ManagedAccount,
        /// A Workflow that is named like a node of somebody else's Workflow.
        NameOfANode,
        /// A pod may land on a node without GKE's metadata server.
        NoMetadataServer,
        /// Nobody is proven to have deployed what a Workflow runs.
        NoProvenDeployer,
        /// Nobody is proven to have asked for the parent of a pod.
        NoProvenRequester,
        /// A Workflow that has to be a reference to a template, and nothing else.
        NotAReference,
        /// Only an admin may adopt.
        NotAnAdmin,
        /// A controller makes something that is not what was signed.
        NotAsSigned,
        /// A template would run as one user for another.
        NotAsSomebody,
        /// A pod would get a controller of another user's.
        NotItsOwner,
        /// The namespace is not seen as opted in.
        NotOptedIn,
        /// Whether the identity works cannot be told yet.
        NotReadyYet,
        /// This replica of the webhook, or the broker's, has just started, and has not read everything yet.
        NotSynced,
        /// Argo has not stored yet what a Workflow runs.
        NotStoredYet,
        /// Somebody else's pod.
        NotYourPod,
        /// Somebody else's step.
        NotYourStep,
        /// Somebody else's parent object.
        NotYours,
        /// The parent of a pod cannot be found.
        ParentUnknown,
        /// A pod or Job that pretends to be made by a controller.
        PlantedPod,
        /// A pod cannot be read from the API server.
        PodUnknown,
        /// The class gives a role that the broker may not give.
        RoleNotAllowed,
        /// Webhook and broker decide by different rules.
        RulesDiffer,
        /// No rules are in force yet.
        RulesNotLoaded,
        /// An admin has suspended the identity.
        Suspended,
        /// More containers than can be signed.
        TooManyContainers,
        /// The user made too many identities in the last minute.
        TooManyIdentities,
        /// More templates than are read.
        TooManyTemplates,
        /// A signature with a key that is not known here yet.
        UnknownKey,
        /// A result of Argo's for a pod that does not exist.
        UnknownPod,
        /// A resolution that does not count.
        VoidResolution,
    }
}
