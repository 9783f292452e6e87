//! Consul's API, as unmodified clients speak it.

#[allow(dead_code, reason = "the routes that take a filter come with the rest of the API")]
pub(crate) mod filter;
