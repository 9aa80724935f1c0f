//! The size of a run.

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Rounds; in each, every server has its turn.
    pub(crate) rounds: usize,
    /// Requests of one client in a turn of one client.
    pub(crate) alone: usize,
    /// Requests of all clients in a turn of eight, and at each point of the curve.
    pub(crate) together: usize,
    /// The numbers of clients of the curve.
    pub(crate) curve: &'static [usize],
}

impl Size {
    /// The size for the goals, or one that only shows that the bench runs.
    pub(crate) const fn new(smoke: bool) -> Self {
        if smoke {
            return Self {
                rounds: 1,
                alone: 10,
                together: 16,
                curve: &[4, 8],
            };
        }
        Self {
            rounds: 7,
            alone: 300,
            together: 1_200,
            curve: &[10, 50, 200, 500],
        }
    }
}
