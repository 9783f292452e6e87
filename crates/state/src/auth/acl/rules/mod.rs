//! Consul's rule language, in HCL and in JSON: `key_prefix "app/" { policy = "write" }`.

mod lexer;
mod parser;
mod rule;

#[cfg(test)]
pub(super) use rule::Rule;
pub(super) use rule::{Named, Plain};
pub use rule::{Rules, RulesError};
