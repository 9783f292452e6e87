//! A replica votes at most once in a term, across restarts (Raft paper, 5.2 and figure 2: `votedFor`
//! and `currentTerm` are on stable storage before anything is answered).

use std::collections::BTreeMap;

use consensus::MessageKind;
use region::RegionMessage;
use types::{HardState, PeerId, RegionId, Term};

#[derive(Default)]
pub(crate) struct Votes {
    given: BTreeMap<(RegionId, PeerId, Term), PeerId>,
    /// The highest term a replica answered in.
    promised: BTreeMap<(RegionId, PeerId), Term>,
}

impl Votes {
    /// A message leaves.
    pub(crate) fn message(&mut self, sent: &RegionMessage) -> Result<(), String> {
        let message = &sent.message;
        let (region, voter, term) = (sent.region, message.from(), message.term());
        let candidate = match message.kind() {
            MessageKind::Vote => Some(voter),
            MessageKind::VoteResponse if !message.is_refusal() => Some(message.to()),
            MessageKind::VoteResponse
            | MessageKind::AppendResponse
            | MessageKind::HeartbeatResponse => None,
            _ => return Ok(()),
        };
        let promised = self.promised.entry((region, voter)).or_default();
        *promised = term.max(*promised);
        let Some(candidate) = candidate else { return Ok(()) };
        let before = *self.given.entry((region, voter, term)).or_insert(candidate);
        if before == candidate {
            return Ok(());
        }
        Err(format!("region {region}: {voter} voted for {before} and {candidate} in term {term}"))
    }

    /// A replica came back with what its disk kept.
    pub(crate) fn restarted(
        &self,
        voter: PeerId,
        region: RegionId,
        found: Option<HardState>,
    ) -> Result<(), String> {
        let found = found.unwrap_or_default();
        let Some(promised) = self.promised.get(&(region, voter)) else { return Ok(()) };
        if found.term < *promised {
            let term = found.term;
            return Err(format!(
                "region {region}: {voter} is back in term {term}, was in {promised}"
            ));
        }
        let given = self.given.get(&(region, voter, found.term));
        if given.is_some() && found.vote != given.copied() {
            return Err(format!(
                "region {region}: {voter} gave {given:?} its vote, kept {found:?}"
            ));
        }
        Ok(())
    }
}
