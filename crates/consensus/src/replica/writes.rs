//! Which handed-out changes are durable. Completions come in order, but a tail that is being written
//! may have been rewritten since: its completion says nothing about the new tail (pitfall 2). The
//! library knows this only for rewrites it has not handed out yet.

use std::collections::VecDeque;

use types::{HardState, PeerId, Term};

/// One `Ready` with something to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) number: u64,
    /// First and last entry.
    pub(super) entries: Option<(u64, u64)>,
    pub(super) snapshot: bool,
    /// Whether term or vote changed.
    pub(super) vote: bool,
    /// The commit index, if it becomes durable with this.
    pub(super) commit: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Writes {
    in_flight: VecDeque<Write>,
    /// The number of the latest `Ready`.
    issued: u64,
    reported: u64,
    /// The end of a written tail that the library was not told of yet.
    held_tail: Option<u64>,
    durable_commit: u64,
    /// Term and vote as last handed out.
    vote: (Term, Option<PeerId>),
}

impl Writes {
    pub(super) fn new(hard_state: &HardState) -> Self {
        Self { vote: (hard_state.term, hard_state.vote), ..Self::default() }
    }

    /// Whether term or vote differ from those handed out before.
    pub(super) fn is_new_vote(&mut self, hard_state: &HardState) -> bool {
        let vote = (hard_state.term, hard_state.vote);
        core::mem::replace(&mut self.vote, vote) != vote
    }

    pub(super) fn issue(&mut self, write: Write) {
        self.issued = write.number;
        let has_state = write.vote || write.commit.is_some();
        if has_state || write.snapshot || write.entries.is_some() {
            self.in_flight.push_back(write);
        }
    }

    /// Takes a completion; answers the number the library may be told, if any.
    pub(super) fn complete(&mut self, number: u64, ordered: bool) -> Option<u64> {
        assert!(number <= self.issued, "ready {number} persisted, {} issued", self.issued);
        if number <= self.reported {
            return None;
        }
        self.reported = number;
        while let Some(write) = self.in_flight.front().copied() {
            if write.number > number {
                break;
            }
            self.in_flight.pop_front();
            self.durable_commit = self.durable_commit.max(write.commit.unwrap_or(0));
            if write.snapshot {
                self.held_tail = Some(0);
            }
            if let Some((_, last)) = write.entries {
                self.held_tail = Some(last);
            }
        }
        if self.in_flight.is_empty() {
            self.in_flight.shrink_to_fit();
        }
        let rewritten = self.held_tail.is_some_and(|tail| {
            self.in_flight.iter().any(|later| {
                later.snapshot || later.entries.is_some_and(|(first, _)| first <= tail)
            })
        });
        if rewritten && ordered {
            return None;
        }
        self.held_tail = None;
        Some(number)
    }

    /// Completes the latest `Ready` if nothing is on its way to the disk; answers its number then.
    pub(super) fn complete_empty(&mut self) -> Option<u64> {
        let idle = self.in_flight.is_empty() && self.held_tail.is_none();
        if idle {
            self.reported = self.issued;
        }
        idle.then_some(self.issued)
    }

    /// Whether no entry and no snapshot is on its way to the disk.
    pub(super) fn is_settled(&self) -> bool {
        self.held_tail.is_none()
            && self.in_flight.iter().all(|write| !write.snapshot && write.entries.is_none())
    }

    /// The number of the latest `Ready`.
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }

    /// Whether nothing at all is on its way to the disk.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.held_tail.is_none()
    }

    /// Whether the term or vote this replica goes by is not durable yet.
    pub(super) fn has_vote(&self) -> bool {
        self.in_flight.iter().any(|write| write.vote)
    }

    pub(super) fn durable_commit(&self) -> u64 {
        self.durable_commit
    }

    /// Whether a commit index of at least `index` is on its way to the disk.
    pub(super) fn will_commit(&self, index: u64) -> bool {
        self.in_flight.iter().any(|write| write.commit.is_some_and(|commit| commit >= index))
    }
}

#[cfg(test)]
mod tests {
    use super::{Write, Writes};

    fn write(number: u64, first: u64, last: u64) -> Write {
        Write { number, entries: Some((first, last)), snapshot: false, vote: false, commit: None }
    }

    #[test]
    fn a_rewritten_tail_waits_for_its_rewrite() {
        let mut writes = Writes::default();
        writes.issue(write(1, 1, 5));
        writes.issue(write(2, 6, 6));
        writes.issue(write(3, 4, 7));
        assert_eq!(writes.complete(1, true), None, "entries 4 and 5 were rewritten");
        assert_eq!(writes.complete(2, true), None);
        assert!(!writes.is_settled());
        assert_eq!(writes.complete(3, true), Some(3));
        assert!(writes.is_settled());
    }

    #[test]
    fn an_appended_tail_does_not_wait() {
        let mut writes = Writes::default();
        writes.issue(write(1, 1, 5));
        writes.issue(write(2, 6, 6));
        assert_eq!(writes.complete(1, true), Some(1));
        assert_eq!(writes.complete(1, true), None, "told once");
    }

    #[test]
    fn a_snapshot_rewrites_everything() {
        let mut writes = Writes::default();
        writes.issue(write(1, 1, 5));
        writes.issue(Write { entries: None, snapshot: true, ..write(2, 0, 0) });
        assert_eq!(writes.complete(1, true), None);
        assert_eq!(writes.complete(2, true), Some(2));
    }
}
