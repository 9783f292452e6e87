//! Signed words about who somebody is (JWT, RFC 7519): whether one of some keys signed them, whether they
//! count now and here, and what they say. Pure: keys and the time come from outside.
//!
//! Only what is signed with a private key is taken: `none` and what is sealed with a shared secret
//! (`HS256`) are no algorithms here at all, so that no public key can be taken for a secret. A key says
//! itself what is signed with it; a token cannot choose.

mod algorithm;
mod bounds;
mod claims;
mod der;
mod error;
mod jwk;
mod key;
mod pem;
#[cfg(test)]
mod tests;
mod token;

pub use algorithm::Algorithm;
pub use bounds::{Bounds, Leeways};
pub use claims::Claims;
pub use error::{KeyError, Refused};
pub use jwk::{JwkSet, MOST_KEYS};
pub use key::Key;
pub use pem::key_in_pem;
pub use token::Token;
