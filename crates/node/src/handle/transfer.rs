//! Handing leadership to a certain node.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;
use types::{Code, Fault, KeyspaceId, NodeId, RegionId};

use super::Handle;
use crate::answer::Header;
use crate::forward::REQUEST_TIMEOUT;
use crate::poller::ToPoller;
use crate::shard::Shard;

impl Handle {
    /// Hands leadership of a keyspace to node `to` and waits until it leads, as far as this node sees,
    /// for as long as a request may take. With `default` the meta region goes along, if this node leads
    /// it and it can: whoever leads one of them had better lead both.
    ///
    /// # Errors
    /// `NotLeader` where this node does not lead the keyspace; `BadTransferee` for who is no member
    /// or has no vote; `TransferTimedOut`, after which it may still happen.
    pub async fn move_leader(&self, keyspace: KeyspaceId, to: NodeId) -> Result<Header, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        if !shard.leadership().here {
            return Err(Code::NotLeader.into());
        }
        if keyspace == KeyspaceId::DEFAULT
            && let Some(meta) = self.shared.shard(RegionId::META)
            && meta.leadership().here
        {
            let (keyspace, meta) =
                tokio::join!(self.transfer(&shard, to), self.transfer(&meta, to));
            if let Err(fault) = meta {
                tracing::warn!(%to, %fault, "the meta region was not handed over");
            }
            keyspace?;
        } else {
            self.transfer(&shard, to).await?;
        }
        Ok(self.header_of(&shard))
    }

    async fn transfer(&self, shard: &Arc<Shard>, to: NodeId) -> Result<(), Fault> {
        let region = shard.record.id;
        if to == self.shared.node() {
            return Ok(());
        }
        let mut leadership = shard.watch_leadership();
        let (reply, begun) = oneshot::channel();
        self.shared.poller(region).push(ToPoller::Transfer { region, to, reply });
        match begun.await.map_err(|_| Code::ShuttingDown)? {
            Ok(()) => {}
            Err(Code::MemberNotFound) => return Err(Code::BadTransferee.into()),
            Err(code) => return Err(code.into()),
        }
        let arrived = leadership.wait_for(|now| now.leader == Some(to));
        match timeout(REQUEST_TIMEOUT, arrived).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Code::ShuttingDown.into()),
            Err(_) => Err(Code::TransferTimedOut.into()),
        }
    }
}
