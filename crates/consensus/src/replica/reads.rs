//! Reads waiting for their index (rule 4). The library drops a read silently when there is no leader
//! or a new one; here every read ends, with an index or as failed.

use std::collections::BTreeMap;

use types::{Incarnation, Index, PeerId};

use super::Replica;
use crate::message::READ_CONTEXT_BYTES;
use crate::{Error, ReadContext};

/// Reads waiting at one replica, its own or its followers'.
pub(super) const READS: usize = 4_096;

pub(super) struct Reads {
    peer: PeerId,
    incarnation: Incarnation,
    attempts: u64,
    /// By attempt: the tick at which it fails.
    waiting: BTreeMap<u64, u64>,
    failed: Vec<ReadContext>,
    /// The term and leader the waiting ones were asked of.
    asked: (u64, u64),
}

impl Reads {
    pub(super) fn new(peer: PeerId, incarnation: Incarnation) -> Self {
        let (waiting, failed) = (BTreeMap::new(), Vec::new());
        Self { peer, incarnation, attempts: 0, waiting, failed, asked: (0, 0) }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    pub(super) fn take_failed(&mut self) -> Vec<ReadContext> {
        core::mem::take(&mut self.failed)
    }

    /// Fails what waited too long.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some(first) = self.waiting.first_entry() {
            if *first.get() > now {
                break;
            }
            self.failed.push(ReadContext(first.remove_entry().0));
        }
    }

    /// Fails everything when the term or the leader is another than the one asked.
    pub(super) fn follow(&mut self, term: u64, leader: u64) {
        if self.asked != (term, leader) {
            self.asked = (term, leader);
            let waiting = core::mem::take(&mut self.waiting);
            self.failed.extend(waiting.into_keys().map(ReadContext));
        }
    }

    /// The read an index came back for, if it still waits.
    pub(super) fn answer(&mut self, context: &[u8], index: u64) -> Option<(ReadContext, Index)> {
        let attempt = context.last_chunk().copied().map(u64::from_be_bytes)?;
        if context != self.context(attempt) {
            return None;
        }
        self.waiting.remove(&attempt)?;
        Some((ReadContext(attempt), Index(index)))
    }

    /// What a context looks like to the others: the leader keeps reads of all replicas by it, also
    /// those of a replica that restarted since and counts anew.
    fn context(&self, attempt: u64) -> [u8; READ_CONTEXT_BYTES] {
        let mut bytes = [0; READ_CONTEXT_BYTES];
        bytes[..8].copy_from_slice(&self.peer.get().to_be_bytes());
        bytes[8..16].copy_from_slice(&self.incarnation.get().to_be_bytes());
        bytes[16..].copy_from_slice(&attempt.to_be_bytes());
        bytes
    }
}

impl Replica {
    /// Asks for the index up to which a state must be applied so that a read from it is
    /// linearizable, as of now. The answer is in some later `Ready`, in `reads` or `reads_failed`;
    /// the latter at the latest after an election timeout. Works on followers and learners too, if
    /// they know a leader.
    ///
    /// A read answered by the leader's own replica also proves that a quorum held it for the leader
    /// at some moment after this call: leases are counted from the time of the call.
    ///
    /// # Errors
    /// [`Error::NotLeader`] when no leader is known, [`Error::NotReadyToRead`] on a leader that
    /// has committed nothing in its term, [`Error::TooManyReads`].
    pub fn read_index(&mut self) -> Result<ReadContext, Error> {
        self.run(|replica| {
            let raft = &replica.raw.raft;
            if raft.leader_id == raft::INVALID_ID {
                return Err(Error::NotLeader { leader: None });
            }
            let leads = replica.is_leader();
            if replica.guards.bounded_reads && leads && !raft.commit_to_current_term() {
                return Err(Error::NotReadyToRead);
            }
            let waiting = if leads { raft.pending_read_count() } else { 0 };
            if replica.reads.len().max(waiting) >= READS {
                return Err(Error::TooManyReads);
            }
            if replica.guards.unique_reads || replica.reads.attempts == 0 {
                replica.reads.attempts += 1;
            }
            let attempt = replica.reads.attempts;
            let deadline = replica.now + replica.election_ticks as u64;
            replica.reads.waiting.insert(attempt, deadline);
            replica.raw.read_index(replica.reads.context(attempt).to_vec());
            Ok(ReadContext(attempt))
        })
    }
}
