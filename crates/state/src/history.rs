//! Reading back what happened, for watches that start in the past.

use types::{KeyRange, ReadFailure, Reader, RegionId, Revision};

use crate::error::damaged;
use crate::keys;
use crate::overlay::Records;
use crate::record::Record;
use crate::response::{Event, KeyValue, Position};
use crate::space::event;

/// A piece of history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryPage {
    /// The events, in order, of whole revisions.
    pub events: Vec<Event>,
    /// The first revision not looked at; above the first one asked for.
    pub next: Revision,
}

/// What an event counts for besides its bytes.
const EVENT_BYTES: usize = 256;

/// The events of the revisions `from` to `to`, both included, whose keys lie in `range`.
///
/// Stops at the end of the revision in which `max_bytes` of events were found or `max_records`
/// records looked at, so one revision comes whole however large it is. `from` must not be below the
/// compacted revision of what `reader` shows, nor above `to`, nor `to` above its newest revision.
///
/// # Errors
/// The engine's; a damaged record.
pub fn page(
    reader: &dyn Reader,
    region: RegionId,
    from: Revision,
    to: Revision,
    range: &KeyRange,
    max_bytes: usize,
    max_records: usize,
) -> Result<HistoryPage, ReadFailure> {
    let (start, end) = keys::records(region, Position { revision: from, sub: 0 }, to);
    let (mut bytes, mut records) = (0_usize, 0_usize);
    let mut page = HistoryPage { events: Vec::new(), next: Revision(to.get().saturating_add(1)) };
    let mut last = from;
    let mut failure = None;
    reader.scan(&start, &end, &mut |key, value| {
        let Some(position) = keys::position(&key) else {
            failure = Some(ReadFailure(format!("a record under the key {key:?}")));
            return false;
        };
        let full = bytes >= max_bytes || records >= max_records;
        if full && records > 0 && position.revision != last {
            page.next = Revision(last.get() + 1);
            return false;
        }
        last = position.revision;
        records += 1;
        match Record::decode(&value) {
            Ok(record) if range.contains(&record.key) => {
                bytes += EVENT_BYTES + record.key.len() + record.value.len() + record.session.len();
                let existed = record.deleted || record.version > 1;
                let previous = record.previous.filter(|_| existed);
                page.events.push(event(record, position, previous));
            }
            Ok(_) => {}
            Err(error) => failure = Some(damaged(&format!("record {position:?}"), &error)),
        }
        failure.is_none()
    })?;
    failure.map_or(Ok(page), Err)
}

/// The record at `position`; `None` if it was compacted away or is a tombstone.
///
/// # Errors
/// The engine's; a damaged record.
pub fn record_at(
    reader: &dyn Reader,
    region: RegionId,
    position: Position,
) -> Result<Option<KeyValue>, ReadFailure> {
    let records = Records { region, overlay: None, reader };
    Ok(records.get(position)?.and_then(|record| record.into_key_value(position)))
}
