//! Consul's DNS: services, nodes and addresses below one domain, over UDP and TCP.
//!
//! ```text
//! packet -> wire::read -> Query -> asked -> resolve (asks a Catalog) -> Response -> wire::write -> packet
//! ```
//!
//! Everything up to the sockets in [`serve`] is without I/O. Messages are read and written here ([`wire`]):
//! of what comes in only one question and one extension record are looked at, and no pointer is followed.

mod asked;
mod catalog;
mod order;
mod place;
mod records;
mod resolve;
mod respond;
mod serve;
mod servers;
mod tally;
#[cfg(test)]
mod tests;
mod txt;
mod wire;
mod zone;

pub(crate) use respond::Over;
pub(crate) use serve::answer;
pub use serve::{DnsSockets, serve_dns};
pub(crate) use tally::QUERIES;
pub use zone::{Zone, ZoneError};
