//! DNS messages (RFC 1035, 2782, 3596, 6891): what has to be understood of queries, and answers.

mod encoder;
mod name;
mod query;
mod record;
mod write;

pub(super) use name::Name;
pub(super) use query::{Query, Received, read};
pub(super) use record::{Data, Record, Soa, kind};
pub(super) use write::{Answer, Code, Response, write};

/// The header of a message.
const HEADER_BYTES: usize = 12;
/// The class of everything there is, and of questions for any class.
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
/// Bytes of an answer over UDP to who does not say how much it takes.
pub(super) const PLAIN_UDP_BYTES: usize = 512;
/// Bytes of an answer over UDP at most: what fits the links there are without being cut into fragments.
pub(super) const UDP_BYTES: usize = 1_232;
/// Bytes of any message.
pub(super) const MESSAGE_BYTES: usize = 65_535;
