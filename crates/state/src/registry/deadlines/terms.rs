//! What the deadlines go by, and what they say.

use super::breaker::Breaker;
use crate::registry::name::TimerId;
use crate::registry::record::Status;

/// What the deadlines go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Milliseconds everything gets on top of its full time when a leader begins: its clients have to
    /// find it first.
    pub grace_ms: u64,
    /// Milliseconds until what is due is told again, if nothing came of it.
    pub again_ms: u64,
    /// Milliseconds between two looks at the deadlines from which on it is taken that the process stood
    /// still, for whoever keeps them: what clients said meanwhile is still on its way.
    pub stood_still_ms: u64,
    /// How much of a service may fall silent at once.
    pub breaker: Breaker,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace_ms: 15_000,
            again_ms: 5_000,
            stood_still_ms: 2_000,
            breaker: Breaker::default(),
        }
    }
}

/// What a beat or a result means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// There is no such timer: the client has to register.
    Unknown,
    /// Nothing is to be done: the check stands as it stood.
    Nothing,
    /// The check stands like this now: to be proposed.
    Stands(Status),
}

/// What is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// A check heard nothing for so long that it stands like this now.
    Silent {
        /// Whose.
        id: TimerId,
        /// How it stands.
        status: Status,
    },
    /// A check was critical for so long that its instance goes.
    Removal {
        /// Whose.
        id: TimerId,
    },
    /// A session was not renewed.
    Session {
        /// Whose.
        id: TimerId,
    },
}
