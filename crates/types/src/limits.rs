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
/// Outcomes kept per client session for retries.
pub const SESSION_OUTCOMES: usize = 4_096;
/// Client sessions kept per region; the one unused the longest goes first.
pub const SESSIONS: usize = 4_096;
/// Bytes of an outcome that a session keeps whole.
pub const SESSION_OUTCOME_BYTES: usize = 4_096;
