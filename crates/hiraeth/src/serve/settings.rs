//! A server's settings: flags win over the environment, that over the file, that over the defaults.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use api::Zone;
use node::audit::{Audit, AuditSettings};
use node::probe::Networks;
use node::{EngineKind, NodeConfig};
use serde::Deserialize;
use spans::Exporter;

use super::secure::Secure;
use crate::logging::LogFormat;

#[cfg(test)]
mod tests;

/// Settings as they may be given; in the file the names are the same as on the command line.
#[derive(Clone, Default, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    /// A TOML file with any of these settings.
    #[arg(long, env = "HIRAETH_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// A node keeps data and is a member; a gateway passes on to members what clients want
    /// [default: node].
    #[arg(long, env = "HIRAETH_ROLE", value_enum)]
    pub(super) role: Option<Role>,
    /// For a gateway: where the members' client ports are.
    #[arg(
        long,
        env = "HIRAETH_GATEWAY_ENDPOINTS",
        value_name = "HOST:PORT,...",
        value_delimiter = ','
    )]
    pub(super) endpoints: Option<Vec<String>>,
    /// This node's name, unique in the cluster [default: n1].
    #[arg(long, env = "HIRAETH_NAME")]
    pub(super) name: Option<String>,
    /// Where everything is kept [default: ./hiraeth-data].
    #[arg(long, env = "HIRAETH_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where etcd clients connect [default: 127.0.0.1:2379].
    #[arg(long, env = "HIRAETH_LISTEN_CLIENT", value_name = "HOST:PORT")]
    pub(super) listen_client: Option<String>,
    /// Where peers connect [default: 127.0.0.1:2380].
    #[arg(long, env = "HIRAETH_LISTEN_PEER", value_name = "HOST:PORT")]
    pub(super) listen_peer: Option<String>,
    /// Where HTTP clients connect [default: 127.0.0.1:8500].
    #[arg(long, env = "HIRAETH_LISTEN_HTTP", value_name = "HOST:PORT")]
    pub(super) listen_http: Option<String>,
    /// Where the registry answers DNS, over UDP and TCP [default: nowhere].
    #[arg(long, env = "HIRAETH_LISTEN_DNS", value_name = "HOST:PORT")]
    pub(super) listen_dns: Option<String>,
    /// What this server shares a fate with, such as a rack: replicas of sharded keyspaces are kept apart
    /// by it.
    #[arg(long, env = "HIRAETH_ZONE", value_name = "NAME")]
    zone: Option<String>,
    /// Seconds that nothing is heard of a server after which the replicas of sharded keyspaces that it
    /// has are made anew on others [default: 1800].
    #[arg(long, env = "HIRAETH_REPLACE_AFTER_S", value_name = "S")]
    replace_after_s: Option<u64>,
    /// The datacenter that Consul's clients are told [default: dc1].
    #[arg(long, env = "HIRAETH_DATACENTER", value_name = "NAME")]
    datacenter: Option<String>,
    /// Stop when a client of Consul's API asks for it (`PUT /v1/agent/leave`, agent:write), as Consul does.
    #[arg(
        long,
        env = "HIRAETH_LEAVE_WHEN_ASKED",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    leave_when_asked: Option<bool>,
    /// The networks that checks made by the cluster may go to [default: loopback and private ones].
    #[arg(
        long,
        env = "HIRAETH_CHECK_NETWORKS",
        value_name = "ADDRESS/BITS,...",
        value_delimiter = ','
    )]
    check_networks: Option<Vec<String>>,
    /// The domain that DNS answers for [default: consul].
    #[arg(long, env = "HIRAETH_DNS_DOMAIN", value_name = "NAME")]
    pub(super) dns_domain: Option<String>,
    /// Seconds that DNS answers may be kept by others [default: 0].
    #[arg(long, env = "HIRAETH_DNS_TTL_S", value_name = "S")]
    pub(super) dns_ttl_s: Option<u32>,
    /// Where clients are told to connect [default: the listening address].
    #[arg(long, env = "HIRAETH_ADVERTISE_CLIENT", value_name = "HOST:PORT")]
    advertise_client: Option<String>,
    /// Where peers are told to connect [default: the listening address].
    #[arg(long, env = "HIRAETH_ADVERTISE_PEER", value_name = "HOST:PORT")]
    advertise_peer: Option<String>,
    /// The nodes a new cluster starts with; matters at the first start only [default: this one].
    #[arg(
        long,
        env = "HIRAETH_INITIAL_CLUSTER",
        value_name = "NAME=HOST:PORT,...",
        value_delimiter = ','
    )]
    pub(super) initial_cluster: Option<Vec<String>>,
    /// Peer addresses of a cluster that is there, and to which this node was added (`member add`);
    /// matters at the first start only.
    #[arg(long, env = "HIRAETH_JOIN", value_name = "HOST:PORT,...", value_delimiter = ',')]
    pub(super) join: Option<Vec<String>>,
    /// `existing` joins the cluster of the others in --initial-cluster, as etcd does [default: new].
    #[arg(long, env = "HIRAETH_INITIAL_CLUSTER_STATE", value_enum)]
    initial_cluster_state: Option<ClusterState>,
    /// How many nodes of a new cluster must be there before the first election [default: a
    /// majority].
    #[arg(long, env = "HIRAETH_QUORUM_COUNT", value_name = "N")]
    quorum_count: Option<usize>,
    /// What keeps the state: disk or memory [default: disk].
    #[arg(long, env = "HIRAETH_ENGINE")]
    engine: Option<String>,
    /// Memory for the engine's caches and write buffers, in MiB [default: 64].
    #[arg(long, env = "HIRAETH_ENGINE_MEMORY_MIB", value_name = "MIB")]
    engine_memory_mib: Option<u64>,
    /// Memory for the records of keyspaces that are kept in memory, in MiB: above it they take nothing that
    /// needs room [default: 1024].
    #[arg(long, env = "HIRAETH_MEMORY_KEYSPACES_MIB", value_name = "MIB")]
    memory_keyspaces_mib: Option<u64>,
    /// Milliseconds of a Raft tick; an election starts after 10 to 20 of them [default: 100].
    #[arg(long, env = "HIRAETH_TICK_MS", value_name = "MS")]
    tick_ms: Option<u64>,
    /// Applied entries kept in each region's log for replicas that fall behind a little [default:
    /// 5000].
    #[arg(long, env = "HIRAETH_LOG_KEEP_ENTRIES", value_name = "N")]
    log_keep_entries: Option<u64>,
    /// Free MiB on the data directory's disk below which no writes are taken any more [default:
    /// two log segments and 128, but at most a quarter of the disk].
    #[arg(long, env = "HIRAETH_DISK_RESERVE_MIB", value_name = "MIB")]
    disk_reserve_mib: Option<u64>,
    /// Seconds of rest after which a keyspace's replicas sleep until they are needed; 0 for never
    /// [default: 3].
    #[arg(long, env = "HIRAETH_HIBERNATE_AFTER_S", value_name = "S")]
    hibernate_after_s: Option<u64>,
    /// MiB of keys and values from which on a region of a sharded keyspace is split [default: 96].
    #[arg(long, env = "HIRAETH_SPLIT_MIB", value_name = "MIB")]
    split_mib: Option<u64>,
    /// Keys from which on it is [default: 1000000].
    #[arg(long, env = "HIRAETH_SPLIT_KEYS", value_name = "N")]
    split_keys: Option<u64>,
    /// Requests per second through one node for a region of a sharded keyspace, above which it is split after
    /// some seconds; 0 for never [default: 25000].
    #[arg(long, value_name = "N", env = "HIRAETH_SPLIT_LOAD")]
    split_load: Option<u64>,
    /// Shards of the registry, if it is this node that makes it: services lie in as many regions, each with a
    /// leader of its own; at most 32. 0 for one region with all of it [default: 0].
    #[arg(long, value_name = "N", env = "HIRAETH_REGISTRY_SHARDS")]
    registry_shards: Option<u32>,
    /// Requests per second through this node for one key, above which they are refused; 0 for never
    /// [default: 0].
    #[arg(long, value_name = "N", env = "HIRAETH_KEY_REQUESTS")]
    key_requests: Option<u64>,
    /// How history is kept without a client's compaction: periodic or revision [default: periodic].
    #[arg(long, env = "HIRAETH_AUTO_COMPACTION_MODE", value_name = "MODE")]
    auto_compaction_mode: Option<String>,
    /// For how long, a bare number being hours, or how many revisions; 0 keeps all [default: 0].
    #[arg(long, env = "HIRAETH_AUTO_COMPACTION_RETENTION", value_name = "TIME|N")]
    auto_compaction_retention: Option<String>,
    /// Seconds that a token counts after its last use [default: 300].
    #[arg(long, env = "HIRAETH_AUTH_TOKEN_TTL_S", value_name = "S")]
    auth_token_ttl_s: Option<u64>,
    /// Switches Consul's ACL on, or off, in the whole cluster, whatever it was before: on or off [default: as
    /// the cluster has it].
    #[arg(
        long,
        env = "HIRAETH_ACL",
        num_args = 0..=1,
        default_missing_value = "on",
        value_name = "on|off"
    )]
    acl: Option<String>,
    /// What becomes of what no rule speaks of, where --acl switches it on: allow or deny [default: deny].
    #[arg(long, env = "HIRAETH_ACL_DEFAULT_POLICY", value_name = "POLICY")]
    acl_default_policy: Option<String>,
    /// A file with the secret of a token that may do everything; the token is made if there is none with it.
    #[arg(long, env = "HIRAETH_ACL_INITIAL_MANAGEMENT_TOKEN_FILE", value_name = "FILE")]
    acl_initial_management_token_file: Option<PathBuf>,
    /// A file with the secret of the token in whose name this node asks for clients of Consul's API and of
    /// DNS that bring none [default: that of nobody].
    #[arg(long, env = "HIRAETH_ACL_DEFAULT_TOKEN_FILE", value_name = "FILE")]
    acl_default_token_file: Option<PathBuf>,
    /// Keep the secrets of tokens that are made here, as Consul does: who may change tokens can read them
    /// later, and so can who has the data or a backup. Else hashes are all that is kept.
    #[arg(
        long,
        env = "HIRAETH_ACL_KEEP_SECRETS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    acl_keep_secrets: Option<bool>,
    /// The networks where servers may be that vouch for who logs in by an auth method [default: all but
    /// where cloud machines are told about themselves].
    #[arg(
        long,
        env = "HIRAETH_ACL_LOGIN_NETWORKS",
        value_name = "ADDRESS/BITS,...",
        value_delimiter = ','
    )]
    acl_login_networks: Option<Vec<String>>,
    /// A file in which each line says, in JSON, who changed rights, was refused, or ran the cluster.
    #[arg(long, env = "HIRAETH_AUDIT_LOG", value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// MiB of the audit log from which on another file is begun [default: 64].
    #[arg(long, env = "HIRAETH_AUDIT_LOG_MIB", value_name = "MIB")]
    audit_log_mib: Option<u64>,
    /// Files of the audit log that are kept, the one that is written among them [default: 8].
    #[arg(long, env = "HIRAETH_AUDIT_LOG_FILES", value_name = "N")]
    audit_log_files: Option<usize>,
    /// The certificate of the client port and the HTTP port, in PEM form: with it, TLS is spoken there. A
    /// gateway has it for its ports, too.
    #[arg(long, env = "HIRAETH_CERT_FILE", value_name = "FILE")]
    pub(super) cert_file: Option<PathBuf>,
    /// The key of --cert-file.
    #[arg(long, env = "HIRAETH_KEY_FILE", value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// The authorities that vouch for clients; who has no certificate of theirs is not let in.
    #[arg(long, env = "HIRAETH_TRUSTED_CA_FILE", value_name = "FILE")]
    pub(super) trusted_ca_file: Option<PathBuf>,
    /// Who brings no token is the user that its certificate's common name says [default: false].
    #[arg(
        long,
        env = "HIRAETH_CLIENT_CERT_AUTH",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub(super) client_cert_auth: Option<bool>,
    /// Whether the HTTP port speaks TLS, and wants certificates [default: as the client port].
    #[arg(long, env = "HIRAETH_HTTP_TLS", value_enum)]
    pub(super) http_tls: Option<HttpTls>,
    /// The certificate of links between nodes, which then speak TLS. It says that it is a peer's.
    #[arg(long, env = "HIRAETH_PEER_CERT_FILE", value_name = "FILE")]
    pub(super) peer_cert_file: Option<PathBuf>,
    /// The key of --peer-cert-file.
    #[arg(long, env = "HIRAETH_PEER_KEY_FILE", value_name = "FILE")]
    pub(super) peer_key_file: Option<PathBuf>,
    /// The authorities that vouch for the other nodes.
    #[arg(long, env = "HIRAETH_PEER_TRUSTED_CA_FILE", value_name = "FILE")]
    pub(super) peer_trusted_ca_file: Option<PathBuf>,
    /// For a gateway: its certificate towards members, if they want one. It names no user.
    #[arg(long, env = "HIRAETH_ENDPOINTS_CERT_FILE", value_name = "FILE")]
    pub(super) endpoints_cert_file: Option<PathBuf>,
    /// The key of --endpoints-cert-file.
    #[arg(long, env = "HIRAETH_ENDPOINTS_KEY_FILE", value_name = "FILE")]
    pub(super) endpoints_key_file: Option<PathBuf>,
    /// For a gateway: the authorities that vouch for members [default: the system's].
    #[arg(long, env = "HIRAETH_ENDPOINTS_TRUSTED_CA_FILE", value_name = "FILE")]
    pub(super) endpoints_trusted_ca_file: Option<PathBuf>,
    /// Where traces go, by OTLP over gRPC: http://host:port or https://host:port [default: what
    /// OTEL_EXPORTER_OTLP_ENDPOINT says, else nowhere].
    #[arg(long, env = "HIRAETH_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Of the requests whose clients say nothing of traces, so many are traced: 0 to 1 [default: 0].
    #[arg(long, env = "HIRAETH_TRACE_RATIO", value_name = "RATIO")]
    trace_ratio: Option<f64>,
    /// Requests traced in one second at most, whoever wants it [default: 100].
    #[arg(long, env = "HIRAETH_TRACE_LIMIT", value_name = "N")]
    trace_limit: Option<u32>,
    /// What is logged: a level, or a filter such as `info,node=debug` [default: info].
    #[arg(long, env = "HIRAETH_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
    /// How log lines look [default: text].
    #[arg(long, env = "HIRAETH_LOG_FORMAT", value_enum)]
    pub(super) log_format: Option<LogFormat>,
}

/// What the HTTP port speaks where the client port speaks TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HttpTls {
    /// TLS, with clients that bring a certificate.
    Mutual,
    /// TLS, with whoever comes: browsers, Prometheus, probes.
    Server,
    /// Plain text.
    Off,
}

/// What the process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// It keeps data and is a member.
    #[default]
    Node,
    /// It passes on what clients want to members.
    Gateway,
}

/// Whether the cluster is to be formed or is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClusterState {
    /// It is formed by the nodes of the initial cluster.
    #[default]
    New,
    /// It is there, and this node was added to it.
    Existing,
}

/// Settings in force.
pub(crate) struct Resolved {
    pub(crate) node: NodeConfig,
    pub(crate) listen_client: String,
    pub(crate) listen_http: String,
    pub(crate) secure: Secure,
    /// Where DNS is served, and what.
    pub(crate) dns: Option<(String, Zone)>,
    /// What brings spans away, where there are any.
    pub(crate) exporter: Option<Exporter>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
}

impl Settings {
    /// What the file says, if there is one.
    pub(super) fn file(&self) -> anyhow::Result<Self> {
        let Some(path) = &self.config else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
        let file = toml::from_str(&text);
        file.with_context(|| format!("the configuration {} is wrong", path.display()))
    }

    /// Puts the file beneath what was given here, and the defaults beneath both.
    pub(crate) fn resolve(self) -> anyhow::Result<Resolved> {
        let file = self.file()?;
        let secure = Secure::of(&self, &file)?;
        let peer_tls = secure.peer.is_some();
        let name = self.name.or(file.name).unwrap_or_else(|| "n1".to_owned());
        let or = |flag: Option<String>, file: Option<String>, default: &str| {
            flag.or(file).unwrap_or_else(|| default.to_owned())
        };
        let listen_client = or(self.listen_client, file.listen_client, "127.0.0.1:2379");
        let listen_peer = or(self.listen_peer, file.listen_peer, "127.0.0.1:2380");
        let listen_http = or(self.listen_http, file.listen_http, "127.0.0.1:8500");
        let advertise_client = or(self.advertise_client, file.advertise_client, &listen_client);
        let advertise_peer = or(self.advertise_peer, file.advertise_peer, &listen_peer);
        for (what, address) in [("client", &advertise_client), ("peer", &advertise_peer)] {
            if address.starts_with("0.0.0.0") || address.starts_with("[::]") {
                bail!("--advertise-{what} must say how this node is reached: {address} does not");
            }
        }
        let initial_cluster = match self.initial_cluster.or(file.initial_cluster) {
            None => vec![(name.clone(), advertise_peer.clone())],
            Some(members) => {
                members.iter().map(|it| parse_member(it, peer_tls)).collect::<Result<_, _>>()?
            }
        };
        let join = self.join.or(file.join).unwrap_or_default();
        let mut join =
            join.iter().map(|it| parse_peer(it, peer_tls)).collect::<anyhow::Result<Vec<_>>>()?;
        let state = self.initial_cluster_state.or(file.initial_cluster_state).unwrap_or_default();
        if state == ClusterState::Existing && join.is_empty() {
            let others = initial_cluster.iter().filter(|(_, at)| *at != advertise_peer);
            join = others.map(|(_, at)| at.clone()).collect();
            if join.is_empty() {
                bail!("--initial-cluster-state existing needs the members in --initial-cluster");
            }
        }
        let initial_cluster = if join.is_empty() {
            initial_cluster
        } else {
            // What it was formed of is long over.
            vec![(name.clone(), advertise_peer.clone())]
        };
        let defaults = NodeConfig::default();
        let domain = or(self.dns_domain, file.dns_domain, "consul");
        let ttl = self.dns_ttl_s.or(file.dns_ttl_s).unwrap_or(0);
        let listen_dns = self.listen_dns.or(file.listen_dns);
        let data_dir = self.data_dir.or(file.data_dir);
        let data_dir = data_dir.unwrap_or_else(|| PathBuf::from("hiraeth-data"));
        let engine = or(self.engine, file.engine, "disk");
        let engine_memory = self.engine_memory_mib.or(file.engine_memory_mib);
        let tick = self.tick_ms.or(file.tick_ms).map(std::time::Duration::from_millis);
        let mode = or(self.auto_compaction_mode, file.auto_compaction_mode, "periodic");
        let kept = or(self.auto_compaction_retention, file.auto_compaction_retention, "0");
        let (tracer, exporter) = super::traces::resolve(
            super::traces::Given {
                endpoint: self.otlp_endpoint.or(file.otlp_endpoint),
                ratio: self.trace_ratio.or(file.trace_ratio),
                per_second: self.trace_limit.or(file.trace_limit),
            },
            &name,
        )?;
        let node = NodeConfig {
            tracer,
            auto_compaction: super::retention::parse(&mode, &kept)?,
            // Messages name it, and are read elsewhere.
            data_dir: std::path::absolute(&data_dir).unwrap_or(data_dir),
            name,
            listen_peer,
            advertise_peer,
            advertise_client,
            peer_tls: secure.peer.clone(),
            client_tls: secure.client.is_some(),
            initial_cluster,
            join,
            quorum_count: self.quorum_count.or(file.quorum_count),
            engine: parse_engine(&engine)?,
            engine_memory_bytes: engine_memory
                .map_or(defaults.engine_memory_bytes, |mib| mib << 20),
            memory_keyspaces_bytes: self
                .memory_keyspaces_mib
                .or(file.memory_keyspaces_mib)
                .map_or(defaults.memory_keyspaces_bytes, |mib| mib << 20),
            tick: tick.filter(|tick| !tick.is_zero()).unwrap_or(defaults.tick),
            log_keep_entries: self
                .log_keep_entries
                .or(file.log_keep_entries)
                .unwrap_or(defaults.log_keep_entries),
            hibernate_after: match self.hibernate_after_s.or(file.hibernate_after_s) {
                None => defaults.hibernate_after,
                Some(0) => None,
                Some(seconds) => Some(std::time::Duration::from_secs(seconds)),
            },
            split_bytes: self
                .split_mib
                .or(file.split_mib)
                .map_or(defaults.split_bytes, |mib| mib.clamp(1, 1 << 40) << 20),
            split_keys: self
                .split_keys
                .or(file.split_keys)
                .map_or(defaults.split_keys, |keys| keys.max(2)),
            split_load: self.split_load.or(file.split_load).unwrap_or(defaults.split_load),
            registry_shards: parse_shards(self.registry_shards.or(file.registry_shards))?,
            key_requests: self.key_requests.or(file.key_requests).unwrap_or(defaults.key_requests),
            auth_token_life: match self.auth_token_ttl_s.or(file.auth_token_ttl_s) {
                None | Some(0) => defaults.auth_token_life,
                Some(seconds) => std::time::Duration::from_secs(seconds),
            },
            acl: super::acl::resolve(&super::acl::Given {
                acl: self.acl.as_deref().or(file.acl.as_deref()),
                default_policy: self
                    .acl_default_policy
                    .as_deref()
                    .or(file.acl_default_policy.as_deref()),
                initial_management: self
                    .acl_initial_management_token_file
                    .as_deref()
                    .or(file.acl_initial_management_token_file.as_deref()),
                default_token: self
                    .acl_default_token_file
                    .as_deref()
                    .or(file.acl_default_token_file.as_deref()),
                keep_secrets: self.acl_keep_secrets.or(file.acl_keep_secrets).unwrap_or(false),
            })?,
            zone: zone_name(or(self.zone, file.zone, ""))?,
            replace_after: match self.replace_after_s.or(file.replace_after_s) {
                None => defaults.replace_after,
                Some(seconds) => std::time::Duration::from_secs(seconds.max(1)),
            },
            datacenter: or(self.datacenter, file.datacenter, &defaults.datacenter),
            leaves_when_asked: self.leave_when_asked.or(file.leave_when_asked).unwrap_or(false),
            check_networks: match self.check_networks.or(file.check_networks) {
                None => defaults.check_networks,
                Some(networks) => Networks::parse(networks.iter().map(String::as_str))
                    .context("--check-networks")?,
            },
            login_networks: match self.acl_login_networks.or(file.acl_login_networks) {
                None => defaults.login_networks,
                Some(networks) => Networks::parse(networks.iter().map(String::as_str))
                    .context("--acl-login-networks")?,
            },
            disk_reserve_bytes: self
                .disk_reserve_mib
                .or(file.disk_reserve_mib)
                .map(|mib| mib << 20),
            ..defaults
        };
        let mut node = node;
        if let Some(path) = self.audit_log.or(file.audit_log) {
            let mib = self.audit_log_mib.or(file.audit_log_mib).unwrap_or(64);
            let settings = AuditSettings {
                file_bytes: mib.clamp(1, 1 << 20) << 20,
                files: self.audit_log_files.or(file.audit_log_files).unwrap_or(8).clamp(1, 1_000),
                path,
            };
            let audit = Audit::start(&settings, &node.name);
            node.audit = Arc::new(
                audit.with_context(|| format!("--audit-log {}", settings.path.display()))?,
            );
        }
        let zone = Zone::new(&domain, &node.datacenter, ttl)?;
        Ok(Resolved {
            node,
            listen_client,
            listen_http,
            secure,
            dns: listen_dns.map(|address| (address, zone)),
            exporter,
            log: or(self.log, file.log, crate::logging::SERVER),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

fn zone_name(zone: String) -> anyhow::Result<String> {
    match zone.len() > 64 {
        true => bail!("--zone takes at most 64 bytes"),
        false => Ok(zone),
    }
}

fn parse_member(member: &str, has_tls: bool) -> anyhow::Result<(String, String)> {
    match member.split_once('=') {
        Some((name, at)) if !name.is_empty() => Ok((name.to_owned(), parse_peer(at, has_tls)?)),
        _ => bail!("--initial-cluster takes name=host:port,...; {member:?} is not that"),
    }
}

/// A peer's address, which etcdctl and etcd's settings write as a URL.
fn parse_peer(address: &str, has_tls: bool) -> anyhow::Result<String> {
    let bare = match address.strip_prefix("https://") {
        Some(_) if !has_tls => bail!(
            "{address:?}: for links between nodes with TLS, give --peer-cert-file, --peer-key-file and \
             --peer-trusted-ca-file"
        ),
        Some(bare) => bare,
        None => address.strip_prefix("http://").unwrap_or(address),
    };
    let bare = bare.trim_end_matches('/');
    if !bare.contains(':') || bare.contains('/') {
        bail!("{address:?} is no peer's host:port");
    }
    Ok(bare.to_owned())
}

fn parse_shards(shards: Option<u32>) -> anyhow::Result<u32> {
    let most = types::limits::REGISTRY_SHARDS;
    match shards.unwrap_or(0) {
        shards if usize::try_from(shards).is_ok_and(|shards| shards <= most) => Ok(shards),
        shards => bail!("--registry-shards {shards}: a registry has at most {most} shards"),
    }
}

fn parse_engine(engine: &str) -> anyhow::Result<EngineKind> {
    match engine {
        "disk" => Ok(EngineKind::Disk),
        "memory" => Ok(EngineKind::Memory),
        _ => bail!("--engine is disk or memory, not {engine:?}"),
    }
}
