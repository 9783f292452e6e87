//! What `node::lifecycle` and `node::node` do at a start: engine and log are read back, then the
//! regions that live here; later ones come from the meta region's directory.

use std::path::Path;
use std::sync::Arc;

use consensus::Guards;
use region::{ClockRules, Host, HostGuards, HostLimits, LogWrite, PeerStart};
use state::Machine;
use state::command::{Command, Envelope};
use state::directory::{Directory, NodeRecord, Part, Phase, RegionRecord};
use state::sharded::Shape;
use storage::engine::Engine;
use storage::wal::{RegionLog, Wal, WalConfig, WalGuards, WalReader};
use types::{
    Batch, ClusterId, ConfState, Entry, Epoch, Incarnation, Index, KeyspaceId, NodeId, PeerId,
    RegionId,
};

use super::applier::ToApplier;
use super::poller::ToPoller;
use super::writer::ToWriter;
use super::{Leadership, Node, Running, Shard, WAL, registry};
use crate::atlas::{self, Truth};
use crate::event::{Asked, Event};
use crate::lease::{LeaseClock, LeaseLimits};
use crate::mutant::Mutant;
use crate::scenario::Settings;
use crate::sky::Sky;

pub(crate) const ELECTION_TICKS: usize = 10;
const PROMISE_TICKS: usize = 5;

/// A region with a replica on every node, peer id = node id.
pub(crate) fn record(region: RegionId, nodes: u64) -> RegionRecord {
    let keyspace = KeyspaceId(u32::try_from(region.get()).unwrap_or(1) - 1);
    RegionRecord::born(region, keyspace, (1..=nodes).map(NodeId))
}

/// This node's replica of a region: what the region's own state says counts more than the directory, and
/// what its log was of where both know of none.
fn own_peer(
    node: NodeId,
    record: &RegionRecord,
    machine: &Machine,
    log: Option<&RegionLog>,
) -> Option<PeerId> {
    let before = || log.filter(|_| machine.is_sharded())?.generation;
    super::placed::peer_in(&machine.applied().conf_state, node)
        .or_else(|| record.peer_on(node))
        .or_else(|| before().map(|generation| PeerId::on(node, generation)))
}

struct RegionLogReader {
    region: RegionId,
    wal: WalReader,
}

impl consensus::LogReader for RegionLogReader {
    fn entries(
        &self,
        low: Index,
        high: Index,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, consensus::LogFailure> {
        self.wal
            .entries(self.region, low, high, max_bytes)
            .map_err(|error| consensus::LogFailure(error.to_string()))
    }
}

impl Node {
    /// Starts the process. A start that fails for the disk's sake is tried again later.
    pub(crate) fn start(&mut self, sky: &mut Sky) {
        assert!(self.running.is_none(), "node {} runs already", self.id);
        self.arm_disk(sky);
        let disk: Arc<dyn env::Disk> = Arc::new(self.disk.clone());
        let wal_config = WalConfig {
            segment_bytes: sky.settings.segment_bytes,
            reclaim_bytes: sky.settings.segment_bytes * 6,
            reclaim_step_bytes: 16 << 10,
            recycled_segments: 2,
            salt: self.id.get(),
            guards: wal_guards(sky),
        };
        match Truth::of(self, &wal_config) {
            Ok(truth) => self.expects = truth.or(self.expects.take()),
            Err(reason) => return sky.fail("recovery", reason),
        }
        if let Err(reason) = self.look_who_it_is(sky) {
            return self.start_failed(sky, &reason);
        }
        let (wal, logs) = match Wal::open(Arc::clone(&disk), Path::new(WAL), wal_config) {
            Ok(opened) => opened,
            Err(error) => {
                self.start_failed(sky, &error.to_string());
                return;
            }
        };
        let log = wal.reader();
        let verdict = self.expects.as_ref().map(|truth| truth.compare(&log));
        if let Err(error) = self.come() {
            return self.start_failed(sky, &error.to_string());
        }
        let (node, at, life) = (self.id, self.at(), self.life);
        let history = Arc::new(super::history::SimHistory::new(Arc::clone(&self.engine)));
        let mut running = Running {
            node,
            at,
            life,
            rate: self.rate,
            host: Host::new(HostLimits {
                unapplied_entries: sky.settings.unapplied_entries,
                hibernate_after_ticks: sky.settings.hibernate_after_ticks,
                wakes_per_tick: sky.settings.wakes_per_tick,
                guards: match sky.mutant {
                    Some(Mutant::Host(name)) => HostGuards::without(name).unwrap_or_default(),
                    _ => HostGuards::default(),
                },
                ..HostLimits::default()
            }),
            wal,
            log,
            engine: Arc::clone(&self.engine),
            disk,
            fault_disk: self.disk.clone(),
            incarnation: crate::trace::mix(node.get(), sky.random.next()),
            beats: super::beats::Beats::default(),
            awake: 0,
            rules: ClockRules::new(
                core::time::Duration::from_micros(sky.settings.tick_micros),
                PROMISE_TICKS,
            ),
            wall_micros: self.wall_micros,
            shards: std::collections::BTreeMap::new(),
            directory: Directory::default(),
            ground: region::Ground::default(),
            leaving: std::collections::BTreeMap::new(),
            hub: crate::watch::Hub::new(
                super::history::limits(),
                Arc::clone(&history) as Arc<dyn crate::watch::History>,
            ),
            history,
            mailbox: Vec::new(),
            poll_due: false,
            to_write: std::collections::VecDeque::new(),
            writing: None,
            to_apply: std::collections::VecDeque::new(),
            apply_due: false,
            questions: std::collections::BTreeMap::new(),
            // Answers to questions of an earlier life of this node may still come.
            last_question: if sky.mutant == Some(Mutant::ReuseQuestions) {
                0
            } else {
                sky.random.next() >> 1
            },
            expiries: std::collections::BTreeMap::new(),
            awaited: std::collections::BTreeMap::new(),
            reclaim_more: false,
            quiet_since: None,
            slow_disk_until: self.slow_disk_until,
            slow_applier_until: self.slow_applier_until,
            failed: None,
        };
        sky.note(node, "starts", [life, logs.len() as u64, 0, 0]);
        let started = running.start_regions(sky, &logs);
        if let Err(reason) = started {
            // Who has cut away what was damaged says something else than what is damaged.
            if let Some(Err(what)) = verdict.filter(|_| !self.disk.lies()) {
                sky.fail("recovery", format!("node {}: {what}", self.id));
            }
            self.start_failed(sky, &reason);
            return;
        }
        // What the log does not miss the state may: only who starts has forgotten without a word.
        if let Some(verdict) = verdict {
            sky.judge("recovery", verdict.map_err(|what| format!("node {}: {what}", self.id)));
        }
        let misses_a_state = running.misses_a_state();
        atlas::started(sky, self, misses_a_state);
        running.start_writing(sky);
        let tick = sky.settings.tick_micros;
        let first = sky.between(0, tick);
        sky.after(first, Event::Tick { node: at, life });
        sky.after(50_000, Event::CutLogs { node: at, life });
        sky.after(70_000, Event::ExpireLeases { node: at, life });
        self.running = Some(running);
        sky.oracles.moves.up(node);
    }

    /// A crash in the middle of a start is one more crash; anything else is a loss.
    fn start_failed(&mut self, sky: &mut Sky, reason: &str) {
        if self.disk.is_short() {
            // It says so and ends; whoever supervises it starts it again.
            sky.note(self.id, "finds no space", [0; 4]);
            self.crash(sky, super::Crash::Kill);
            sky.after(150_000, Event::Restart { node: self.at(), life: self.life });
            return;
        }
        if !self.disk.power_is_off() && !self.engine.power_is_off() {
            if self.disk.lies() || self.lost_disk.is_some() {
                return atlas::refused(sky, self, reason);
            }
            sky.fail("restart", format!("node {} does not start: {reason}", self.id));
            return;
        }
        self.crash(sky, super::Crash::Power);
        sky.after(100_000, Event::Restart { node: self.at(), life: self.life });
    }
}

type Logs = std::collections::BTreeMap<RegionId, RegionLog>;

impl Running {
    /// A region as this node knows it that knows nothing yet: whoever came later has a place in it.
    fn first_record(&self, sky: &Sky, region: RegionId) -> RegionRecord {
        let first = record(region, sky.settings.nodes);
        if sky.roster.is_founder(self.node) {
            return first;
        }
        let own = RegionRecord::born(region, first.keyspace, [self.node]);
        RegionRecord { first: Vec::new(), ..own }
    }

    fn start_regions(&mut self, sky: &mut Sky, logs: &Logs) -> Result<(), String> {
        self.finish_installs(sky)?;
        if sky.settings.with_meta {
            let meta = RegionId::META;
            if let Some(log) = logs.get(&meta) {
                let machine =
                    Machine::load(meta, self.engine.as_ref()).map_err(|error| error.to_string())?;
                let directory = machine.directory().cloned().unwrap_or_default();
                self.start_sharded(sky, &directory)?;
                let ordered = directory.regions.values().filter(|it| it.sharding.is_none());
                for record in ordered.filter(|record| record.id != meta) {
                    self.start_region(sky, record.clone(), logs.get(&record.id))?;
                }
                let stored = directory.regions.get(&meta).cloned();
                self.start_region(
                    sky,
                    stored.unwrap_or_else(|| self.first_record(sky, meta)),
                    Some(log),
                )?;
            }
        } else {
            for region in sky.settings.regions.clone() {
                self.start_region(sky, self.first_record(sky, region), logs.get(&region))?;
            }
        }
        self.clean_snapshots().map_err(|error| error.to_string())?;
        if sky.settings.with_meta && !self.shards.contains_key(&RegionId::META) {
            self.start_region(sky, self.first_record(sky, RegionId::META), None)?;
        }
        Ok(())
    }

    /// The meta region's applier saw the directory change.
    pub(super) fn directory_changed(&mut self, sky: &mut Sky, directory: Directory) {
        let ordered = directory.regions.values().filter(|record| record.sharding.is_none());
        let records: Vec<RegionRecord> = ordered.cloned().collect();
        if let Err(reason) = self.begin_known(sky, &directory) {
            self.broke(sky, "restart", format!("a region does not start: {reason}"));
            return;
        }
        self.directory = directory;
        for record in records {
            let region = record.id;
            if self.shards.contains_key(&region) {
                continue;
            }
            // The log may know a region that the engine forgot in a power cut.
            let log = self
                .log
                .region(region)
                .filter(|_| sky.mutant != Some(Mutant::ForgetLogOfNewRegion));
            if let Err(reason) = self.start_region(sky, record, log.as_ref()) {
                self.broke(sky, "restart", format!("region {region} does not start: {reason}"));
                return;
            }
        }
        self.start_writing(sky);
    }

    pub(super) fn start_region(
        &mut self,
        sky: &mut Sky,
        record: RegionRecord,
        log: Option<&RegionLog>,
    ) -> Result<(), String> {
        let region = record.id;
        let engine = Arc::clone(&self.engine);
        let own = record.peer_on(self.node);
        let is_first = own.is_some_and(|peer| record.first.contains(&peer));
        let mut machine = match record.sharding.as_ref().filter(|_| is_first) {
            Some(sharding) => {
                let fresh = Some(Shape::new(record.keyspace, sharding.birth.clone()));
                let machine = Machine::load_sharded(region, engine.as_ref(), fresh);
                machine.map_err(|error| error.to_string())?
            }
            None => registry::load(sky, region, engine.as_ref())?,
        };
        let Some(peer) = own_peer(self.node, &record, &machine, log) else { return Ok(()) };
        let born = machine.shape().map_or(Index(1), |shape| shape.born);
        if log.is_none()
            && machine.applied().index > born
            && sky.mutant != Some(Mutant::ForgetLogOfNewRegion)
        {
            return Err(format!("region {region}: the log is gone"));
        }
        if machine.applied().conf_state.voters.is_empty() && is_first {
            let configuration = ConfState { voters: record.first.clone(), ..ConfState::default() };
            let start = consensus::Start::bootstrap(configuration.clone());
            let epoch = Epoch { version: 1, conf_ver: 1 };
            machine.apply_conf(start.applied, start.last_term, configuration, epoch);
            let mut batch = Batch::default();
            machine.finish(&mut batch);
            engine.write(batch).map_err(|error| error.to_string())?;
            machine.written();
        }
        self.run_region(sky, record, peer, (machine, log), None)
    }

    /// Starts the replica of a region that was split off here.
    pub(super) fn start_child(
        &mut self,
        sky: &mut Sky,
        record: RegionRecord,
        machine: Machine,
        campaign: bool,
    ) -> Result<(), String> {
        let log = self.log.region(record.id);
        let Some(peer) = own_peer(self.node, &record, &machine, log.as_ref()) else {
            return Ok(());
        };
        let campaign = campaign && machine.applied().conf_state.voters.contains(&peer);
        self.run_region(sky, record, peer, (machine, log.as_ref()), Some(campaign))
    }

    fn run_region(
        &mut self,
        sky: &mut Sky,
        record: RegionRecord,
        peer: PeerId,
        (machine, log): (Machine, Option<&RegionLog>),
        campaign: Option<bool>,
    ) -> Result<(), String> {
        let region = record.id;
        let start = consensus_start(&machine, log, region)?;
        if let Some(log) = log {
            let verdict = sky.oracles.votes.restarted(peer, region, log.hard_state);
            sky.judge("durable promise", verdict);
            let verdict = sky.oracles.recovery.restarted(peer, region, log);
            sky.judge("recovery", verdict);
        }
        if log.is_none() {
            self.to_write.push_back(ToWriter::Write(store_bootstrap((region, peer), &start)));
        }
        if region == RegionId::META
            && let Some(directory) = machine.directory()
        {
            self.directory = directory.clone();
        }
        let limits = LeaseLimits::default();
        registry::show(sky, self.node, region, &machine);
        self.history.note(region, &machine);
        let wants_scavenging = machine.wants_scavenging();
        let shard = Shard {
            record: record.clone(),
            peer,
            machine,
            leases: LeaseClock::new(limits),
            registry: sky.settings.registry.map(|settings| registry::share(sky, settings)),
            knows_since: sky.now,
            leadership: Leadership::default(),
            exported: None,
            log_first: start.first.get(),
            scavenging: wants_scavenging,
            readers: std::collections::BTreeMap::new(),
            committed: 0,
            lease: region::LeaderLease::default(),
        };
        self.shards.insert(region, shard);
        self.hold(sky, region);
        if wants_scavenging {
            self.push_apply(sky, ToApplier::Scavenge(region));
        }
        let config = config(sky, region, peer, self.incarnation);
        let reader = Box::new(RegionLogReader { region, wal: self.log.clone() });
        let campaign = start.fresh
            && !start.conf_state.voters.is_empty()
            && campaign.unwrap_or_else(|| self.stands_first(&record));
        let start = PeerStart { region, config, start, log: reader };
        self.tell(sky, ToPoller::Create(Box::new(start), campaign));
        Ok(())
    }

    fn stands_first(&self, record: &RegionRecord) -> bool {
        match self.shards.get(&RegionId::META) {
            Some(meta) if record.id != RegionId::META => meta.leadership.here,
            _ => record.peers.iter().map(|(_, node)| *node).min() == Some(self.node),
        }
    }
}

/// The first leader of a new cluster gives it its identity.
pub(super) fn initialize(running: &mut Running, sky: &mut Sky) {
    let nodes = (1..=sky.settings.nodes)
        .map(|id| NodeRecord {
            id: NodeId(id),
            identity: u128::from(id),
            name: format!("n{id}"),
            peer_address: format!("127.0.0.1:{id}"),
            client_address: String::new(),
            part: Part::Voter,
            phase: Phase::Member,
            zone: String::new(),
            is_draining: false,
        })
        .collect();
    let cluster = ClusterId(u128::from(sky.random.next() | 1));
    let command = Command::Initialize { cluster, nodes };
    let Some(shard) = running.shards.get(&RegionId::META) else { return };
    let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
    let (region, data) = (RegionId::META, envelope.encode());
    running.tell(sky, ToPoller::Propose { region, data, asked: Asked::Nobody });
}

fn wal_guards(sky: &Sky) -> WalGuards {
    WalGuards {
        checksums: sky.mutant != Some(Mutant::IgnoreChecksums),
        marks: sky.mutant != Some(Mutant::CutAtDamage),
        followers: sky.mutant != Some(Mutant::ForgetFollowers),
    }
}

fn store_bootstrap((region, peer): (RegionId, PeerId), start: &consensus::Start) -> LogWrite {
    LogWrite {
        region,
        peer,
        number: None,
        hard_state: Some(start.hard_state),
        entries: Vec::new(),
        reset_to: Some((start.last, start.last_term)),
        compact_to: None,
        must_sync: true,
        messages: Vec::new(),
    }
}

fn config(sky: &Sky, region: RegionId, peer: PeerId, incarnation: u64) -> consensus::Config {
    let Settings { cache_bytes, message_bytes, .. } = sky.settings;
    let guards = match sky.mutant {
        Some(Mutant::Guard(name)) => Guards::without(name).unwrap_or_default(),
        _ => Guards::default(),
    };
    consensus::Config {
        election_ticks: ELECTION_TICKS,
        promise_ticks: PROMISE_TICKS,
        heartbeat_ticks: 2,
        max_message_bytes: message_bytes,
        max_inflight_messages: 16,
        max_uncommitted_bytes: 1 << 20,
        max_committed_bytes_per_ready: 8 << 10,
        cache_bytes,
        guards,
        ..consensus::Config::new(region, peer, incarnation, Incarnation(incarnation))
    }
}

fn consensus_start(
    machine: &Machine,
    log: Option<&RegionLog>,
    region: RegionId,
) -> Result<consensus::Start, String> {
    let applied = machine.applied();
    let start = match log {
        None if applied.index == Index(0) => consensus::Start::default(),
        None if applied.index > Index(1) && machine.is_sharded() => {
            let at = (applied.index, applied.term);
            consensus::Start::split_off(at, applied.conf_state.clone())
        }
        None => consensus::Start::bootstrap(applied.conf_state.clone()),
        Some(log) => consensus::Start {
            hard_state: log.hard_state.unwrap_or_default(),
            conf_state: applied.conf_state.clone(),
            first: log.first,
            prev_term: log.prev_term,
            last: log.last,
            last_term: log.last_term,
            applied: applied.index,
            fresh: false,
        },
    };
    let before_first = Index(start.first.get().saturating_sub(1));
    if applied.index < before_first || applied.index > start.last {
        return Err(format!(
            "region {region}: applied {}, but the log holds {}..={}",
            applied.index, start.first, start.last
        ));
    }
    Ok(start)
}
