//! How a node is set up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use probe::Networks;
use region::{ClockRules, HostLimits};
use spans::Tracer;
use state::auth::Secret;
use state::registry::deadlines::Settings;
use types::{Incarnation, PeerId, RegionId};

use crate::audit::Audit;
use crate::compaction::AutoCompaction;
use crate::lease::LeaseLimits;
use crate::watch::WatchLimits;

/// Which engine keeps the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EngineKind {
    /// On disk.
    #[default]
    Disk,
    /// In memory only, rebuilt at every start from the log, which is therefore never cut: for tests
    /// and for small states.
    Memory,
}

/// What a node is told of Consul's ACL. What it says of the switch is made so in the whole cluster when it
/// starts; the newest word counts.
#[derive(Clone, Debug, Default)]
pub struct AclSettings {
    /// Switch it on, and let nobody in until it is; or off. `None` to leave it as the cluster has it.
    pub enable: Option<bool>,
    /// Where it is switched on: whether what no rule speaks of is allowed.
    pub allows_by_default: bool,
    /// The secret of a token that may do everything, made if there is none that has it.
    pub initial_management: Option<Secret>,
    /// The secret of the token in whose name this node asks for those that bring none: clients of Consul's
    /// API and of DNS.
    pub default_token: Option<Secret>,
    /// Whether the secrets of tokens that are made here are kept, so that who may change tokens can read
    /// them later. Else only their hashes are.
    pub keep_secrets: bool,
}

impl AclSettings {
    /// The secret of the token of those that bring none.
    pub(crate) fn default_token(&self) -> Option<Box<str>> {
        let secret = self.default_token.as_ref()?;
        std::str::from_utf8(&secret.0).ok().map(Into::into)
    }
}

/// A node's settings. Times are real time; ticks are `tick` long.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node's name, unique in the cluster.
    pub name: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where peers connect, `host:port`.
    pub listen_peer: String,
    /// Where peers are told to connect.
    pub advertise_peer: String,
    /// Where clients are told to connect.
    pub advertise_client: String,
    /// What links between nodes speak TLS by, a [`tls::Set::peers`]; `None` for links in plain text.
    pub peer_tls: Option<Arc<tls::Set>>,
    /// Whether clients are told to speak TLS.
    pub client_tls: bool,
    /// The nodes a new cluster starts with: name and peer address; matters at the first start only.
    pub initial_cluster: Vec<(String, String)>,
    /// Peer addresses of members of a cluster that is there and to which this node was added; matters at
    /// the first start only. Empty for a node of a new cluster.
    pub join: Vec<String>,
    /// How many nodes of a new cluster must be there before the first election; `None` for a majority.
    pub quorum_count: Option<usize>,
    /// The engine.
    pub engine: EngineKind,
    /// Memory for the engine's caches and write buffers, in bytes.
    pub engine_memory_bytes: u64,
    /// Memory for the records of keyspaces that are kept in memory, in bytes: above it they take nothing
    /// that needs room.
    pub memory_keyspaces_bytes: u64,
    /// The length of a tick.
    pub tick: Duration,
    /// Ticks without a leader's word until an election.
    pub election_ticks: usize,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: usize,
    /// Whether it goes on leading while its disk, its processors or its links are slow and others are well.
    pub leads_strained: bool,
    /// Poller threads.
    pub pollers: usize,
    /// Apply threads. More than one, so that a slow keyspace does not keep the others waiting; a few
    /// more are started when several are slow.
    pub appliers: usize,
    /// Bytes of one log segment.
    pub log_segment_bytes: u64,
    /// Applied entries kept in each region's log for replicas that are a little behind: some seconds of a
    /// region that is busy. One that needs a snapshot instead falls further behind while it takes it.
    pub log_keep_entries: u64,
    /// Bytes of entries a region's log may hold before it is cut whatever their number.
    pub log_region_bytes: u64,
    /// Bytes of files from which on the log is made shorter: old files are emptied, and where more
    /// than half of it is still needed, the largest logs are cut whatever they hold.
    pub log_bytes: u64,
    /// For how long entries that could be cut wait for the engine to make by itself durable what came
    /// of them, until it is told to.
    pub log_flush_after: Duration,
    /// Free bytes on the disk of `data_dir` below which the node takes no writes any more; `None`
    /// for two log segments and 128 MiB, but at most a quarter of the disk.
    pub disk_reserve_bytes: Option<u64>,
    /// Bytes of each of the two files of the flight recorder; 0 for none.
    pub flight_file_bytes: u64,
    /// For how long nothing must go on in a region until its replicas go to sleep, and cost neither
    /// heartbeats nor ticks until somebody wants something of it; `None` for never.
    pub hibernate_after: Option<Duration>,
    /// What history each keyspace is kept by the node that leads it; `None` for all of it, until a
    /// client compacts.
    pub auto_compaction: Option<AutoCompaction>,
    /// Bytes of keys and values from which on a region of a sharded keyspace is split.
    pub split_bytes: u64,
    /// Keys from which on it is.
    pub split_keys: u64,
    /// Requests per second through one node for a region of a sharded keyspace, above which it is split after
    /// some seconds; 0 for never.
    pub split_load: u64,
    /// Requests per second through this node for one key, above which they are refused; 0 for never.
    pub key_requests: u64,
    /// For how long nothing must be heard of a node until the replicas it has of sharded keyspaces are made
    /// anew on others.
    pub replace_after: Duration,
    /// For how long a token counts after its last use.
    pub auth_token_life: Duration,
    /// Consul's ACL.
    pub acl: AclSettings,
    /// Where it is written down who changed rights, was refused, and ran the cluster.
    pub audit: Arc<Audit>,
    /// Which requests are traced.
    pub tracer: Tracer,
    /// Bounds of the consensus drivers.
    pub host_limits: HostLimits,
    /// Bounds of watches.
    pub watch_limits: WatchLimits,
    /// How leases end.
    pub lease_limits: LeaseLimits,
    /// What this node shares a fate with, such as a rack: replicas are kept apart by it. Empty for nothing.
    pub zone: String,
    /// The datacenter that Consul's clients are told: all nodes of a cluster are in one.
    pub datacenter: String,
    /// Whether a client that may write to its agent can have it stopped. Clients of Consul ask that of an
    /// agent beside them; here it would be a server for many.
    pub leaves_when_asked: bool,
    /// Where checks that the cluster makes may go.
    pub check_networks: Networks,
    /// Where servers that vouch for who logs in may be: who may change the ACL names them.
    pub login_networks: Networks,
    /// How instances, checks and sessions of a registry end.
    pub registry: Settings,
    /// Shards of the registry, if this node is the one that makes it; 0 for one region that has all of it.
    pub registry_shards: u32,
    /// Up to which level this node knows what goes through logs, [`state::command::level::ALL`]: less only
    /// where it stands for an older build.
    pub level: u32,
    /// How long all members must know a level before it is used, for ever: until then a build that was
    /// installed can be taken back.
    pub level_after: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "n1".to_owned(),
            data_dir: PathBuf::from("hiraeth-data"),
            listen_peer: "127.0.0.1:2380".to_owned(),
            advertise_peer: "127.0.0.1:2380".to_owned(),
            advertise_client: "127.0.0.1:2379".to_owned(),
            peer_tls: None,
            client_tls: false,
            initial_cluster: Vec::new(),
            join: Vec::new(),
            quorum_count: None,
            engine: EngineKind::Disk,
            engine_memory_bytes: 64 << 20,
            memory_keyspaces_bytes: 1 << 30,
            tick: Duration::from_millis(100),
            election_ticks: 10,
            heartbeat_ticks: 2,
            leads_strained: false,
            pollers: 1,
            appliers: 2,
            log_segment_bytes: 64 << 20,
            log_keep_entries: 100_000,
            log_region_bytes: 64 << 20,
            log_bytes: 512 << 20,
            log_flush_after: Duration::from_secs(3),
            disk_reserve_bytes: None,
            flight_file_bytes: 8 << 20,
            hibernate_after: Some(Duration::from_secs(3)),
            auto_compaction: None,
            split_bytes: 96 << 20,
            split_keys: 1_000_000,
            split_load: 25_000,
            key_requests: 0,
            replace_after: Duration::from_secs(30 * 60),
            auth_token_life: Duration::from_secs(300),
            acl: AclSettings::default(),
            audit: Arc::default(),
            tracer: Tracer::default(),
            host_limits: HostLimits::default(),
            watch_limits: WatchLimits::default(),
            lease_limits: LeaseLimits::default(),
            zone: String::new(),
            datacenter: "dc1".to_owned(),
            leaves_when_asked: false,
            check_networks: Networks::default(),
            login_networks: Networks::wide(),
            registry: Settings::default(),
            registry_shards: 0,
            level: state::command::level::ALL,
            level_after: Duration::from_secs(60),
        }
    }
}

impl NodeConfig {
    /// How long nothing is heard of a leader, or of a node, until it is taken for lost.
    pub(crate) fn election_timeout(&self) -> Duration {
        self.tick.saturating_mul(u32::try_from(self.election_ticks).unwrap_or(u32::MAX))
    }

    /// For how many ticks a leader may bind voters to it. While it does, nobody replaces it, be it lost or
    /// not; a shorter time costs more rounds where leases are in use.
    const fn promise_ticks(&self) -> usize {
        self.election_ticks.div_ceil(2)
    }

    /// How far clocks are trusted.
    pub(crate) const fn clock_rules(&self) -> ClockRules {
        ClockRules::new(self.tick, self.promise_ticks())
    }

    /// How long a read waits for this node's own copy before the leader is asked to carry it out.
    pub(crate) fn follower_read_patience(&self) -> Duration {
        self.tick.saturating_mul(2)
    }

    /// The bounds of a poller's host.
    pub(crate) fn host_limits(&self) -> HostLimits {
        let tick = self.tick.as_millis().max(1);
        let ticks = |time: Duration| u64::try_from(time.as_millis().div_ceil(tick));
        let after = self.hibernate_after.map(|after| ticks(after).unwrap_or(u64::MAX).max(1));
        HostLimits { hibernate_after_ticks: after, ..self.host_limits }
    }

    pub(crate) fn consensus(
        &self,
        region: RegionId,
        peer: PeerId,
        incarnation: Incarnation,
    ) -> consensus::Config {
        // The seed only has to differ from node to node; the incarnation does, and is new with
        // every start.
        consensus::Config {
            election_ticks: self.election_ticks,
            promise_ticks: self.promise_ticks(),
            heartbeat_ticks: self.heartbeat_ticks,
            max_message_bytes: 1 << 20,
            // Together about what the queue of a link holds.
            max_inflight_messages: 64,
            max_uncommitted_bytes: 64 << 20,
            max_committed_bytes_per_ready: 8 << 20,
            cache_bytes: 8 << 20,
            ..consensus::Config::new(region, peer, incarnation.get(), incarnation)
        }
    }
}
