//! `/v1/acl/login`: somebody else says who a client is ([`Way`]), rules say what that is ([`bind`]), and a
//! token is made for it ([`enter`]).

mod bind;
mod enter;
mod jwt;
mod key_sets;
#[cfg(test)]
mod key_sets_tests;
mod kubernetes;
mod names;
mod proof;
mod settings;
#[cfg(test)]
mod tests;
mod way;

pub(super) use bind::is_bind_name;
pub(in crate::consul) use enter::{login, logout};
pub(in crate::consul) use key_sets::KeySets;
pub(super) use way::Way;
