//! The identity broker: creates identities before it answers, reconciles Google behind, opens gates.
