//! Commands of sharded keyspaces that a client numbered: as in `propose`, with the client's number in
//! place of one of this node's.

use std::sync::Arc;

use state::command::{Command, Envelope, SessionTag};
use state::sharded::{ordered_only, span};
use types::{Code, Epoch, Fault, KeyspaceId};

use super::propose::{is_served, told};
use super::route::{Home, Journey, Route, across, is_astray};
use crate::applier::Applied;
use crate::handle::carry_numbered;
use crate::shared::Shared;

/// Carries out a command once, on whichever region owns its keys by then.
pub(crate) async fn propose_numbered(
    shared: &Arc<Shared>,
    keyspace: KeyspaceId,
    (tag, mut unknown): (SessionTag, bool),
    command: Command,
) -> Result<Applied, Fault> {
    let Some(span) = span(&command).filter(|_| is_served(&command)) else {
        return Err(ordered_only());
    };
    let mut envelope = Envelope { epoch: Epoch::default(), session: Some(tag), command };
    let mut journey = Journey::new(shared);
    loop {
        let route = journey.route(shared, keyspace, &span).map_err(|fault| told(fault, unknown))?;
        let Some(Route { home, plot }) = route else {
            journey.again(shared, unknown).await?;
            continue;
        };
        if !plot.range.covers(&span) {
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
        let answered = match &home {
            Home::Here(shard) => tokio::select! {
                biased;
                answered = carry_numbered(shared, shard, &tag, &data, unknown) => answered,
                // This node has applied a split: what was sent by the old map is done, or never will be.
                () = journey.moved(shared, keyspace, &span.start, &plot) => Err(Code::EpochMismatch.into()),
            },
            Home::Far(far) => far.propose(shared, &data, unknown).await,
        };
        match answered {
            Ok(applied) => return Ok(applied),
            Err(fault) if is_astray(fault.code) => {
                unknown = true;
                journey.again(shared, unknown).await?;
            }
            Err(fault) => return Err(told(fault, true)),
        }
    }
}
