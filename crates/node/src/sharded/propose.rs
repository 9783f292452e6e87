//! Commands of sharded keyspaces, on their way to whichever region owns their keys by then.

use std::sync::Arc;

use state::command::{Command, Envelope};
use state::sharded::{ordered_only, span};
use tokio::sync::oneshot;
use types::{Code, Epoch, Fault, KeyspaceId};

use super::route::{Home, Journey, Route, across, is_astray};
use crate::applier::Applied;
use crate::forward::{attempts, nobody_knows};
use crate::levels;
use crate::shard::TagGuard;
use crate::shared::Shared;
use crate::waiter::Waiter;

/// Carries out a command and answers its outcome.
///
/// It has one number for all its ways. A region that is split gives what it remembers of numbers to its
/// child, so a command that was carried out before is answered there as it was here, and one that came too
/// late is refused by the old region for its epoch: then it was certainly not carried out there.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    keyspace: KeyspaceId,
    command: Command,
) -> Result<Applied, Fault> {
    let Some(span) = span(&command).filter(|_| is_served(&command)) else {
        return Err(ordered_only());
    };
    levels::must_be_used(shared, command.level())?;
    let (sender, mut outcome) = oneshot::channel();
    let tags = shared.sharding.tags(keyspace);
    let mut guard = TagGuard::new(tags, shared.incarnation.0, Waiter::Task(sender))?;
    let mut envelope = Envelope { epoch: Epoch::default(), session: Some(guard.tag), command };
    let mut journey = Journey::new(shared);
    let mut unknown = false;
    loop {
        let route = journey.route(shared, keyspace, &span).map_err(|fault| told(fault, unknown))?;
        let Some(Route { home, plot }) = route else {
            journey.again(shared, unknown).await?;
            continue;
        };
        if !plot.range.covers(&span) {
            // It may have been carried out before the split.
            if let Ok(applied) = outcome.try_recv() {
                guard.is_done();
                return Ok(applied);
            }
            if unknown {
                let detail =
                    "a region was split between the keys meanwhile; the outcome is unknown";
                return Err(Fault::new(Code::Timeout, detail));
            }
            return Err(across());
        }
        if !unknown && let Home::Here(shard) = &home {
            shard.heat.ask(shared, || Some(span.clone()))?;
        }
        envelope.epoch.version = plot.version;
        let data = envelope.encode();
        if data.len() > types::limits::REQUEST_BYTES + 4096 {
            return Err(Code::RequestTooLarge.into());
        }
        let attempts = async {
            let shard = match &home {
                Home::Here(shard) => shard,
                Home::Far(far) => return far.propose(shared, &data, unknown).await,
            };
            tokio::select! {
                fault = attempts(shared, shard, &data, unknown) => Err(fault),
                // This node has applied a split: what was sent by the old map is done, or never will be.
                () = journey.moved(shared, keyspace, &span.start, &plot) => Err(Code::EpochMismatch.into()),
            }
        };
        let fault = tokio::select! {
            biased;
            applied = &mut outcome => {
                let applied = applied.map_err(|_| Fault::from(Code::ShuttingDown));
                shared.meters.proposal(applied.as_ref().err().map(|fault| fault.code));
                if applied.is_ok() {
                    guard.is_done();
                }
                return applied;
            }
            answered = attempts => match answered {
                Ok(applied) => {
                    shared.meters.proposal(None);
                    return Ok(applied);
                }
                Err(fault) => fault,
            },
        };
        if !is_astray(fault.code) {
            shared.meters.proposal(Some(fault.code));
            return Err(told(fault, true));
        }
        unknown = true;
        journey.again(shared, unknown).await?;
    }
}

/// A copy that broke here says nothing of what became of a command that was sent.
pub(super) fn told(fault: Fault, was_sent: bool) -> Fault {
    if fault.code != Code::Corrupt || !was_sent {
        return fault;
    }
    nobody_knows(&fault)
}

pub(crate) fn is_served(command: &Command) -> bool {
    match command {
        Command::Put(_) | Command::Delete(_) | Command::Txn(_) => true,
        Command::Limited { command, .. } => is_served(command),
        _ => false,
    }
}
