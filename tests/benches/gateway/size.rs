//! How much is measured.

/// The size of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Identities in the cluster.
    pub(crate) identities: usize,
    /// Connections, each with one request under way.
    pub(crate) connections: usize,
    /// Requests to one server in one round.
    pub(crate) requests: usize,
    /// Rounds, in each of which all servers have their turn.
    pub(crate) rounds: usize,
    /// Requests per second at the constant rate.
    pub(crate) rate: u32,
    /// How long the constant rate lasts, in seconds.
    pub(crate) seconds: u32,
    /// The same for one server in one round.
    pub(crate) round_seconds: u32,
}

impl Size {
    /// The whole size, or one that only shows that the bench runs.
    pub(crate) fn new(smoke: bool) -> Self {
        let whole = Self {
            identities: 50_000,
            connections: 16,
            requests: 16_000,
            rounds: 5,
            rate: 1_000,
            seconds: 60,
            round_seconds: 4,
        };
        if !smoke {
            return whole;
        }
        Self {
            identities: 500,
            requests: 160,
            rounds: 1,
            rate: 100,
            seconds: 1,
            round_seconds: 1,
            ..whole
        }
    }
}
