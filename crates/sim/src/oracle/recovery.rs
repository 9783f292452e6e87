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
