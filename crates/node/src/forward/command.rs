//! Commands, on their way through the log.

use std::sync::Arc;

use bytes::Bytes;
use spans::Kind;
use state::command::{Command, Envelope, level};
use state::proposed_again;
use tokio::sync::oneshot;
use types::{Code, Epoch, Fault};

use super::attempts::{nobody_knows, until_answered};
use super::question::ask;
use super::traced::current;
use crate::applier::Applied;
use crate::frame::Question;
use crate::levels;
use crate::poller::ToPoller;
use crate::proposal::{Asked, Proposal, Work};
use crate::shard::{Leadership, Shard};
use crate::shared::Shared;
use crate::space::must_have_room;

/// Carries out a command on a region and answers its outcome.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    command: Command,
) -> Result<Applied, Fault> {
    propose_at(shared, shard, shard.record.epoch.version, command).await
}

/// The same for a region whose shape changes, and that has this version as far as is known.
pub(crate) async fn propose_at(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    version: u64,
    command: Command,
) -> Result<Applied, Fault> {
    levels::must_be_used(shared, command.level())?;
    let (guard, outcome) = shard.tag(shared.incarnation.0)?;
    let epoch = Epoch { version, ..shard.record.epoch };
    let envelope = Envelope { epoch, session: Some(guard.tag), command };
    let data = envelope.encode();
    drop(envelope);
    if data.len() > types::limits::REQUEST_BYTES + 4096 {
        return Err(Code::RequestTooLarge.into());
    }
    let answer = carry(shared, shard, data, outcome, false).await;
    drop(guard);
    answer
}

/// Brings an encoded command to its region's leader, as often as it takes, until its outcome comes.
/// `unknown` as in [`until_answered`].
pub(crate) async fn carry(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    data: Bytes,
    outcome: oneshot::Receiver<Applied>,
    unknown: bool,
) -> Result<Applied, Fault> {
    let attempts = attempts(shared, shard, &data, unknown);
    let answer = tokio::select! {
        biased;
        applied = outcome => applied.map_err(|_| match shard.broken() {
            Err(why) => nobody_knows(&why),
            Ok(()) => Code::ShuttingDown.into(),
        }),
        fault = attempts => Err(fault),
    };
    shared.meters.proposal(answer.as_ref().err().map(|fault: &Fault| fault.code));
    answer
}

/// Tries until it is certain that there is no use in it; answers why.
pub(crate) async fn attempts(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    data: &Bytes,
    unknown: bool,
) -> Fault {
    let failed = until_answered(shared, shard, Some(unknown), |leader: Leadership, unknown| {
        let says_so = unknown && levels::is_used(shared, level::PROPOSED_AGAIN);
        let data = if says_so { proposed_again(data) } else { data.clone() };
        let (shared, shard) = (Arc::clone(shared), Arc::clone(shard));
        async move {
            if leader.here {
                return propose_here(&shared, &shard, data).await;
            }
            let node = leader.leader.ok_or(Code::NoLeader)?;
            ask(&shared, shard.record.id, node, Question::Propose, data).await.map(drop)
        }
    });
    failed.await.err().unwrap_or_else(|| Code::Internal.into())
}

/// Proposes on this node; answers only if that fails.
async fn propose_here(shared: &Shared, shard: &Shard, data: Bytes) -> Result<(), Fault> {
    must_have_room(shared, shard.record.id, &data)?;
    shared.admit_bytes(data.len())?;
    let (sender, receiver) = oneshot::channel();
    let work = current(shared).map(|trace| Work::begin(&trace, Kind::Internal, shard));
    let (region, proposal) = (shard.record.id, Proposal { asked: Asked::Here(sender), work });
    shared.poller(region).push(ToPoller::Propose { region, data, proposal });
    match receiver.await {
        Ok(code) => Err(code.into()),
        // It is in the log and committed; the applier has the word now. Or the node has ended.
        Err(_) => std::future::pending().await,
    }
}
