//! Writing it down: the logs that begin anew, then the state, then the ends of the other logs. Until all is
//! done the node does not start, and doing it again from any point comes to the same: a region counts as one
//! that is here from when its state is, and then its log has begun.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::beginning::{self, Progression};
use storage::engine::Engine;
use storage::log::{Log, LogReader};
use storage::wal::Write;
use types::{Batch, ClusterId, Entry, EntryKind, Epoch, HardState, Index, Revision, Term};

use super::plan;
use super::survey::{RegionLeft, Survey};
use crate::Error;

/// Bytes of entries read at once.
const PIECE: u64 = 4 << 20;
/// Where the log of a region begins that begins anew: after this.
const FIRST: (Index, Term) = (Index(1), Term(1));

/// Makes this node the only voter of every region, and the only node of the directory, in one step.
pub(super) fn state(engine: &dyn Engine, survey: &Survey, cluster: ClusterId) -> Result<(), Error> {
    let mut batch = Batch::default();
    let mut epochs = BTreeMap::new();
    for left in &survey.regions {
        epochs.insert(left.region, one(engine, left, &mut batch)?);
    }
    let changed = beginning::rewrite_directory(engine, &mut batch, |directory| {
        plan::change(directory, survey, cluster, &epochs);
    });
    changed.map_err(|error| failed(left_meta(survey), &error))?;
    engine.write(batch)?;
    engine.persist()?;
    Ok(())
}

fn left_meta(survey: &Survey) -> types::RegionId {
    survey.regions.first().map(|left| left.region).unwrap_or_default()
}

fn failed(region: types::RegionId, error: &state::LoadError) -> Error {
    Error::Load { region, reason: error.to_string() }
}

fn one(engine: &dyn Engine, left: &RegionLeft, batch: &mut Batch) -> Result<Epoch, Error> {
    if left.is_here {
        let applied = beginning::alone(left.region, left.peer, engine, batch);
        return Ok(applied.map_err(|error| failed(left.region, &error))?.epoch);
    }
    let progress = Progression::new(Revision(1), Revision(0));
    progress.begin(left.region, vec![left.peer], left.shape.as_ref(), batch);
    Ok(Epoch { version: 1, conf_ver: 1 })
}

/// Begins the logs of what begins anew.
pub(super) fn begin_logs(log: &mut dyn Log, survey: &Survey) -> Result<(), Error> {
    let reader = log.reader();
    for left in survey.regions.iter().filter(|left| !left.is_here) {
        log.append(&[beginning(reader.as_ref(), left)])?;
        log.sync()?;
    }
    Ok(())
}

/// Takes changes of the peers out of what is still to be applied.
pub(super) fn end_logs(log: &mut dyn Log, survey: &Survey) -> Result<(), Error> {
    let reader = log.reader();
    for left in survey.regions.iter().filter(|left| left.is_here) {
        if let Some(write) = without_changes(reader.as_ref(), left)? {
            log.append(&[write])?;
            log.sync()?;
        }
    }
    log.settle()?;
    Ok(())
}

fn beginning(reader: &dyn LogReader, left: &RegionLeft) -> Write {
    let hard = reader.region(left.region).and_then(|log| log.hard_state).unwrap_or_default();
    let (index, term) = FIRST;
    Write {
        region: left.region,
        // What was promised in a term stays so.
        hard_state: Some(HardState { term: hard.term.max(term), vote: None, commit: index }),
        reset_to: Some(FIRST),
        ..Write::default()
    }
}

/// The end of a log from its first change of the peers on, with nothing in the place of each: they are about
/// replicas that are not there any more. `None` if there is none.
fn without_changes(reader: &dyn LogReader, left: &RegionLeft) -> Result<Option<Write>, Error> {
    let region = left.region;
    let Some(log) = reader.region(region) else { return Ok(None) };
    let mut next = left.applied.next().max(log.first);
    let mut entries: Vec<Entry> = Vec::new();
    while next <= log.last {
        let some = reader.entries(region, next, log.last.next(), PIECE)?;
        let Some(last) = some.last().map(|entry| entry.index) else { break };
        let is_change = |entry: &Entry| entry.kind == EntryKind::ConfChange;
        if !entries.is_empty() || some.iter().any(is_change) {
            entries.extend(some.into_iter().map(|entry| match is_change(&entry) {
                true => Entry { kind: EntryKind::Normal, data: Bytes::new(), ..entry },
                false => entry,
            }));
        }
        next = last.next();
    }
    // As one: cut off in the middle, the end would be gone.
    Ok((!entries.is_empty()).then(|| Write { region, entries, ..Write::default() }))
}
