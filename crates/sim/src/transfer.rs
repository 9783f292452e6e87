//! Snapshots on their way: chunk by chunk, on a stream of its own, which may break off anywhere.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use bytes::Bytes;
use storage::snapshot::SnapshotWriter;
use types::{NodeId, PeerId, RegionId};

use crate::event::Event;
use crate::node::Node;
use crate::sky::Sky;

/// All that are on their way.
#[derive(Default)]
pub(crate) struct Transfers {
    last: u64,
    open: BTreeMap<u64, Transfer>,
}

/// One stream.
pub(crate) struct Transfer {
    from: (NodeId, u64),
    to: NodeId,
    region: RegionId,
    peer: PeerId,
    chunks: VecDeque<Bytes>,
    /// The receiver's run and its file.
    receiver: Option<(u64, SnapshotWriter)>,
    /// A byte of it is not the one that was sent.
    corrupted: bool,
}

impl Transfer {
    pub(crate) fn begin(
        sky: &mut Sky,
        from: (NodeId, u64),
        to: NodeId,
        (region, peer): (RegionId, PeerId),
        chunks: VecDeque<Bytes>,
    ) {
        let transfers = &mut sky.transfers;
        transfers.last += 1;
        let transfer = transfers.last;
        transfers.open.insert(
            transfer,
            Self { from, to, region, peer, chunks, receiver: None, corrupted: false },
        );
        let delay = sky.between(1_000, 8_000);
        sky.after(delay, Event::Chunk { transfer });
    }

    fn is_broken(&self, sky: &mut Sky, nodes: &[Node]) -> bool {
        let alive = |id: NodeId, life: Option<u64>| {
            nodes.iter().any(|node| {
                node.id == id && node.running.is_some() && life.is_none_or(|it| node.life == it)
            })
        };
        let life = self.receiver.as_ref().map(|(life, _)| *life);
        !alive(self.from.0, Some(self.from.1))
            || !alive(self.to, life)
            || sky.network.is_cut(self.from.0, self.to)
            || sky.network.is_cut(self.to, self.from.0)
            || (!sky.calm && sky.random.below(1000) < sky.settings.broken_chunks_permille)
    }
}

/// The next chunk of a stream arrives, or the stream breaks.
pub(crate) fn chunk(sky: &mut Sky, nodes: &mut [Node], id: u64) {
    let Some(mut transfer) = sky.transfers.open.remove(&id) else { return };
    if transfer.is_broken(sky, nodes) {
        if let Some((_, writer)) = transfer.receiver.take() {
            // A dead process does not tidy up; what it leaves goes at its next start.
            drop(writer.abort());
        }
        finish(sky, nodes, &transfer, false);
        return;
    }
    let from = transfer.from.0;
    let Some(node) = nodes.iter_mut().find(|node| node.id == transfer.to) else { return };
    if node.stalled_until > sky.now {
        let delay = node.stalled_until - sky.now;
        sky.transfers.open.insert(id, transfer);
        return sky.after(delay, Event::Chunk { transfer: id });
    }
    let life = node.life;
    let mut verdict = None;
    node.step(sky, life, |running, sky| {
        if transfer.receiver.is_none() {
            transfer.receiver = running.receive(sky, from).map(|writer| (life, writer));
        }
        let Some((_, writer)) = &mut transfer.receiver else {
            verdict = Some(false);
            return;
        };
        if let Some(chunk) = transfer.chunks.front_mut()
            && !sky.calm
            && sky.random.below(1000) < sky.settings.corrupted_chunks_permille
        {
            *chunk = corrupt(sky, chunk);
            transfer.corrupted = true;
        }
        if let Some(chunk) = transfer.chunks.pop_front()
            && writer.accept(&chunk).is_err()
        {
            verdict = Some(false);
        } else if transfer.chunks.is_empty()
            && let Some((_, writer)) = transfer.receiver.take()
        {
            let received = running.received(sky, from, writer);
            if transfer.corrupted && received.is_ok() {
                sky.fail("snapshots", "one with a wrong byte was taken");
            }
            verdict = Some(received.is_ok());
        }
    });
    match verdict {
        None => {
            let delay = sky.between(200, 6_000);
            sky.transfers.open.insert(id, transfer);
            sky.after(delay, Event::Chunk { transfer: id });
        }
        Some(ok) => {
            // The answer may get lost though everything arrived.
            let told = ok && (sky.calm || !sky.random.chance(10));
            finish(sky, nodes, &transfer, told);
        }
    }
}

/// Another byte somewhere.
fn corrupt(sky: &mut Sky, chunk: &Bytes) -> Bytes {
    sky.counts.chunks_corrupted += 1;
    let mut bytes = chunk.to_vec();
    let at = usize::try_from(sky.random.below(bytes.len().max(1) as u64)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << sky.random.below(8);
    }
    bytes.into()
}

fn finish(sky: &mut Sky, nodes: &mut [Node], transfer: &Transfer, ok: bool) {
    sky.counts.snapshots_broken += u64::from(!ok);
    let (sender, life) = transfer.from;
    let (region, peer) = (transfer.region, transfer.peer);
    if let Some(node) = nodes.iter_mut().find(|node| node.id == sender) {
        node.step(sky, life, |running, sky| running.snapshot_sent(sky, region, peer, ok));
    }
}
