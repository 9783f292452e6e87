//! A registry as of one moment, as one run of bytes.

use std::sync::Arc;

use bytes::Bytes;
use state::registry::ArchiveWriter;
use state::request::RangeRequest;
use types::{Code, Fault, KeyRange, KeyspaceId};

use super::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::{forward, read};

impl Handle {
    /// All that a registry holds, with the keys beside it, as it was at the revision of the answer's header.
    /// The registry goes on meanwhile.
    ///
    /// # Errors
    /// As [`Self::registry`]; `LimitReached` if it is more than
    /// [`types::limits::REGISTRY_ARCHIVE_BYTES`]; `TooManyRequests` when too many are being made.
    pub async fn registry_archive(
        &self,
        keyspace: KeyspaceId,
        consistency: Consistency,
    ) -> Result<Answer<Bytes>, Fault> {
        if self.sharded_registry(keyspace).is_some() {
            let detail = "a snapshot of Consul's is of one moment, which the shards of this registry do not \
                          share: `hiraeth admin backup` saves all of it";
            return Err(Fault::new(Code::Unsupported, detail));
        }
        let shard = self.registry_shard(keyspace).await?;
        let age = read::confirm(&self.shared, &shard, consistency).await?;
        let permit = Arc::clone(&self.shared.frozen).acquire_owned();
        let permit = tokio::time::timeout(forward::REQUEST_TIMEOUT, permit).await;
        let busy = || Fault::new(Code::TooManyRequests, "other snapshots are being made");
        let permit = permit.map_err(|_| busy())?.map_err(|_| Code::ShuttingDown)?;
        let (everything, selection, view, header) = {
            let machine = shard.machine.read();
            let Some(registry) = machine.registry() else {
                shard.broken()?;
                return Err(Code::Unsupported.into());
            };
            let all = RangeRequest { range: KeyRange::all(), ..RangeRequest::default() };
            let selection = machine.select(&all)?;
            let header = Header { age, ..self.header_at(&shard, machine.revision()) };
            (registry.everything(), selection, self.shared.engine.snapshot(), header)
        };
        let shared = Arc::clone(&self.shared);
        let write = move || {
            let _permit = permit;
            let mut archive = ArchiveWriter::new(&everything)?;
            let mut added = Ok(());
            let visited = selection.visit(view.as_ref(), &mut |kv| {
                added = match shared.has_ended() {
                    false => archive.key(&kv),
                    true => Err(Code::ShuttingDown.into()),
                };
                added.is_ok()
            });
            visited.map_err(|error| read::failed(&shared, &error))?;
            added.map(|()| archive.finish())
        };
        let archive = tokio::task::spawn_blocking(write).await;
        let body = archive.map_err(|error| Fault::new(Code::Internal, error.to_string()))??;
        Ok(Answer { header, body })
    }
}
