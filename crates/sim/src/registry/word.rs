//! What clients say to the leader's clock (`node::registry::word`).

use bytes::Bytes;
use state::registry::deadlines::Heard;
use state::registry::{CheckKey, Name, Status, TimerId};

/// What a client says, in its own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// A check was heard to pass.
    Beat(CheckKey),
    /// A session is renewed.
    Renew(Name),
    /// May this key be locked?
    Lock(Bytes),
}

/// The same in the clock's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    Beat(TimerId, Status),
    Renew(TimerId),
    Lock(Bytes),
}

/// What the clock says to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// It knows no such deadline; the key may not be locked.
    No,
    /// It is so.
    Yes,
    /// The check stands like this now: to be proposed.
    Stands(Status),
}

impl From<Heard> for Told {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Unknown => Self::No,
            Heard::Nothing => Self::Yes,
            Heard::Stands(status) => Self::Stands(status),
        }
    }
}
