//! Users and their rights on this node: whether its copy of them may be gone by, tokens, passwords.
//! `docs/architecture/auth.md` has the argument.

mod acl;
mod acl_start;
mod bcrypt;
mod change;
mod expiry;
mod gate;
mod listen;
mod password;
mod token;
mod word;

#[cfg(test)]
mod tests;

pub(crate) use acl::{ANONYMOUS, Authorizers, hash_of};
pub(crate) use acl_start::{acl_at_start, uuid};
pub(crate) use change::{change, confirm_at_start, random_key};
pub(crate) use expiry::tell_of_ends;
pub(crate) use gate::{Gate, Told};
pub use listen::AuthChanges;
pub(crate) use password::Passwords;
pub(crate) use token::{Ended, Tokens};
pub(crate) use word::Words;
