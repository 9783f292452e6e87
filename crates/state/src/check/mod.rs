//! What is refused before it reaches the log. The rules and their order are those of etcd 3.5's
//! request checks, since clients match on the answers.

mod acl;
mod auth;
mod intervals;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use types::{Code, Fault, KeyRange, limits};

use crate::command::Command;
use crate::request::{
    DeleteRequest, PutRequest, RangeRequest, SortOrder, SortTarget, TxnOp, TxnRequest,
};

/// Whether a command may be proposed.
///
/// # Errors
/// What is wrong with it; nothing was changed.
pub fn check(command: &Command) -> Result<(), Fault> {
    match command {
        Command::Put(put) => check_put(put),
        Command::Delete(delete) => check_delete(delete),
        Command::Txn(txn) => check_txn(txn),
        Command::LeaseGrant { ttl_seconds, .. } if *ttl_seconds > limits::LEASE_TTL_SECONDS => {
            Err(Code::LeaseTtlTooLarge.into())
        }
        Command::CreateKeyspace { name } => check_keyspace_name(name),
        Command::CreateMachine { name, machine } => {
            check_keyspace_name(name)?;
            check_keyspace_name(machine)
        }
        Command::CreateRegistry { shards } => check_shards(*shards),
        Command::CreateSharded { name, split_at, replicas, in_memory: _ } => {
            check_keyspace_name(name)?;
            check_replicas(*replicas)?;
            check_split_keys(split_at)
        }
        Command::PlanSplit { at, .. } | Command::Split { at, .. } => check_split_key(at),
        Command::AddNode { peer_address, .. } | Command::UpdateNode { peer_address, .. } => {
            check_address(peer_address)
        }
        Command::Execute { data } => check_size(data.len()),
        Command::Limited { ranges, command } => {
            check_size(ranges.iter().map(range_bytes).sum())?;
            check(command)
        }
        Command::Auth(command) => auth::check(command),
        Command::Registry(command) => crate::registry::check(command),
        Command::Compact { .. }
        | Command::Alarm { .. }
        | Command::LeaseGrant { .. }
        | Command::LeaseRevoke { .. }
        | Command::LeaseExpire { .. }
        | Command::Initialize { .. }
        | Command::RegisterNode(_)
        | Command::TellLevel { .. }
        | Command::RaiseLevel { .. }
        | Command::IntroduceNode { .. }
        | Command::PromoteNode { .. }
        | Command::RemoveNode { .. }
        | Command::Place { .. }
        | Command::DrainNode { .. }
        | Command::RecordPeers { .. } => Ok(()),
    }
}

fn check_replicas(replicas: u32) -> Result<(), Fault> {
    if replicas <= limits::REPLICAS {
        return Ok(());
    }
    let detail =
        format!("a region has at most {} replicas, or one on every node", limits::REPLICAS);
    Err(Fault::new(Code::InvalidArgument, detail))
}

fn check_split_keys(split_at: &[Bytes]) -> Result<(), Fault> {
    let refuse = |detail: String| Err(Fault::new(Code::InvalidArgument, detail));
    if split_at.len() > limits::SPLIT_KEYS {
        return refuse(format!(
            "a keyspace is made with at most {} split keys",
            limits::SPLIT_KEYS
        ));
    }
    if !split_at.is_sorted_by(|a, b| a < b) {
        return refuse("split keys ascend, and each is there once".to_owned());
    }
    check_size(split_at.iter().map(Bytes::len).sum())?;
    split_at.iter().try_for_each(check_split_key)
}

fn check_split_key(at: &Bytes) -> Result<(), Fault> {
    check_key(at)?;
    let most = crate::sharded::SPLIT_KEY_BYTES;
    if at.len() > most {
        let detail = format!("a split key of {} bytes; at most {most} are allowed", at.len());
        return Err(Fault::new(Code::InvalidArgument, detail));
    }
    Ok(())
}

/// Whether a node may be said to be reached there.
pub(crate) fn check_address(address: &str) -> Result<(), Fault> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let is_one = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
        && address.len() <= limits::NODE_TEXT_BYTES
        && !address.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/');
    if is_one {
        return Ok(());
    }
    Err(Fault::new(Code::BadMemberUrls, format!("{address:?} is no host:port")))
}

/// Whether a range may be read.
///
/// # Errors
/// `EmptyKey`, `InvalidSortOption`.
pub fn check_range(range: &RangeRequest) -> Result<(), Fault> {
    check_key(&range.range.start)?;
    let _: (SortOrder, SortTarget) = (range.sort_order, range.sort_target);
    Ok(())
}

/// Whether a transaction may be run.
///
/// # Errors
/// What is wrong with it, or with any operation in it.
pub fn check_txn(txn: &TxnRequest) -> Result<(), Fault> {
    check_size(txn_bytes(txn))?;
    check_operations(txn, limits::TXN_OPERATIONS, 1)?;
    intervals::check(&txn.success)?;
    intervals::check(&txn.failure)
}

fn check_shards(shards: u32) -> Result<(), Fault> {
    let most = limits::REGISTRY_SHARDS;
    if usize::try_from(shards).is_ok_and(|shards| (1..=most).contains(&shards)) {
        return Ok(());
    }
    Err(Fault::new(
        Code::InvalidArgument,
        format!("a registry has 1 to {most} shards, not {shards}"),
    ))
}

/// Whether a keyspace may have this name.
///
/// # Errors
/// `InvalidArgument` with the rule in its words.
pub fn check_keyspace_name(name: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts && name.len() <= limits::KEYSPACE_NAME_BYTES && name.chars().all(fits) {
        return Ok(());
    }
    Err(Fault::new(
        Code::InvalidArgument,
        format!(
            "a keyspace's name is 1 to {} of the characters a-z, 0-9, '.', '_' and '-', and begins \
             with a letter or a digit; {name:?} is not",
            limits::KEYSPACE_NAME_BYTES
        ),
    ))
}

impl TxnRequest {
    /// Whether any branch, nested ones included, can change something.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        self.success.iter().chain(&self.failure).any(|operation| match operation {
            TxnOp::Range(_) => false,
            TxnOp::Put(_) | TxnOp::Delete(_) => true,
            TxnOp::Txn(txn) => txn.has_writes(),
        })
    }
}

impl TxnRequest {
    /// Whether any branch, nested ones included, can put.
    #[must_use]
    pub fn has_puts(&self) -> bool {
        self.success.iter().chain(&self.failure).any(|operation| match operation {
            TxnOp::Range(_) | TxnOp::Delete(_) => false,
            TxnOp::Put(_) => true,
            TxnOp::Txn(txn) => txn.has_puts(),
        })
    }
}

fn range_bytes(range: &KeyRange) -> usize {
    range.start.len() + range.end.as_ref().map_or(0, bytes::Bytes::len)
}

fn check_put(put: &PutRequest) -> Result<(), Fault> {
    check_key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(Code::ValueProvided.into());
    }
    if put.ignore_lease && put.lease.get() != 0 {
        return Err(Code::LeaseProvided.into());
    }
    check_size(put.key.len() + put.value.len())
}

fn check_delete(delete: &DeleteRequest) -> Result<(), Fault> {
    check_key(&delete.range.start)
}

fn check_key(key: &[u8]) -> Result<(), Fault> {
    if key.is_empty() {
        return Err(Code::EmptyKey.into());
    }
    if key.len() > limits::KEY_BYTES {
        return Err(Fault::new(
            Code::InvalidArgument,
            format!("a key of {} bytes; at most {} are allowed", key.len(), limits::KEY_BYTES),
        ));
    }
    Ok(())
}

fn check_size(bytes: usize) -> Result<(), Fault> {
    if bytes > limits::REQUEST_BYTES {
        return Err(Code::RequestTooLarge.into());
    }
    Ok(())
}

fn check_operations(txn: &TxnRequest, allowed: usize, depth: usize) -> Result<(), Fault> {
    let most = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    if most > allowed {
        return Err(Code::TooManyOperations.into());
    }
    if depth > limits::TXN_DEPTH {
        return Err(Fault::new(
            Code::InvalidArgument,
            format!("transactions nested deeper than {}", limits::TXN_DEPTH),
        ));
    }
    for compare in &txn.compare {
        check_key(&compare.range.start)?;
    }
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            TxnOp::Range(range) => check_range(range)?,
            TxnOp::Put(put) => check_put(put)?,
            TxnOp::Delete(delete) => check_delete(delete)?,
            // What the outer level used up is not there for the inner ones (etcd's rule).
            TxnOp::Txn(txn) => check_operations(txn, allowed - most, depth + 1)?,
        }
    }
    Ok(())
}

fn txn_bytes(txn: &TxnRequest) -> usize {
    let branch = |operations: &[TxnOp]| -> usize {
        operations
            .iter()
            .map(|operation| match operation {
                TxnOp::Put(put) => put.key.len() + put.value.len(),
                TxnOp::Txn(txn) => txn_bytes(txn),
                TxnOp::Range(_) | TxnOp::Delete(_) => 0,
            })
            .sum()
    };
    branch(&txn.success) + branch(&txn.failure)
}
