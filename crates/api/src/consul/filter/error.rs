//! What is wrong with an expression.

use core::fmt;

/// Why an expression is none. Its text begins as Consul's does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FilterError {
    /// At which character, from 1; `None` if it is about the whole.
    at: Option<usize>,
    what: String,
}

impl FilterError {
    /// About the byte `at` of `text`.
    pub(super) fn at(text: &str, at: usize, what: impl Into<String>) -> Self {
        let before = text.char_indices().take_while(|(start, _)| *start < at).count();
        Self { at: Some(before + 1), what: what.into() }
    }

    pub(super) fn whole(what: impl Into<String>) -> Self {
        Self { at: None, what: what.into() }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed to create boolean expression evaluator: ")?;
        match self.at {
            Some(at) => write!(f, "at character {at}: {}", self.what),
            None => write!(f, "{}", self.what),
        }
    }
}

impl std::error::Error for FilterError {}
