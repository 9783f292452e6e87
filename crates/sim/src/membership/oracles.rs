//! What must hold for replicas that stand alone. Everything is told at the moment it happens; the
//! first thing wrong is what the run fails with.

use std::collections::BTreeMap;

use consensus::{Message, MessageKind, PeerChange};
use types::{ConfState, Entry, EntryKind, Index, PeerId, Term};

use super::disk::{Disk, Image, Write};
use crate::trace::hash;

type Verdict = Result<(), String>;

/// All of them.
#[derive(Default)]
pub(super) struct Oracles {
    leaders: BTreeMap<Term, PeerId>,
    votes: BTreeMap<(PeerId, Term), PeerId>,
    /// Log matching: an entry is named by its place and term.
    entries: BTreeMap<(Index, Term), u64>,
    /// What was committed, for ever.
    committed: BTreeMap<Index, (Term, u64)>,
    /// In which term that was known first: a leader of a later one must have the entry.
    known_in: BTreeMap<Index, Term>,
    /// The configurations that took effect, by the entry that made them.
    confs: BTreeMap<Index, ConfState>,
}

fn digest(entry: &Entry) -> u64 {
    hash(&entry.data) ^ u64::from(entry.kind == EntryKind::ConfChange)
}

impl Oracles {
    /// The last entry known committed.
    pub(super) fn last(&self) -> Index {
        self.committed.last_key_value().map_or(Index(0), |(index, _)| *index)
    }

    /// How many entries were committed.
    pub(super) fn count(&self) -> usize {
        self.committed.len()
    }

    /// Election safety and leader completeness (Raft paper, figure 3).
    pub(super) fn leads(&mut self, peer: PeerId, term: Term, log: &Image) -> Verdict {
        let leader = *self.leaders.entry(term).or_insert(peer);
        if leader != peer {
            return Err(format!("{leader} and {peer} both lead term {term}"));
        }
        let known = self.known_in.range(log.first()..).filter(|(_, known)| **known < term);
        for (index, (of, _)) in known.filter_map(|(index, _)| self.committed.get_key_value(index)) {
            if log.term(*index) != Some(*of) {
                return Err(format!(
                    "{peer} leads term {term} and has {:?} at {index}, committed in {of}",
                    log.term(*index)
                ));
            }
        }
        Ok(())
    }

    /// Log matching: the same place and term, the same entry.
    pub(super) fn appends(&mut self, peer: PeerId, entries: &[Entry]) -> Verdict {
        for entry in entries {
            let (key, is) = ((entry.index, entry.term), digest(entry));
            if *self.entries.entry(key).or_insert(is) != is {
                return Err(format!("{peer} has another entry {} of term {}", key.0, key.1));
            }
        }
        Ok(())
    }

    /// A message leaves: what it says must survive every crash from now on.
    pub(super) fn sends<'a>(
        &mut self,
        message: &Message,
        disk: &'a Disk,
        coming: impl Iterator<Item = &'a Write>,
    ) -> Verdict {
        let (kind, from, term) = (message.kind(), message.from(), message.term());
        let promised = disk.promised();
        let promises = matches!(
            kind,
            MessageKind::Append
                | MessageKind::AppendResponse
                | MessageKind::Heartbeat
                | MessageKind::HeartbeatResponse
                | MessageKind::Vote
                | MessageKind::VoteResponse
        );
        if promises && promised.term < term {
            let kept = promised.term;
            return Err(format!(
                "{from} speaks in term {term}, its disk holds {kept}: {message:?}"
            ));
        }
        let is_refusal = message.is_refusal();
        if kind == MessageKind::VoteResponse && !is_refusal {
            let voted = *self.votes.entry((from, term)).or_insert(message.to());
            let forgets = promised.term == term && promised.vote != Some(voted);
            if voted != message.to() || forgets {
                return Err(format!("{from} votes {message:?}, before {voted}, kept {promised:?}"));
            }
        }
        // What a later term wrote over it since is another matter.
        if kind == MessageKind::AppendResponse && !is_refusal && promised.term == term {
            let index = message.index();
            if let (told, false) = disk.holds(index, term, coming) {
                return Err(format!("{from} acknowledged {index} of term {told:?}: not durable"));
            }
        }
        Ok(())
    }

    /// Entries are handed out to be applied: committed entries never change, and what is applied
    /// is durable.
    pub(super) fn commits<'a>(
        &mut self,
        peer: PeerId,
        (entry, term): (&Entry, Term),
        disk: &'a Disk,
        coming: impl Iterator<Item = &'a Write>,
    ) -> Verdict {
        let (index, is) = (entry.index, (entry.term, digest(entry)));
        let was = *self.committed.entry(index).or_insert(is);
        self.known_in.entry(index).or_insert(term);
        if was != is {
            return Err(format!("{peer} commits {is:?} at {index}, it was {was:?}"));
        }
        match disk.holds(index, Term(u64::MAX), coming) {
            (_, true) => Ok(()),
            (term, false) => Err(format!("{peer} applies {index} of {term:?}: not durable")),
        }
    }

    /// A change of the peers takes effect: on all alike, and a crash does not take it back.
    pub(super) fn changes(
        &mut self,
        peer: PeerId,
        entry: &Entry,
        conf: &ConfState,
        disk: &Disk,
    ) -> Verdict {
        let known = self.confs.entry(entry.index).or_insert_with(|| conf.clone());
        if known != conf {
            return Err(format!("{peer} is at {conf:?} after {}, others {known:?}", entry.index));
        }
        let commit = disk.promised().commit;
        if commit < entry.index {
            return Err(format!(
                "{peer} goes by the change at {}, its disk knows {commit} to be committed",
                entry.index
            ));
        }
        Ok(())
    }

    /// A leader proposed a change: not one that takes its own vote.
    pub(super) fn proposes(peer: PeerId, steps: &[PeerChange]) -> Verdict {
        let removes =
            |step: &PeerChange| step.peer() == peer && !matches!(step, PeerChange::AddVoter(_));
        if steps.iter().any(removes) {
            return Err(format!("the leader {peer} proposed its own removal: {steps:?}"));
        }
        Ok(())
    }

    /// An index for a linearizable read came: not below what was committed when it was asked for.
    pub(super) fn reads(peer: PeerId, asked: Index, index: Index, how: &str) -> Verdict {
        if index >= asked {
            return Ok(());
        }
        Err(format!("{peer} may serve a {how} at {index}; {asked} was committed before"))
    }
}
