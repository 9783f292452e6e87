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

/// Why somebody is not let in, for it and for the audit log; no secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NotLetIn(pub(super) String);

impl<T: Into<String>> From<T> for NotLetIn {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}
