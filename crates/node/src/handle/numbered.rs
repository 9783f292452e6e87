//! Commands that a client numbers itself: sent again, over this node or another one, they are carried out
//! once (Raft dissertation, 6.3).

use std::sync::Arc;

use blake2::digest::consts::U8;
use blake2::{Blake2b, Digest};
use state::command::{Command, Envelope, SessionTag, level};
use state::response::Response;
use types::{Code, Epoch, Fault, KeyspaceId, limits};

use super::Handle;
use crate::answer::{Answer, Header};
use crate::applier::Applied;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::{forward, levels, sharded};

/// The number of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    /// Drawn by the client, and nobody else's.
    pub client: u64,
    /// From 1 up, in each keyspace.
    pub sequence: u64,
    /// The client will not ask again for this one, nor for any before it.
    pub acknowledged: u64,
    /// Whether it was sent before, so that it may have been carried out.
    pub again: bool,
}

impl Number {
    /// What the log knows it by.
    ///
    /// # Errors
    /// `InvalidArgument` for one that cannot be; `LimitReached` where more than [`limits::SESSION_OUTCOMES`]
    /// answers would have to be kept for the client.
    pub(crate) fn tag(self) -> Result<SessionTag, Fault> {
        let Self { client, sequence, acknowledged, .. } = self;
        if sequence == 0 || acknowledged >= sequence {
            let detail = "a command's number is from 1 up, and not among those that are done with";
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        if sequence - acknowledged > limits::SESSION_OUTCOMES as u64 {
            let detail = format!(
                "a client waits for at most {} numbered commands at once",
                limits::SESSION_OUTCOMES
            );
            return Err(Fault::new(Code::LimitReached, detail));
        }
        // Nobody finds a number that comes to be a node's own, or another client's of whom it is not known.
        let mut digest = Blake2b::<U8>::new();
        digest.update(b"hiraeth client");
        digest.update(client.to_be_bytes());
        let client = u64::from_be_bytes(digest.finalize().into());
        Ok(SessionTag { client, sequence, acknowledged, again: self.again })
    }
}

impl Handle {
    /// As [`Self::propose`], of a command with a number of its client's: a put, a removal, a transaction.
    ///
    /// # Errors
    /// As that; `SessionExpired` when it is not known any more what became of it; `OutcomeNotKept` when
    /// it was carried out, and its answer was too large to be kept.
    pub async fn propose_numbered(
        &self,
        keyspace: KeyspaceId,
        number: Number,
        command: Command,
    ) -> Result<Answer<Response>, Fault> {
        let shared = &self.shared;
        let mut tag = number.tag()?;
        tag.again = tag.again && levels::is_used(shared, level::PROPOSED_AGAIN);
        state::check(&command)?;
        levels::must_be_used(shared, command.level())?;
        let shard = match self.ready_shard(keyspace).await {
            Err(fault) if fault.code == Code::Unsupported && shared.is_sharded(keyspace) => {
                let numbered = (tag, number.again);
                let applied = sharded::propose_numbered(shared, keyspace, numbered, command);
                return self.answer_sharded(applied.await?);
            }
            shard => shard?,
        };
        if !number.again {
            shard.heat.ask(shared, || state::sharded::span(&command))?;
        }
        let epoch = Epoch { version: shard.record.epoch.version, ..shard.record.epoch };
        let data = Envelope { epoch, session: Some(tag), command }.encode();
        if data.len() > limits::REQUEST_BYTES + 4096 {
            return Err(Code::RequestTooLarge.into());
        }
        let applied = carry(shared, &shard, &tag, &data, number.again).await?;
        let revision = applied.outcome.revision;
        let header = Header { term: applied.term, ..self.header_at(&shard, revision) };
        Ok(Answer { header, body: applied.outcome.result? })
    }
}

/// Brings it to the region's leader, as often as it takes, until this node has applied it. `unknown`: it
/// may have been carried out before.
pub(crate) async fn carry(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    tag: &SessionTag,
    data: &bytes::Bytes,
    unknown: bool,
) -> Result<Applied, Fault> {
    let mut guest = shard.guests.enter(tag);
    let answer = tokio::select! {
        biased;
        told = &mut guest.outcome => match told {
            Ok(applied) => applied,
            // The client asks for it anew over another connection, or the region leaves.
            Err(_) => Err(match shard.broken() {
                Err(fault) if fault.code == Code::RegionNotFound && shard.is_sharded => {
                    Code::EpochMismatch.into()
                }
                Err(fault) => forward::nobody_knows(&fault),
                Ok(()) => Fault::new(Code::Timeout, "it was asked for anew; the outcome is unknown"),
            }),
        },
        fault = forward::attempts(shared, shard, data, unknown) => Err(fault),
    };
    shared.meters.proposal(answer.as_ref().err().map(|fault: &Fault| fault.code));
    answer
}

#[cfg(test)]
mod tests {
    use types::Code;

    use super::Number;

    #[test]
    fn numbers_are_bounded_and_no_clients_is_told_by_another() {
        let number =
            |sequence, acknowledged| Number { client: 7, sequence, acknowledged, again: false };
        assert_eq!(number(0, 0).tag().unwrap_err().code, Code::InvalidArgument);
        assert_eq!(number(3, 3).tag().unwrap_err().code, Code::InvalidArgument);
        assert_eq!(number(4_097, 0).tag().unwrap_err().code, Code::LimitReached);
        let tag = number(4_096, 0).tag().unwrap();
        assert_ne!(tag.client, 7);
        assert_eq!(tag.client, number(9, 8).tag().unwrap().client);
        let other = Number { client: 8, ..number(1, 0) };
        assert_ne!(tag.client, other.tag().unwrap().client);
    }
}
