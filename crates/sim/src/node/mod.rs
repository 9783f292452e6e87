//! One simulated node: the real host, log, machine and snapshots, glued as `crates/node` glues them.
//! Where that has a thread, this has a queue and an event; the order of things is the same.

mod applier;
mod beats;
mod gateway;
mod history;
mod identity;
mod janitor;
mod lifecycle;
mod members;
mod placed;
mod poller;
mod registry;
pub(crate) mod shards;
mod snapshots;
mod view;
mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use consensus::{Role, SnapshotMeta};
use env::{Disk, Moment};
use region::{ClockRules, Host, LeaderLease};
use state::Machine;
use state::directory::{Directory, RegionRecord};
use state::sharded::Shape;
use storage::engine::Snapshot;
use storage::wal::{Wal, WalReader};
use types::{Index, LeaseId, NodeId, PeerId, RegionId, Term};

use crate::atlas::Truth;
use crate::disk::FaultDisk;
use crate::engine::SimEngine;
use crate::event::{Asked, Event, Reading};
use crate::lease::LeaseClock;
use crate::mutant::Mutant;
use crate::registry::Share;
use crate::sky::Sky;
use crate::watch::Hub;

pub(crate) use applier::ToApplier;
pub(crate) use lifecycle::ELECTION_TICKS;
pub(crate) use poller::ToPoller;
use writer::{ToWriter, Writing};

pub(crate) const WAL: &str = "/data/log";
pub(crate) const SNAPSHOTS: &str = "/data/snapshots";

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crash {
    /// The machine goes on: what was written is kept, synced or not.
    Kill,
    /// The machine stops: only what was synced is sure.
    Power,
}

/// A node, running or not.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) disk: FaultDisk,
    pub(crate) engine: Arc<SimEngine>,
    /// Millionths of true time that this node's clock runs at.
    pub(crate) rate: u64,
    /// Counts the runs of the process.
    pub(crate) life: u64,
    pub(crate) running: Option<Running>,
    /// Which of the world's nodes it is; one that took its place is the same.
    seat: usize,
    /// Until when each sync takes long.
    pub(crate) slow_disk_until: u64,
    /// Until when the disk does nothing at all.
    pub(crate) stalled_until: u64,
    /// What it had before its disk was lost.
    pub(crate) lost_disk: Option<FaultDisk>,
    /// What its log must hold when it starts, where its disk lied.
    pub(crate) expects: Option<Truth>,
    /// It will not start any more: another one is to take its place.
    pub(crate) is_given_up: bool,
    /// It was in the cluster, which is written on its disk.
    has_come: bool,
    pub(crate) slow_applier_until: u64,
    /// Until when the disk is full, or read-only.
    pub(crate) short_until: u64,
    pub(crate) read_only: bool,
    /// How far the wall clock is off, in microseconds.
    pub(crate) wall_micros: i64,
    /// Until when the process does not get to run, though time goes on.
    pub(crate) paused_until: u64,
}

/// Who leads a region, as far as a node knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Leadership {
    pub(crate) leader: Option<NodeId>,
    pub(crate) term: Term,
    pub(crate) here: bool,
}

/// A frozen state to send.
pub(crate) struct Exported {
    meta: SnapshotMeta,
    view: Box<dyn Snapshot>,
}

/// A region on a node.
pub(crate) struct Shard {
    pub(crate) record: RegionRecord,
    /// Which of the region's replicas is here.
    pub(crate) peer: PeerId,
    pub(crate) machine: Machine,
    pub(crate) leases: LeaseClock,
    /// Where the region is a registry.
    pub(crate) registry: Option<Arc<Share>>,
    /// Since when this replica has seen every entry applied.
    knows_since: u64,
    pub(crate) leadership: Leadership,
    exported: Option<Exported>,
    log_first: u64,
    scavenging: bool,
    readers: BTreeMap<u64, Vec<Reading>>,
    /// Known committed, for what must not be answered before all of it is applied.
    committed: u64,
    lease: LeaderLease,
}

/// A run of a node's process.
pub(crate) struct Running {
    node: NodeId,
    at: usize,
    life: u64,
    rate: u64,
    pub(crate) host: Host<Asked, Reading>,
    wal: Wal,
    pub(crate) log: WalReader,
    pub(crate) engine: Arc<SimEngine>,
    disk: Arc<dyn Disk>,
    fault_disk: FaultDisk,
    incarnation: u64,
    beats: beats::Beats,
    /// Replicas that were awake when last looked at.
    awake: usize,
    rules: ClockRules,
    pub(crate) shards: BTreeMap<RegionId, Shard>,
    pub(crate) directory: Directory,
    ground: region::Ground,
    /// What regions owned that are on their way out.
    leaving: BTreeMap<RegionId, Option<Shape>>,
    history: Arc<history::SimHistory>,
    pub(crate) hub: Arc<Hub>,
    mailbox: Vec<ToPoller>,
    poll_due: bool,
    to_write: VecDeque<ToWriter>,
    writing: Option<Writing>,
    to_apply: VecDeque<ToApplier>,
    apply_due: bool,
    questions: BTreeMap<u64, Asked>,
    last_question: u64,
    /// Leases whose end is proposed.
    expiries: BTreeMap<u64, Vec<LeaseId>>,
    /// Commands asked here, answered once they are applied here.
    awaited: BTreeMap<(RegionId, u64, u64), Asked>,
    /// Whether the log has more to tidy up, and how long nothing was written.
    reclaim_more: bool,
    quiet_since: Option<u64>,
    slow_disk_until: u64,
    slow_applier_until: u64,
    wall_micros: i64,
    /// Why the node stops serving.
    pub(crate) failed: Option<String>,
}

impl Node {
    pub(crate) fn new(id: NodeId, seat: usize, rate: u64) -> Self {
        Self {
            id,
            seat,
            stalled_until: 0,
            lost_disk: None,
            expects: None,
            is_given_up: false,
            has_come: false,
            disk: FaultDisk::new(512),
            engine: Arc::default(),
            rate,
            life: 0,
            running: None,
            slow_disk_until: 0,
            slow_applier_until: 0,
            short_until: 0,
            read_only: false,
            wall_micros: 0,
            paused_until: 0,
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.seat
    }

    /// Ends the process.
    pub(crate) fn crash(&mut self, sky: &mut Sky, how: Crash) {
        if let Some(running) = self.running.take() {
            running.forget_everything(sky);
        }
        sky.oracles.moves.down(sky.now, self.id);
        self.life += 1;
        self.paused_until = 0;
        match how {
            Crash::Kill => {
                sky.counts.kills += 1;
                sky.break_links(self.id);
                sky.note(self.id, "killed", [0; 4]);
                self.disk.kill_process();
                self.engine.crash(&mut sky.random);
            }
            Crash::Power => {
                sky.counts.power_cuts += 1;
                sky.note(self.id, "power cut", [self.engine.at_risk() as u64, 0, 0, 0]);
                let before = self.engine.at_risk() as u64;
                self.disk.restart(&mut sky.random);
                self.engine.crash(&mut sky.random);
                sky.counts.batches_lost += before;
            }
        }
    }

    /// The disk as it is at the moment: a restart of the process changes nothing about it.
    pub(crate) fn arm_disk(&self, sky: &Sky) {
        if sky.now < self.short_until && self.read_only {
            self.disk.set_read_only();
        } else if sky.now < self.short_until {
            self.disk.set_free_bytes(0);
        } else {
            self.disk.give_space();
        }
        if sky.mutant == Some(Mutant::RetrySync) {
            self.disk.retry_syncs();
        }
    }

    /// A step of a run of this node's process; nothing if that run is over.
    pub(crate) fn step(
        &mut self,
        sky: &mut Sky,
        life: u64,
        work: impl FnOnce(&mut Running, &mut Sky),
    ) {
        let Some(running) = self.running.as_mut().filter(|_| self.life == life) else { return };
        running.slow_disk_until = self.slow_disk_until;
        running.slow_applier_until = self.slow_applier_until;
        running.wall_micros = self.wall_micros;
        work(running, sky);
        let Some(reason) = running.failed.take() else { return };
        sky.note(self.id, "stopped serving", [crate::trace::hash(reason.as_bytes()), 0, 0, 0]);
        let power = self.disk.power_is_off() || self.engine.power_is_off();
        self.crash(sky, if power { Crash::Power } else { Crash::Kill });
        let delay = sky.between(20_000, 800_000);
        sky.after(delay, Event::Restart { node: self.at(), life: self.life });
    }
}

impl Running {
    pub(crate) fn id(&self) -> NodeId {
        self.node
    }

    /// This node's monotonic clock.
    fn clock(&self, sky: &Sky) -> Moment {
        let mut micros = u128::from(sky.now) * u128::from(self.rate) / 1_000_000;
        if sky.mutant == Some(Mutant::WallClock) {
            micros = micros.saturating_add_signed(i128::from(self.wall_micros));
        }
        Moment(core::time::Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// How long `micros` of this node's time really take.
    fn real(&self, micros: u64) -> u64 {
        micros * 1_000_000 / self.rate
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failed.get_or_insert_with(|| what.into());
    }

    /// The node stops serving. If the power is on that is what `oracle` finds wrong.
    fn broke(&mut self, sky: &mut Sky, oracle: &'static str, reason: String) {
        let is_excused = self.fault_disk.power_is_off()
            || self.engine.power_is_off()
            || self.fault_disk.is_short();
        sky.counts.stops_for_disk += u64::from(self.fault_disk.is_short());
        // Whoever runs the cluster starts it again, and is told at the start.
        let names_it = reason.contains(SNAPSHOTS) || reason.contains("but the log holds");
        let is_damaged = self.fault_disk.lies() && names_it;
        sky.counts.damaged_reads += u64::from(is_damaged);
        if !is_excused && !is_damaged {
            sky.fail(oracle, format!("node {}: {reason}", self.node));
        }
        self.fail(reason);
    }

    fn shard(&mut self, region: RegionId) -> Option<&mut Shard> {
        self.shards.get_mut(&region)
    }

    /// Takes note of a new role; answers whether leadership began.
    fn set_leadership(&mut self, sky: &Sky, role: &region::RoleChange) -> bool {
        let Some(shard) = self.shards.get_mut(&role.region) else { return false };
        let before = shard.leadership;
        let here = role.role == Role::Leader;
        shard.leadership = Leadership { leader: role.leader, term: role.term, here };
        let term_ended = before.here && before.term != role.term;
        if term_ended || !here {
            shard.leases.follow();
            if sky.mutant != Some(Mutant::KeepDeadlines)
                && let Some(registry) = &shard.registry
            {
                registry.clock.follow();
            }
        }
        here && (term_ended || !before.here)
    }
}

fn snapshot_directory() -> &'static Path {
    Path::new(SNAPSHOTS)
}

fn snapshot_name(region: RegionId, index: Index) -> String {
    format!("region-{region}-{index}.snapshot")
}
