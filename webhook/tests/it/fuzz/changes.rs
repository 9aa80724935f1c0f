//! Random changes of a review: of its JSON, and of its bytes.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::properties::anything;

/// A change of a review. Positions count all its nodes, modulo their number.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Removes a node.
    Remove(usize),
    /// Replaces a node by another value.
    Replace(usize, Value),
    /// Adds a member.
    Insert(usize, String, Value),
    /// Replaces a node by a copy of another one.
    Copy(usize, usize),
    /// Nests a node in lists.
    Nest(usize, u8),
    /// Replaces a node by a long string.
    Long(usize, u32),
    /// Overwrites one byte.
    Byte(usize, u8),
    /// Truncates the bytes.
    Cut(usize),
}

/// One to five changes.
pub(super) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = 0..10_000_usize;
    let key = prop_oneof![
        Just("namesake.dev/stamp".to_owned()),
        Just("namesake.dev/resolution".to_owned()),
        Just("workflowTemplateRef".to_owned()),
        Just("ownerReferences".to_owned()),
        Just("template".to_owned()),
        Just("spec".to_owned()),
        "[ -~é\\PC]{0,12}",
    ];
    let change = prop_oneof![
        4 => at.clone().prop_map(Change::Remove),
        6 => (at.clone(), anything()).prop_map(|(at, value)| Change::Replace(at, value)),
        4 => (at.clone(), key, anything()).prop_map(|(at, key, value)| Change::Insert(at, key, value)),
        4 => (at.clone(), at.clone()).prop_map(|(to, from)| Change::Copy(to, from)),
        1 => (at.clone(), 1..150_u8).prop_map(|(at, depth)| Change::Nest(at, depth)),
        1 => (at.clone(), 1..120_000_u32).prop_map(|(at, bytes)| Change::Long(at, bytes)),
        1 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => at.prop_map(Change::Cut),
    ];
    prop::collection::vec(change, 1..6)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum::<usize>(),
        Value::Array(all) => all.iter().map(count).sum(),
        _ => 0,
    }
}

/// The node at this position, in order.
fn node(value: &mut Value, at: usize) -> Option<&mut Value> {
    let mut left = at;
    find(value, &mut left)
}

fn find<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(map) => map.values_mut().find_map(|v| find(v, left)),
        Value::Array(all) => all.iter_mut().find_map(|v| find(v, left)),
        _ => None,
    }
}

fn change(review: &mut Value, change: &Change) {
    let nodes = count(review);
    let (Change::Remove(at)
    | Change::Replace(at, _)
    | Change::Insert(at, ..)
    | Change::Copy(at, _)
    | Change::Nest(at, _)
    | Change::Long(at, _)
    | Change::Byte(at, _)
    | Change::Cut(at)) = change;
    let copied = match change {
        Change::Copy(_, from) => node(review, from % nodes).cloned(),
        _ => None,
    };
    let Some(place) = node(review, at % nodes) else {
        return;
    };
    match change {
        Change::Remove(_) => *place = Value::Null,
        Change::Replace(_, value) => *place = value.clone(),
        Change::Insert(_, key, value) => {
            if let Some(map) = place.as_object_mut() {
                map.insert(key.clone(), value.clone());
            }
        }
        Change::Copy(..) => *place = copied.unwrap_or_default(),
        Change::Nest(_, depth) => {
            for _ in 0..*depth {
                *place = json!([place.take()]);
            }
        }
        Change::Long(_, bytes) => *place = "\u{1}x".repeat(*bytes as usize / 2).into(),
        Change::Byte(..) | Change::Cut(_) => {}
    }
}

/// The bytes of the changed review.
pub(super) fn body(review: &Value, changes: &[Change]) -> Vec<u8> {
    let mut review = review.clone();
    changes.iter().for_each(|c| change(&mut review, c));
    let mut bytes = review.to_string().into_bytes();
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Byte(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Change::Cut(at) => bytes.truncate(at % length),
            _ => {}
        }
    }
    bytes
}
