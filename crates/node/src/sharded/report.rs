//! What a node tells the leader of the meta region of the regions it leads and of what it is asked for, and
//! what it is told to do: to hand some of them over. Nothing of it is kept: a new leader of the meta region
//! hears it all again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use types::{Code, Fault, NodeId, RegionId, limits};

use super::loads;
use super::overview::Led;
use crate::forward::{ask_node, malformed};
use crate::frame::Question;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::varint;

/// Between two reports; a handover that was begun is over by then, or given up.
pub(super) const REPORT: Duration = Duration::from_secs(2);
/// How long to wait for a region whose applier is busy; it is told of the next time.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A report with everything; behind it the regions.
const ALL: u8 = 1;
/// One that says the same as the last one did.
const SAME: u8 = 2;

/// What the node is asked for; behind it regions and requests per second. An older build refuses it, and
/// goes by numbers alone.
const LOADS: u8 = 3;

/// Runs as long as the node.
pub(crate) async fn report(shared: Arc<Shared>) {
    // What was told last, and to whom.
    let mut told: Option<(NodeId, Bytes)> = None;
    // Whether something was told to be asked for.
    let mut was_busy = false;
    loop {
        sleep(REPORT).await;
        let Some(meta) = shared.shard(RegionId::META) else { continue };
        let Some(leader) = meta.leadership().leader else { continue };
        let (regions, word) = (led(&shared), loads::own(&shared));
        if leader == shared.node() {
            told = None;
            let now = shared.clock.now();
            {
                let mut overview = shared.sharding.overview.lock();
                overview.hear_loads(leader, now, word);
                overview.hear(leader, now, Some(regions));
            }
            carry_out(&shared, shared.sharding.handovers(&shared, leader));
            continue;
        }
        // First: who is to hand what over follows from it.
        if was_busy || !word.is_empty() {
            was_busy = !word.is_empty();
            if let Err(fault) = tell(&shared, leader, loads::encode(LOADS, &word)).await {
                tracing::debug!(%leader, %fault, "what is asked for was not heard");
            }
        }
        let all = encode(&regions);
        let nothing = regions.is_empty() && told.is_none();
        if nothing {
            continue;
        }
        let is_same = told.as_ref().is_some_and(|(to, last)| *to == leader && *last == all);
        let body = if is_same { Bytes::from_static(&[SAME]) } else { all.clone() };
        match tell(&shared, leader, body).await {
            Ok(answer) => {
                // One that leads nothing has said so, and is silent from here on.
                told = (!regions.is_empty()).then_some((leader, all));
                match decode_handovers(answer) {
                    Some(handovers) => carry_out(&shared, handovers),
                    None => tracing::debug!(%leader, "an answer to a report makes no sense"),
                }
            }
            Err(fault) => {
                tracing::debug!(%leader, %fault, "a report was not heard");
                told = None;
            }
        }
    }
}

async fn tell(shared: &Shared, leader: NodeId, body: Bytes) -> Result<Bytes, Fault> {
    let asked = ask_node(shared, RegionId::META, leader, Question::Report, body);
    timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(Code::Timeout.into()))
}

/// The leader of the meta region hears of another node's regions.
pub(crate) fn answer_report(
    shared: &Shared,
    from: NodeId,
    mut body: Bytes,
) -> Result<Bytes, Fault> {
    let leads = shared.shard(RegionId::META).is_some_and(|meta| meta.leadership().here);
    if !leads {
        return Err(Code::NotLeader.into());
    }
    if body.is_empty() {
        return Err(malformed());
    }
    let now = shared.clock.now();
    let regions = match body.split_to(1)[0] {
        LOADS => {
            let word = loads::decode(body).ok_or_else(malformed)?;
            shared.sharding.overview.lock().hear_loads(from, now, word);
            return Ok(Bytes::new());
        }
        ALL => Some(decode(body).ok_or_else(malformed)?),
        SAME => None,
        _ => return Err(malformed()),
    };
    if !shared.sharding.overview.lock().hear(from, now, regions) {
        return Err(Fault::new(Code::EpochMismatch, "nothing was told before"));
    }
    let mut answer = Vec::new();
    for (region, to) in shared.sharding.handovers(shared, from) {
        varint::put(&mut answer, region.get());
        varint::put(&mut answer, to.get());
    }
    Ok(answer.into())
}

fn decode_handovers(mut answer: Bytes) -> Option<Vec<(RegionId, NodeId)>> {
    let mut handovers = Vec::new();
    while !answer.is_empty() && handovers.len() < limits::REGIONS {
        let region = RegionId(varint::get(&mut answer)?);
        handovers.push((region, NodeId(varint::get(&mut answer)?)));
    }
    Some(handovers)
}

fn carry_out(shared: &Shared, handovers: Vec<(RegionId, NodeId)>) {
    for (region, to) in handovers {
        tracing::debug!(%region, %to, "another node is to lead the region");
        shared.poller(region).push(ToPoller::HandOver { region, to });
    }
}

/// The regions that are led here and whose leaders are evened out.
fn led(shared: &Shared) -> Vec<Led> {
    let (shards, directory) = (shared.shards(), shared.directory());
    let is_told = |region, shard: &Shard| {
        shard.leadership().here && (shard.is_sharded || directory.is_led_evenly(region))
    };
    let led = shards.iter().filter(|(region, shard)| is_told(**region, shard));
    led.filter_map(|(region, shard)| {
        let machine = shard.machine.try_read_for(PATIENCE)?;
        let version = machine.applied().epoch.version;
        // A part of a registry is nowhere else than on every node, whatever it holds.
        let (keys, bytes) = match machine.shape() {
            Some(shape) => (shape.keys, shape.bytes),
            None if shard.is_sharded => return None,
            None => (0, 0),
        };
        Some(Led { region: *region, version, keys, bytes })
    })
    .collect()
}

fn encode(regions: &[Led]) -> Bytes {
    let mut out = vec![ALL];
    for led in regions {
        let Led { region, version, keys, bytes } = *led;
        for number in [region.get(), version, keys, bytes] {
            varint::put(&mut out, number);
        }
    }
    out.into()
}

fn decode(mut body: Bytes) -> Option<Vec<Led>> {
    let mut regions = Vec::new();
    while !body.is_empty() {
        if regions.len() >= limits::REGIONS {
            return None;
        }
        let mut number = || varint::get(&mut body);
        regions.push(Led {
            region: RegionId(number()?),
            version: number()?,
            keys: number()?,
            bytes: number()?,
        });
    }
    Some(regions)
}

#[cfg(test)]
mod tests {
    use types::RegionId;

    use super::{Led, decode, encode};

    #[test]
    fn a_report_is_read_as_it_was_written_and_rubbish_is_none() {
        let led = |region| Led { region: RegionId(region), version: 3, keys: 1 << 40, bytes: 7 };
        let regions = vec![led(4), led(u64::MAX)];
        let bytes = encode(&regions);
        assert_eq!(decode(bytes.slice(1..)), Some(regions));
        assert_eq!(decode(bytes.slice(1..bytes.len() - 1)), None);
    }
}
