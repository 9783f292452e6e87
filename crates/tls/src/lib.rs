//! TLS for every connection of the house, made in one place: what is in certificates, configurations from
//! files, handshakes that are bounded, new files taken while connections go on, and certificates to begin
//! with.
//!
//! A [`Set`] is what one use has: certificate, key and the authorities whose word counts. An [`Acceptor`]
//! takes connections by it, a [`Dial`] makes them, and [`keep_fresh`] looks after its files. What comes in,
//! with TLS or without, [`greet`] tells apart by what it says first.

mod accept;
mod admit;
mod certificate;
mod der;
mod dial;
mod error;
mod files;
mod fresh;
mod greeting;
mod issue;
mod notice;
mod role;
mod set;
mod stream;
mod verify;

#[cfg(test)]
mod tests;

pub use accept::{Acceptor, is_handshake};
pub use certificate::Certificate;
pub use dial::Dial;
pub use error::Error;
pub use files::{Files, system_authorities};
pub use fresh::keep_fresh;
pub use greeting::{Greeted, Greeting, TlsHere, greet};
pub use issue::{Authority, Issued, Wanted};
pub use notice::{Seldom, date};
pub use role::{Role, Roles};
pub use set::{Clients, Refreshed, Set, exposition};
pub use stream::Stream;
