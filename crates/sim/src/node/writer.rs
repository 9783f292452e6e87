//! What `node::writer` does: all that waits goes into the log with one sync; then the messages that
//! had to wait, then installs, then word to the poller.

use region::LogWrite;
use storage::wal::Write;
use types::{NodeId, RegionId};

use super::Running;
use super::applier::ToApplier;
use super::poller::ToPoller;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::sky::Sky;

/// After how much quiet the log is settled.
const QUIET_MICROS: u64 = 300_000;

pub(super) enum ToWriter {
    Write(LogWrite),
    ThenApply(ToApplier),
    /// The region has left the node: its log goes.
    Remove(RegionId),
}

/// A batch that is written and not synced yet.
#[derive(Default)]
pub(super) struct Writing {
    must_sync: bool,
    done: Vec<(RegionId, u64)>,
    installs: Vec<ToApplier>,
    messages: Vec<(NodeId, region::RegionMessage)>,
}

impl Running {
    /// Writes what waits, unless a batch is under way.
    pub(super) fn start_writing(&mut self, sky: &mut Sky) {
        if self.writing.is_some() || self.to_write.is_empty() || self.failed.is_some() {
            return;
        }
        let mut writing = Writing::default();
        let mut writes = Vec::new();
        for task in std::mem::take(&mut self.to_write) {
            match task {
                ToWriter::ThenApply(task) => writing.installs.push(task),
                ToWriter::Remove(region) => {
                    writing.must_sync = true;
                    writing.installs.push(ToApplier::Clear(region));
                    writes.push(Write { region, remove: true, ..Write::default() });
                }
                ToWriter::Write(write) => {
                    writing.must_sync |= write.must_sync;
                    writing.done.extend(write.number.map(|number| (write.region, number)));
                    writing.messages.extend(write.messages);
                    let mut write = Write {
                        region: write.region,
                        hard_state: write.hard_state,
                        entries: write.entries,
                        compact_to: write.compact_to,
                        reset_to: write.reset_to,
                        remove: false,
                        generation: Some(write.peer.generation()),
                    };
                    if sky.mutant == Some(Mutant::ForgetVotes) {
                        write.hard_state = write.hard_state.map(|mut state| {
                            state.vote = None;
                            state
                        });
                    }
                    writes.push(write);
                }
            }
        }
        writes.retain(|write| {
            write.hard_state.is_some()
                || !write.entries.is_empty()
                || write.compact_to.is_some()
                || write.reset_to.is_some()
                || write.remove
        });
        if !writes.is_empty()
            && let Err(error) = self.wal.append(&writes)
        {
            self.log_failed(sky, &error);
            return;
        }
        sky.note(self.node, "wrote", [writes.len() as u64, u64::from(writing.must_sync), 0, 0]);
        if sky.mutant == Some(Mutant::AckBeforeSync) {
            self.acknowledge(sky, &mut writing);
        }
        let delay = if !writing.must_sync {
            sky.between(5, 60)
        } else if sky.now < self.slow_disk_until {
            sky.between(10_000, 250_000)
        } else {
            sky.between(80, 3_000)
        };
        self.writing = Some(writing);
        sky.after(delay, Event::SyncDone { node: self.at, life: self.life });
    }

    /// The sync answers.
    pub(crate) fn sync_done(&mut self, sky: &mut Sky) {
        let Some(mut writing) = self.writing.take() else { return };
        if writing.must_sync
            && let Err(error) = self.wal.sync()
        {
            self.log_failed(sky, &error);
            return;
        }
        sky.note(self.node, "synced", [writing.done.len() as u64, 0, 0, 0]);
        self.acknowledge(sky, &mut writing);
        if self.to_write.is_empty() {
            match self.wal.reclaim() {
                Ok(reclaimed) => self.reclaim_more = reclaimed.more,
                Err(error) => {
                    self.log_failed(sky, &error);
                    return;
                }
            }
        }
        self.quiet_since = Some(sky.now);
        self.start_writing(sky);
    }

    /// Once in a while: what was moved out of an old segment is made durable so that that can go,
    /// and after a quiet second the log vouches for all that is in it.
    pub(super) fn tidy_log(&mut self, sky: &mut Sky) {
        if self.writing.is_some() {
            return;
        }
        if self.reclaim_more {
            let result = self.wal.sync().and_then(|()| self.wal.reclaim());
            match result {
                Ok(reclaimed) => self.reclaim_more = reclaimed.more,
                Err(error) => self.log_failed(sky, &error),
            }
        } else if self.quiet_since.is_some_and(|since| sky.now > since + QUIET_MICROS) {
            self.quiet_since = None;
            if let Err(error) = self.wal.settle() {
                self.log_failed(sky, &error);
            }
        }
    }

    fn acknowledge(&mut self, sky: &mut Sky, writing: &mut Writing) {
        for (to, message) in writing.messages.drain(..) {
            self.send(sky, to, &message);
        }
        for install in writing.installs.drain(..) {
            self.push_apply(sky, install);
        }
        if !writing.done.is_empty() {
            let done = std::mem::take(&mut writing.done);
            self.tell(sky, ToPoller::Persisted(done));
        }
    }

    /// A disk may fail; the log must never refuse what the host gave it.
    fn log_failed(&mut self, sky: &mut Sky, error: &storage::wal::Error) {
        let by_disk =
            matches!(error, storage::wal::Error::Io { .. } | storage::wal::Error::Reserve { .. });
        if matches!(error, storage::wal::Error::Corrupt { .. }) && self.fault_disk.lies() {
            sky.counts.damaged_reads += 1;
        } else if !by_disk {
            sky.fail("log accepts", format!("node {}: {error}", self.node));
        }
        sky.counts.stops_for_disk += u64::from(self.fault_disk.is_short());
        self.fail(error.to_string());
    }
}
