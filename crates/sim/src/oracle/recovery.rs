//! What a replica acknowledged is there when it comes back: entries that it said are durable, in the term
//! in which it said so (Raft paper, 5.3). In a later term another leader may have taken them back.

use std::collections::BTreeMap;

use consensus::MessageKind;
use region::RegionMessage;
use storage::wal::RegionLog;
use types::{Index, PeerId, RegionId, Term};

#[derive(Default)]
pub(crate) struct Recovery {
    /// Up to where each replica acknowledged, and in which term.
    acknowledged: BTreeMap<(RegionId, PeerId), (Term, Index)>,
}

impl Recovery {
    /// A message leaves.
    pub(crate) fn message(&mut self, sent: &RegionMessage) {
        let message = &sent.message;
        if message.kind() == MessageKind::AppendResponse && !message.is_refusal() {
            let said = (message.term(), message.index());
            let known = self.acknowledged.entry((sent.region, message.from())).or_default();
            *known = said.max(*known);
        }
    }

    /// A replica comes back with what its disk kept.
    pub(crate) fn restarted(
        &self,
        peer: PeerId,
        region: RegionId,
        found: &RegionLog,
    ) -> Result<(), String> {
        let Some((term, index)) = self.acknowledged.get(&(region, peer)) else { return Ok(()) };
        let is_now = found.hard_state.unwrap_or_default().term;
        if is_now == *term && found.last < *index {
            let last = found.last;
            return Err(format!(
                "region {region}: {peer} acknowledged {index} in {term}, and is back with {last}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use types::HardState;

    use super::*;

    #[test]
    fn what_was_acknowledged_is_missed_in_its_own_term_only() {
        let mut oracle = Recovery::default();
        let of = (RegionId(2), PeerId(1));
        oracle.acknowledged.insert(of, (Term(4), Index(9)));
        let back = |term, last| {
            let hard_state = Some(HardState { term: Term(term), ..HardState::default() });
            let log = RegionLog { hard_state, last: Index(last), ..RegionLog::default() };
            oracle.restarted(of.1, of.0, &log)
        };
        assert_eq!(back(4, 9), Ok(()));
        assert_eq!(back(5, 7), Ok(()), "another leader took it back");
        assert!(back(4, 8).unwrap_err().contains("acknowledged 9 in 4, and is back with 8"));
    }
}
