//! The flight recorder and the watches of a node, as `hiraeth.v1.Node` tells of them.

use std::time::{SystemTime, UNIX_EPOCH};

use node::{Entry, Handle, Timeline, WatchSight};
use proto::hiraeth::v1 as pb;
use state::directory::Directory;
use tokio::sync::Semaphore;
use tonic::Status;
use types::{KeyspaceId, RegionId};

/// Records in one answer.
const RECORDS: usize = 5_000;
/// Watches in one answer.
const WATCHES: usize = 1_000;
/// Bytes of the records of one answer: it may have to go between nodes.
const BYTES: usize = 2 << 20;
/// The files are up to 16 MiB, and read as a whole.
static READING: Semaphore = Semaphore::const_new(1);

/// `most` of what was asked for, or the bound.
fn bounded(asked: u32, bound: usize) -> usize {
    usize::try_from(asked).ok().filter(|asked| *asked > 0).unwrap_or(bound).min(bound)
}

/// The newest records.
///
/// # Errors
/// `Unavailable` when the files cannot be read.
pub(crate) async fn flight(
    handle: &Handle,
    asked: &pb::FlightRequest,
) -> Result<pb::FlightResponse, Status> {
    let turn = READING.acquire().await;
    let read = handle.flight().await;
    drop(turn);
    let read = read.map_err(|error| {
        Status::unavailable(format!("hiraeth: the flight recorder cannot be read: {error}"))
    })?;
    Ok(pb::FlightResponse { node: handle.node().get(), now_ms: now(), ..newest(read, asked) })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn newest(timeline: Timeline, asked: &pb::FlightRequest) -> pb::FlightResponse {
    let most = bounded(asked.limit, RECORDS);
    let (mut records, mut bytes, mut more) = (Vec::new(), 0, false);
    let wanted = timeline.entries.into_iter().rev().filter(|entry| {
        entry.wall_ms > asked.after_ms && !(asked.events_only && entry.kind == "sample")
    });
    for entry in wanted {
        let record = record(entry);
        bytes += record.kind.len() + record.fields.len() + 24;
        if records.len() >= most || bytes > BYTES {
            more = true;
            break;
        }
        records.push(record);
    }
    records.reverse();
    let damaged_bytes = timeline.damage.iter().map(|damage| damage.len).sum();
    pb::FlightResponse { records, more, damaged_bytes, ..pb::FlightResponse::default() }
}

fn record(entry: Entry) -> pb::FlightRecord {
    let Entry { wall_ms: at_ms, up_ms, kind, fields } = entry;
    pb::FlightRecord { at_ms, up_ms, kind, fields: serde_json::Value::Object(fields).to_string() }
}

/// The watches on this node, or those of a keyspace.
pub(crate) fn watches(
    handle: &Handle,
    keyspace: Option<KeyspaceId>,
    limit: u32,
) -> pb::WatchesResponse {
    let (total, seen) = handle.watches(keyspace, bounded(limit, WATCHES));
    let directory = handle.directory();
    let watches = seen.into_iter().map(|seen| watch(seen, &directory)).collect();
    pb::WatchesResponse { node: handle.node().get(), total, watches }
}

fn keyspace_of(region: RegionId, directory: &Directory) -> (u32, String) {
    let Some(record) = directory.regions.get(&region) else { return (0, String::new()) };
    let keyspace = directory.keyspaces.get(&record.keyspace);
    let name = keyspace.map(|keyspace| keyspace.name.clone()).unwrap_or_default();
    (record.keyspace.get(), name)
}

fn watch(seen: WatchSight, directory: &Directory) -> pb::WatchInfo {
    let (keyspace, keyspace_name) = keyspace_of(seen.region, directory);
    pb::WatchInfo {
        region: seen.region.get(),
        keyspace,
        keyspace_name,
        stream: seen.stream,
        id: seen.id,
        start: seen.range.start,
        end: seen.range.end,
        next: seen.next.get(),
        behind: seen.behind,
        waiting: seen.waiting,
        waiting_bytes: seen.waiting_bytes,
    }
}

#[cfg(test)]
mod tests {
    use node::Timeline;
    use proto::hiraeth::v1::FlightRequest;
    use serde_json::{Map, Value};

    use super::{RECORDS, newest};

    fn timeline(count: u64) -> Timeline {
        let entry = |at| node::Entry {
            wall_ms: at,
            up_ms: at,
            kind: if at % 2 == 0 { "sample" } else { "leader" }.to_owned(),
            fields: Map::from_iter([("term".to_owned(), Value::from(at))]),
        };
        Timeline { entries: (1..=count).map(entry).collect(), damage: Vec::new() }
    }

    #[test]
    fn the_newest_are_told_and_that_there_are_more() {
        let ask = |after_ms, limit, events_only| {
            let asked = FlightRequest { after_ms, limit, events_only };
            let told = newest(timeline(10), &asked);
            (told.records.iter().map(|it| it.at_ms).collect::<Vec<_>>(), told.more)
        };
        assert_eq!(ask(0, 3, false), (vec![8, 9, 10], true));
        assert_eq!(ask(7, 0, false), (vec![8, 9, 10], false));
        assert_eq!(ask(0, 2, true), (vec![7, 9], true));
        assert_eq!(ask(10, 0, false), (vec![], false));
        let told = newest(timeline(RECORDS as u64 + 1), &FlightRequest::default());
        assert_eq!((told.records.len(), told.more), (RECORDS, true));
        assert_eq!(told.records[0].fields, r#"{"term":2}"#);
    }
}
