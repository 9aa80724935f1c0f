//! The commands about what is left over, and about removing Namesake. They only list.

pub(crate) mod gc;
pub(crate) mod uninstall;
