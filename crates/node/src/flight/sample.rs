use serde::Serialize;
use std::time::Duration;

use crate::meters::{Counter, Process, Tally, file_descriptors};
use crate::shared::Shared;

/// Samples between two counts of file descriptors, which take longer than the rest.
const FILES_EVERY: u64 = 10;

/// The node at one moment, and what it did since the sample before (about a second). Also what
/// `/metrics` and `Node.Status` tell of the node as a whole.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(tag = "kind", rename = "sample")]
pub struct Sample {
    /// Percent of one processor.
    pub cpu: u64,
    /// Bytes in RAM.
    pub rss: u64,
    /// Threads, and open files (looked at every ten seconds).
    pub threads: u64,
    /// As above.
    pub files: u64,
    /// Bytes free on the data directory's disk.
    pub disk_free: u64,
    /// Whether that is too little for writes.
    pub read_only: bool,
    /// Replicas here, how many of them lead, and how many know of no leader.
    pub regions: u64,
    /// As above.
    pub leading: u64,
    /// As above.
    pub leaderless: u64,
    /// Replicas that sleep.
    pub hibernating: u64,
    /// Nodes linked to this one, and nodes that should be.
    pub links: u64,
    /// As above.
    pub nodes: u64,
    /// Tasks that wait for the pollers, the log writer and the appliers.
    pub to_pollers: u64,
    /// As above.
    pub to_writer: u64,
    /// As above.
    pub to_appliers: u64,
    /// Clients' requests that wait for a poller.
    pub requests: u64,
    /// Syncs of the log, the bound under which half of them stayed, and the longest, in microseconds.
    pub syncs: u64,
    /// As above.
    pub sync_median_us: u64,
    /// As above.
    pub sync_max_us: u64,
    /// Clients' commands carried out and not, and reads.
    pub proposed: u64,
    /// As above.
    pub refused: u64,
    /// As above.
    pub reads: u64,
    /// Times a region here stood for election.
    pub elections: u64,
    /// Entries that were committed, over all regions.
    pub committed: u64,
    /// Entries that were applied.
    pub applied: u64,
    /// The most entries one region has committed and not applied.
    pub lag_max: u64,
    /// Which region that is; 0 if none lags.
    pub lag_region: u64,
}

/// What a sample is compared with.
#[derive(Default)]
pub(super) struct Sampler {
    number: u64,
    up: Duration,
    cpu: Duration,
    files: u64,
    syncs: Tally,
    committed: u64,
    proposed: u64,
    refused: u64,
    reads: u64,
    applied: u64,
    elections: u64,
}

/// The difference to `before`, which becomes `now`.
fn since(before: &mut u64, now: u64) -> u64 {
    now.saturating_sub(std::mem::replace(before, now))
}

impl Sampler {
    pub(super) fn take(&mut self, shared: &Shared) -> Sample {
        let mut sample = Sample::default();
        self.process(shared.clock.now().0, &mut sample);
        let room = shared.space.room();
        (sample.disk_free, sample.read_only) = (room.free, room.read_only);
        self.regions(shared, &mut sample);
        let awake = shared.meters.awake_regions() as u64;
        sample.hibernating = sample.regions.saturating_sub(awake);
        let own = shared.node();
        if let Some(net) = shared.net.get() {
            for node in shared.directory().nodes.keys().filter(|node| **node != own) {
                sample.nodes += 1;
                sample.links += u64::from(net.identity(*node).is_some());
            }
        }
        sample.to_pollers = shared.pollers.iter().map(|it| it.len() as u64).sum();
        sample.to_writer = shared.writer.len() as u64;
        sample.to_appliers = shared.apply.waiting() as u64;
        sample.requests = shared.waiting_requests();
        let meters = &shared.meters;
        let syncs = meters.syncs.tally();
        sample.syncs = syncs.count().saturating_sub(self.syncs.count());
        sample.sync_median_us = syncs.median_since(&self.syncs);
        sample.sync_max_us = meters.syncs.take_largest();
        self.syncs = syncs;
        sample.proposed = since(&mut self.proposed, meters.proposed.get());
        sample.refused = since(&mut self.refused, meters.refused());
        let reads = meters.reads.iter().map(Counter::get).sum();
        sample.reads = since(&mut self.reads, reads);
        sample.elections = since(&mut self.elections, meters.elections.get());
        sample.applied = since(&mut self.applied, meters.applied.get());
        sample
    }

    fn process(&mut self, now: Duration, sample: &mut Sample) {
        let process = Process::now();
        let passed = now.saturating_sub(std::mem::replace(&mut self.up, now));
        let used = process.cpu.saturating_sub(std::mem::replace(&mut self.cpu, process.cpu));
        let percent = used.as_micros() * 100 / passed.as_micros().max(1);
        sample.cpu = u64::try_from(percent).unwrap_or(0);
        (sample.rss, sample.threads) = (process.resident_bytes, process.threads);
        if self.number.is_multiple_of(FILES_EVERY) {
            self.files = file_descriptors();
        }
        self.number += 1;
        sample.files = self.files;
    }

    fn regions(&mut self, shared: &Shared, sample: &mut Sample) {
        let mut committed = 0;
        for (region, shard) in shared.shards().iter() {
            let leadership = shard.leadership();
            sample.regions += 1;
            sample.leading += u64::from(leadership.here);
            sample.leaderless += u64::from(leadership.leader.is_none());
            let (commit, applied) = (shard.committed().get(), shard.applied().get());
            committed += commit;
            let lag = commit.saturating_sub(applied);
            if lag > sample.lag_max {
                (sample.lag_max, sample.lag_region) = (lag, region.get());
            }
        }
        // What was committed before this process was started is no news.
        let news = since(&mut self.committed, committed);
        sample.committed = if self.number == 1 { 0 } else { news };
    }
}
