use std::sync::Arc;

use env::Moment;
use state::request::RangeRequest;
use state::response::RangeResponse;
use types::{Fault, KeyspaceId};

use super::{Orders, Unsent};
use crate::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::read;
use crate::shard::Shard;

/// Reads that wait for this node's copy to be good enough, any number of one keyspace.
pub struct PendingRead {
    shard: Arc<Shard>,
    since: Moment,
}

impl Handle {
    /// Asks for what a linearizable read of this node's copy waits for; every read that came before
    /// this call may go once the desk of `orders` is told [`super::News::Ready`] under `ticket`.
    /// Nothing happens before [`Self::send`].
    ///
    /// # Errors
    /// A limit; or that there is nobody to ask now.
    pub fn submit_read(
        &self,
        keyspace: KeyspaceId,
        orders: &mut Orders,
        ticket: u64,
    ) -> Result<PendingRead, Unsent<()>> {
        let Ok(shard) = self.shard(keyspace) else { return Err(Unsent::NotNow(())) };
        if shard.keys_only().is_err() || shard.leadership().leader.is_none() {
            return Err(Unsent::NotNow(()));
        }
        self.shared.admit().map_err(Fault::from)?;
        orders.read(&self.shared, shard.record.id, ticket);
        Ok(PendingRead { shard, since: self.shared.clock.now() })
    }

    /// The wait of `pending` is over: its reads may go.
    pub fn ready_to_read(&self, pending: &PendingRead) {
        pending.shard.note_current(pending.since);
        self.shared.note_read(pending.since);
    }

    /// Reads a range from this node's copy as it is, without waiting for anything; `None` if that
    /// would take long. To be called once what `consistency` asks for is known to hold.
    #[must_use]
    pub fn range_here(
        &self,
        keyspace: KeyspaceId,
        request: &RangeRequest,
        consistency: Consistency,
    ) -> Option<Result<Answer<RangeResponse>, Fault>> {
        if let Err(code) = state::check_range(request) {
            return Some(Err(code));
        }
        let shard = self.shard(keyspace).ok().filter(|shard| shard.keys_only().is_ok())?;
        let age = match consistency {
            Consistency::Stale => Some(read::age(&self.shared, &shard)),
            Consistency::Linearizable => None,
            _ => return None,
        };
        self.shared.meters.read(consistency);
        if let Err(fault) = shard.heat.ask(&self.shared, || Some(request.range.clone())) {
            return Some(Err(fault));
        }
        if consistency == Consistency::Stale {
            shard.heat.set_apart();
        }
        let found = read::range_now(&self.shared, &shard, request)?;
        let header = |revision| Header { age, ..self.header_at(&shard, revision) };
        Some(found.map(|(body, revision)| Answer { header: header(revision), body }))
    }
}
