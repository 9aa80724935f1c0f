//! Reading YAML: values with their place in the file, and all problems, each with place, key, value and what to do.

mod explain;
mod fields;
mod node;
mod problem;
pub(crate) mod values;

pub(crate) use fields::{Fields, Item};
pub(crate) use node::{Node, Value};
pub(crate) use problem::{InvalidValue, Position, ProblemLog, invalid};
pub use problem::{Problem, RulesErrors};
