//! The one thread that writes the log: everything that waits goes out with one `fdatasync`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use region::LogWrite;
use storage::log::Log;
use storage::wal::{Error, Write};
use tokio::sync::oneshot;
use types::{Index, PeerId, RegionId, Term};

use crate::applier::ToApplier;
use crate::flight::Event;
use crate::frame::Frames;
use crate::poller::ToPoller;
use crate::shared::Shared;

/// What the writer is told.
pub(crate) enum ToWriter {
    /// Make this durable.
    Write(LogWrite),
    /// Once everything before is durable, hand this to the region's applier.
    ThenApply(RegionId, ToApplier),
    /// The region has left the node: its log goes. Told once that is durable.
    Remove(RegionId, oneshot::Sender<()>),
}

/// Bytes written with one sync at most, so that one huge batch does not keep all others waiting.
const BATCH_BYTES: usize = 8 << 20;
/// A sync that takes longer is worth a word: it is half of what an election waits for.
const SLOW: Duration = Duration::from_millis(500);
/// After how much quiet the log is settled.
const QUIET: Duration = Duration::from_secs(1);
/// Between two pieces of what is prepared in quiet moments.
const PREPARE: Duration = Duration::from_millis(100);

struct Writer<'a> {
    shared: &'a Arc<Shared>,
    wal: Box<dyn Log>,
    /// Regions one of whose writes made no sense. What they wrote later may build on it, so nothing
    /// of them is written or sent any more.
    refused: BTreeSet<RegionId>,
}

/// Runs until its mailbox is closed and empty.
pub(crate) fn run(shared: &Arc<Shared>, wal: Box<dyn Log>) {
    let mut writer = Writer { shared, wal, refused: BTreeSet::new() };
    if let Err(error) = writer.run() {
        shared.fail_disk("the log could not be written", &error);
    }
    // After a failure nobody may wait for a disk that will not answer.
    shared.writer.abandon();
}

impl Writer<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let mut tasks = Vec::new();
        let (mut more, mut settled, mut prepared) = (false, false, false);
        loop {
            let patience = match (more, settled) {
                (true, _) => Some(Duration::ZERO),
                (false, true) if prepared => None,
                (false, true) => Some(PREPARE),
                (false, false) => Some(QUIET),
            };
            let open = self.shared.writer.take(&mut tasks, patience);
            let quiet = tasks.is_empty() && !more;
            let mut rest = tasks.drain(..).peekable();
            while rest.peek().is_some() {
                let mut bytes = 0;
                let mut batch = Vec::new();
                while bytes < BATCH_BYTES
                    && let Some(task) = rest.next()
                {
                    bytes += size(&task);
                    batch.push(task);
                }
                self.write_batch(batch)?;
            }
            drop(rest);
            if more {
                // What was moved out of an old segment has to be durable before that can go.
                self.wal.sync()?;
            }
            if quiet || !open {
                // From here on damage to what was acknowledged is told from a torn tail.
                self.wal.settle()?;
            }
            if !open {
                return Ok(());
            }
            prepared = quiet && settled && !self.wal.prepare()?;
            more = self.wal.reclaim()?.more;
            settled = quiet && !more;
        }
    }

    /// A sync took so long.
    fn synced(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.shared.meters.syncs.add(micros);
        if took > SLOW {
            let ms = micros / 1000;
            if let Some(unsaid) = self.shared.say("slow sync") {
                tracing::warn!(ms, unsaid, "the disk was slow to sync the log");
            }
            self.shared.flight.note(Event::SlowSync { ms });
        }
    }

    fn write_batch(&mut self, batch: Vec<ToWriter>) -> Result<(), Error> {
        let shared = self.shared;
        let mut batch = Batch::new(batch, &self.refused);
        while !batch.writes.is_empty()
            && let Err(error) = self.wal.append(&batch.writes)
        {
            // Nothing was written. The bug of one region must not cost the others.
            let Error::Invalid { region, .. } = error else { return Err(error) };
            self.refused.insert(region);
            batch.leave_out(region);
            let reason = format!("its log does not take what it writes: {error}");
            shared.poller(region).push(ToPoller::Quarantine(region, reason));
        }
        shared.meters.batches.add(batch.writes.len() as u64);
        for (region, _) in &batch.removals {
            self.refused.remove(region);
        }
        if batch.must_sync {
            shared.gauge.sync_began(shared.clock.now());
            self.wal.sync()?;
            self.synced(shared.gauge.sync_ended(shared.clock.now()));
        }
        let mut frames = Frames::default();
        for (_, messages) in &batch.messages {
            for (to, message) in messages {
                // A heartbeat that had to wait may be told of less than is committed by now.
                frames.raft(*to, message, false);
            }
        }
        shared.send(&mut frames);
        for (region, task) in batch.installs {
            shared.applier(region).push(task);
        }
        for (_, removed) in batch.removals {
            // Nobody waits any more where the node ends.
            let _ = removed.send(());
        }
        let mut done: Vec<Vec<(RegionId, u64)>> = vec![Vec::new(); shared.pollers.len()];
        for (region, number) in batch.numbers {
            done[usize::try_from(region.get()).unwrap_or(0) % shared.pollers.len()]
                .push((region, number));
        }
        for (poller, done) in shared.pollers.iter().zip(done) {
            if !done.is_empty() {
                poller.push(ToPoller::Persisted(done));
            }
        }
        Ok(())
    }
}

/// What goes out with one sync.
struct Batch {
    writes: Vec<Write>,
    numbers: Vec<(RegionId, u64)>,
    messages: Vec<(RegionId, Vec<(types::NodeId, region::RegionMessage)>)>,
    installs: Vec<(RegionId, ToApplier)>,
    removals: Vec<(RegionId, oneshot::Sender<()>)>,
    must_sync: bool,
}

impl Batch {
    fn new(tasks: Vec<ToWriter>, refused: &BTreeSet<RegionId>) -> Self {
        let mut batch = Self {
            writes: Vec::with_capacity(tasks.len()),
            numbers: Vec::with_capacity(tasks.len()),
            messages: Vec::new(),
            installs: Vec::new(),
            removals: Vec::new(),
            must_sync: false,
        };
        for task in tasks {
            match task {
                ToWriter::ThenApply(region, _) if refused.contains(&region) => {}
                ToWriter::Write(write) if refused.contains(&write.region) => {}
                ToWriter::ThenApply(region, task) => batch.installs.push((region, task)),
                ToWriter::Write(write) => batch.take(write),
                ToWriter::Remove(region, done) => {
                    batch.must_sync = true;
                    batch.writes.push(Write { region, remove: true, ..Write::default() });
                    batch.removals.push((region, done));
                }
            }
        }
        batch
    }

    fn take(&mut self, write: LogWrite) {
        let region = write.region;
        self.must_sync |= write.must_sync;
        self.numbers.extend(write.number.map(|number| (region, number)));
        if !write.messages.is_empty() {
            self.messages.push((region, write.messages));
        }
        if write.hard_state.is_some()
            || !write.entries.is_empty()
            || write.compact_to.is_some()
            || write.reset_to.is_some()
        {
            self.writes.push(Write {
                region,
                hard_state: write.hard_state,
                entries: write.entries,
                compact_to: write.compact_to,
                reset_to: write.reset_to,
                remove: false,
                generation: Some(write.peer.generation()),
            });
        }
    }

    fn leave_out(&mut self, refused: RegionId) {
        self.writes.retain(|write| write.region != refused);
        self.numbers.retain(|(region, _)| *region != refused);
        self.messages.retain(|(region, _)| *region != refused);
        self.installs.retain(|(region, _)| *region != refused);
    }
}

/// The first entry of a region that never wrote one: what it begins with, durable ahead of whatever
/// its replica will write.
pub(crate) fn beginning(
    (region, peer): (RegionId, PeerId),
    hard_state: types::HardState,
    at: (Index, Term),
) -> ToWriter {
    ToWriter::Write(LogWrite {
        region,
        peer,
        number: None,
        hard_state: Some(hard_state),
        entries: Vec::new(),
        reset_to: Some(at),
        compact_to: None,
        must_sync: true,
        messages: Vec::new(),
    })
}

fn size(task: &ToWriter) -> usize {
    match task {
        ToWriter::Write(write) => {
            write.entries.iter().map(|entry| entry.data.len() + 32).sum::<usize>() + 32
        }
        ToWriter::ThenApply(..) | ToWriter::Remove(..) => 0,
    }
}
