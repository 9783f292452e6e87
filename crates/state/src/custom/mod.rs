//! State machines of others: what a program that embeds a node writes to have its own state
//! replicated. Sessions, epochs and the applied position are kept around it as for our own machines.

mod store;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use types::ReadFailure;

pub use store::{Store, View};

/// A replicated state machine: carries out the committed commands of one keyspace, one after the
/// other and each exactly once, on every replica alike.
///
/// What has to last goes into the [`Store`]: it lies in the node's engine, under keys of its own that
/// no other keyspace can reach, and is written together with the applied position, so that a crash
/// leaves no command half done or done twice. Snapshots, their sending and catching up need nothing
/// of the machine. What it keeps in memory besides is a copy, which [`Self::open`] makes again: at a
/// start, and when a snapshot took the place of the state.
///
/// `apply` must depend on nothing but the command, the store, and what came from them: no clock, no
/// randomness, no order of a hash map. Replicas that disagree are not noticed.
///
/// A panic, in any of the three, sets the keyspace aside on this node until it is started again; the
/// node's other keyspaces go on. One that every replica meets stops the keyspace everywhere, and
/// again at every start: what can be wrong with a command belongs into the answer.
pub trait StateMachine: Send + Sync + 'static {
    /// The machine as of the records in `view`; there are none when it is new.
    ///
    /// # Errors
    /// The engine's, passed on.
    fn open(view: &View<'_>) -> Result<Self, ReadFailure>
    where
        Self: Sized;

    /// Carries out a command and answers it. An answer over 4 KiB is told to whoever waits for it
    /// but not kept: a retry learns `OutcomeNotKept`.
    ///
    /// # Errors
    /// The engine's, passed on: the node stops then.
    fn apply(&mut self, command: Bytes, store: &mut Store<'_>) -> Result<Bytes, ReadFailure>;

    /// Answers a question, changing nothing. It keeps commands waiting while it runs, so it should
    /// not take long.
    ///
    /// # Errors
    /// The engine's, passed on.
    fn query(&self, question: Bytes, view: &View<'_>) -> Result<Bytes, ReadFailure>;
}

/// What whoever wants keys and values of such a keyspace is told.
pub const CUSTOM_ONLY: &str = "this keyspace has a machine of its own, and no keys";

/// Makes a machine from its records.
pub type Open = dyn Fn(&View<'_>) -> Result<Box<dyn StateMachine>, ReadFailure> + Send + Sync;

/// What was written and is not in the engine yet; `None` for what was removed.
type Unwritten = BTreeMap<Bytes, Option<Bytes>>;

/// A machine with what it wrote into the batch in the making.
pub(crate) struct Custom {
    pub(crate) machine: Box<dyn StateMachine>,
    pub(crate) unwritten: Unwritten,
}
