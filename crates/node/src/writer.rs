//! The one thread that writes the log: everything that waits goes out with one `fdatasync`.

use std::sync::Arc;

use region::LogWrite;
use storage::wal::{Wal, Write};
use types::RegionId;

use crate::applier::ToApplier;
use crate::frame::Frames;
use crate::poller::ToPoller;
use crate::shared::Shared;

/// What the writer is told.
pub(crate) enum ToWriter {
    /// Make this durable.
    Write(LogWrite),
    /// Once everything before is durable, hand this to the region's applier.
    ThenApply(RegionId, ToApplier),
}

/// Bytes written with one sync at most, so that one huge batch does not keep all others waiting.
const BATCH_BYTES: usize = 8 << 20;

/// Runs until its mailbox is closed and empty.
pub(crate) fn run(shared: &Arc<Shared>, mut wal: Wal) {
    let mut tasks = Vec::new();
    loop {
        let open = shared.writer.take(&mut tasks, None);
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
            if let Err(error) = write_batch(shared, &mut wal, batch) {
                shared.fail(format!(
                    "the log could not be written: {error}; nothing that was not durable was \
                     acknowledged. Check the disk of {}, then start the node again",
                    shared.config.data_dir.display()
                ));
                return;
            }
        }
        drop(rest);
        if let Err(error) = wal.reclaim() {
            shared.fail(format!("the log could not reclaim space: {error}"));
            return;
        }
        if !open {
            return;
        }
    }
}

fn size(task: &ToWriter) -> usize {
    match task {
        ToWriter::Write(write) => {
            write.entries.iter().map(|entry| entry.data.len() + 32).sum::<usize>() + 32
        }
        ToWriter::ThenApply(..) => 0,
    }
}

fn write_batch(
    shared: &Arc<Shared>,
    wal: &mut Wal,
    batch: Vec<ToWriter>,
) -> Result<(), storage::wal::Error> {
    let mut writes = Vec::with_capacity(batch.len());
    let mut done: Vec<Vec<(RegionId, u64)>> = vec![Vec::new(); shared.pollers.len()];
    let mut installs = Vec::new();
    let mut messages = Vec::new();
    let mut must_sync = false;
    for task in batch {
        match task {
            ToWriter::ThenApply(region, task) => installs.push((region, task)),
            ToWriter::Write(write) => {
                must_sync |= write.must_sync;
                if let Some(number) = write.number {
                    let poller = usize::try_from(write.region.get()).unwrap_or(0) % done.len();
                    done[poller].push((write.region, number));
                }
                messages.extend(write.messages);
                writes.push(Write {
                    region: write.region,
                    hard_state: write.hard_state,
                    entries: write.entries,
                    compact_to: write.compact_to,
                    reset_to: write.reset_to,
                    remove: false,
                });
            }
        }
    }
    writes.retain(|write| {
        write.hard_state.is_some()
            || !write.entries.is_empty()
            || write.compact_to.is_some()
            || write.reset_to.is_some()
    });
    if !writes.is_empty() {
        wal.append(&writes)?;
    }
    if must_sync {
        wal.sync()?;
    }
    let mut frames = Frames::default();
    for (to, message) in &messages {
        frames.raft(*to, message);
    }
    shared.send(&mut frames);
    for (region, task) in installs {
        shared.applier(region).push(task);
    }
    for (poller, done) in shared.pollers.iter().zip(done) {
        if !done.is_empty() {
            poller.push(ToPoller::Persisted(done));
        }
    }
    Ok(())
}
