//! Bounds that more than one crate must agree on. Everything else has its limit beside its queue.

/// Bytes in one client request, as etcd counts them (`--max-request-bytes`, 1.5 MiB).
pub const REQUEST_BYTES: usize = 1_572_864;
/// Operations in one transaction or one of its branches (`--max-txn-ops`).
pub const TXN_OPERATIONS: usize = 128;
/// Nesting of transactions inside transactions.
pub const TXN_DEPTH: usize = 16;
/// Seconds a lease may live at most (etcd's `MaxLeaseTTL`).
pub const LEASE_TTL_SECONDS: i64 = 9_000_000_000;
/// Seconds a lease lives at least, so that a renewal can cross the network and an election.
pub const LEASE_TTL_SECONDS_MIN: i64 = 1;
/// Entries committed but not yet applied, from which on new proposals are refused (feature C10).
pub const UNAPPLIED_ENTRIES: u64 = 5_000;
/// Keyspaces in a cluster.
pub const KEYSPACES: usize = 10_000;
/// Regions in a cluster.
pub const REGIONS: usize = 20_000;
/// Replicas of a region that is not on every node.
pub const REPLICAS: u32 = 7;
/// Keys that a sharded keyspace is split at when it is made.
pub const SPLIT_KEYS: usize = 1_024;
/// Bytes in a keyspace's name.
pub const KEYSPACE_NAME_BYTES: usize = 128;
/// Nodes in a cluster, those that join or leave included.
pub const NODES: usize = 64;
/// Learners among them. etcd has 1; more are of use as copies to read from.
pub const LEARNERS: usize = 4;
/// Bytes of a node's name, and of an address of it.
pub const NODE_TEXT_BYTES: usize = 512;
/// Bytes in a key.
pub const KEY_BYTES: usize = 65_536;
/// Users in a cluster.
pub const AUTH_USERS: usize = 10_000;
/// Roles in a cluster.
pub const AUTH_ROLES: usize = 10_000;
/// Roles one user has.
pub const AUTH_USER_ROLES: usize = 256;
/// Permissions one role has.
pub const AUTH_ROLE_PERMISSIONS: usize = 1_024;
/// Bytes of the permissions of a role, which is one record: their keys, and some for each.
pub const AUTH_ROLE_BYTES: usize = 4 << 20;
/// The same of all roles together; every node has them in memory.
pub const AUTH_ROLES_BYTES: usize = 64 << 20;
/// Bytes in the name of a user or a role.
pub const AUTH_NAME_BYTES: usize = 256;
/// Consul's tokens in a cluster; every node has them in memory.
pub const ACL_TOKENS: usize = 16_384;
/// Consul's policies in a cluster.
pub const ACL_POLICIES: usize = 4_096;
/// Consul's roles in a cluster.
pub const ACL_ROLES: usize = 4_096;
/// Policies, roles and identities of one token or role together.
pub const ACL_LINKS: usize = 64;
/// Bytes of the rules of a policy.
pub const ACL_RULES_BYTES: usize = 64 << 10;
/// Rules of a policy.
pub const ACL_POLICY_RULES: usize = 4_096;
/// Bytes of the rules of all policies together.
pub const ACL_POLICIES_BYTES: usize = 32 << 20;
/// Bytes of the description of a token, policy or role.
pub const ACL_TEXT_BYTES: usize = 1_024;
/// Bytes of an id, a role's name, or the name of an identity.
pub const ACL_NAME_BYTES: usize = 256;
/// Bytes of a token's secret.
pub const ACL_SECRET_BYTES: usize = 256;
/// Consul's auth methods in a cluster.
pub const ACL_AUTH_METHODS: usize = 256;
/// Bytes of an auth method's configuration.
pub const ACL_CONFIG_BYTES: usize = 64 << 10;
/// Bytes of all auth methods together; every node has them in memory.
pub const ACL_METHODS_BYTES: usize = 4 << 20;
/// Consul's binding rules in a cluster.
pub const ACL_BINDING_RULES: usize = 2_048;
/// Bytes of a binding rule's selector, as of any filter.
pub const ACL_SELECTOR_BYTES: usize = 8 << 10;
/// Variables of a binding rule.
pub const ACL_BIND_VARIABLES: usize = 16;
/// Tokens of who logged in; fewer than of all, so that there is room for those that are made.
pub const ACL_LOGIN_TOKENS: usize = 12_288;
/// The same of one auth method; fewer than of all, so that who is let in by one locks out nobody else.
pub const ACL_METHOD_TOKENS: usize = 4_096;
/// Bytes of what a client proves by who it is.
pub const ACL_BEARER_BYTES: usize = 16 << 10;
/// Outcomes kept per client session for retries.
pub const SESSION_OUTCOMES: usize = 4_096;
/// Client sessions kept per region; the one unused the longest goes first.
pub const SESSIONS: usize = 4_096;
/// Bytes of an outcome that a session keeps whole.
pub const SESSION_OUTCOME_BYTES: usize = 4_096;
/// Bytes in a name or an id of the registry: of a node, a service, an instance, a check, a session, a
/// namespace, a zone.
pub const REGISTRY_NAME_BYTES: usize = 512;
/// Bytes in a check's output or notes (Consul's own bound).
pub const REGISTRY_TEXT_BYTES: usize = 4_096;
/// Tags of one instance.
pub const REGISTRY_TAGS: usize = 512;
/// Pairs of metadata of a node or an instance, and addresses with a tag (Consul's own bound).
pub const REGISTRY_PAIRS: usize = 64;
/// Bytes of a pair's value, and of an address (Consul's own bound).
pub const REGISTRY_VALUE_BYTES: usize = 512;
/// Checks that come with one registration.
pub const REGISTRY_CHECKS: usize = 64;
/// Bytes of all texts of one registration: of the node, the instance and the checks.
pub const REGISTRY_BYTES: usize = 256 << 10;
/// Nodes in one region of the registry.
pub const REGISTRY_NODES: usize = 200_000;
/// Instances in one region of the registry; all of them are in memory.
pub const REGISTRY_INSTANCES: usize = 2_000_000;
/// Checks in one region of the registry.
pub const REGISTRY_REGION_CHECKS: usize = 4_000_000;
/// Checks about one instance, or about one node itself: an answer shows them all.
pub const REGISTRY_CHECKS_BESIDE: usize = 1_024;
/// Checks on one node of the registry, those of its instances included.
pub const REGISTRY_NODE_CHECKS: usize = 500_000;
/// Sessions in one region of the registry.
pub const REGISTRY_SESSIONS: usize = 500_000;
/// Namespaces the registry ever had.
pub const REGISTRY_NAMESPACES: usize = 1_024;
/// Services, and nodes, that are gone and whose index is still known for each.
pub const REGISTRY_GONE: usize = 65_536;
/// What one command lets expire at most.
pub const REGISTRY_EXPIRIES: usize = 1_024;
/// Nodes that a shard is told of in a command.
pub const REGISTRY_MIRRORS: usize = 128;
/// Shards of a registry.
pub const REGISTRY_SHARDS: usize = 32;
/// Milliseconds a check may wait for anything: TTL, interval, time until removal. Fits 32 bits.
pub const REGISTRY_PERIOD_MS: u64 = 30 * 24 * 3_600_000;
/// Milliseconds a session lives at least without being renewed, if it can end by time (Consul).
pub const REGISTRY_SESSION_TTL_MS_MIN: u64 = 10_000;
/// Milliseconds a session lives at most without being renewed (Consul).
pub const REGISTRY_SESSION_TTL_MS: u64 = 86_400_000;
/// Milliseconds a lock stays free for nobody after its holder was lost (Consul).
pub const REGISTRY_LOCK_DELAY_MS: u64 = 60_000;
/// Bytes in a value put through Consul's API (Consul's own bound).
pub const REGISTRY_KV_BYTES: usize = 512 << 10;
/// Operations in one transaction of Consul's API (Consul's own bound).
pub const REGISTRY_TXN_OPERATIONS: usize = 128;
/// Bytes of the answer to one of them, which whole trees can be read with.
pub const REGISTRY_TXN_ANSWER_BYTES: usize = 3 << 20;
/// Keys that the trees of one transaction of the registry have at most, all together.
pub const REGISTRY_TXN_KEYS: usize = 262_144;
/// Bytes of an archive of a registry: a restore keeps it in memory on each node, several times over while
/// it is carried out.
pub const REGISTRY_ARCHIVE_BYTES: usize = 64 << 20;
/// Bytes of a part of it in one command.
pub const REGISTRY_PART_BYTES: usize = 1 << 20;
