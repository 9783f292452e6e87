//! Consul's rule language, in HCL and in JSON: `key_prefix "app/" { policy = "write" }`.

mod lexer;
mod parser;
mod rule;

pub use rule::{Rules, RulesError};
pub(super) use rule::{Named, Plain};
#[cfg(test)]
pub(super) use rule::Rule;
