//! The commands about people: who leaves, who comes back, and who will come.

pub(crate) mod offboard;
pub(crate) mod warm;
