//! Compaction.

use state::command::Command;
use state::response::Response;
use types::{Code, Fault, KeyspaceId, Revision};

use super::Handle;
use crate::answer::Answer;
use crate::applier::ask_scavenge;

impl Handle {
    /// Makes everything before `revision` unreadable; with `physical` answers once this node has
    /// removed what nobody can read any more, however long that takes.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`, and as [`Self::propose`].
    pub async fn compact(
        &self,
        keyspace: KeyspaceId,
        revision: Revision,
        physical: bool,
    ) -> Result<Answer<Response>, Fault> {
        let answer = self.propose(keyspace, Command::Compact { revision }).await?;
        if physical {
            let shard = self.shard(keyspace)?;
            shard.want_physical(revision);
            ask_scavenge(&self.shared, &shard);
            tokio::select! {
                biased;
                () = shard.when_scavenged(revision) => {}
                () = self.shared.ended() => return Err(Code::ShuttingDown.into()),
            }
        }
        Ok(answer)
    }
}
