//! What was found out of somebody who logs in.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is known of somebody, once somebody else vouched for it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Proof {
    /// What selectors look at, in the shape that the way in has.
    pub(super) selectable: Value,
    /// What names are made of.
    pub(super) variables: BTreeMap<String, String>,
}

/// Characters of a reason that are written down: there may be somebody else's words in it.
const WHY: usize = 256;

/// Why somebody is not let in; no secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NotLetIn {
    /// For who asks. Anybody may: where others are and what they answer is not for it.
    pub(super) told: String,
    /// For the audit log and the node's.
    pub(super) why: String,
}

impl NotLetIn {
    /// For a reason that is in what others answered, or in how they were asked.
    pub(super) fn inside(told: &str, why: &str) -> Self {
        Self { told: told.to_owned(), why: cut(&format!("{told}: {why}")) }
    }
}

/// For a reason that is in what was brought.
impl<T: Into<String>> From<T> for NotLetIn {
    fn from(text: T) -> Self {
        let told = text.into();
        Self { why: cut(&told), told }
    }
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(WHY).collect()
}
