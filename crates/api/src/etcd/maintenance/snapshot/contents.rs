//! What is in the file: etcd 3.5's buckets, and what it keeps in each.

use node::Frozen;
use prost::Message;
use state::kept::Before;
use types::Fault;

use super::super::{alarm, stored};
use super::Surroundings;

pub(in super::super) const KEYS: &[u8] = b"key";
pub(in super::super) const META: &[u8] = b"meta";

/// Takes buckets in the order of their names, each with its entries in the order of their keys.
pub(in super::super) trait Buckets {
    /// Why it takes no more.
    type Stop;

    fn bucket(&mut self, name: &[u8]) -> Result<(), Self::Stop>;
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Stop>;
}

/// Why not everything was written.
pub(in super::super) enum Failure<S> {
    /// It could not be read.
    Read(Fault),
    /// It was not taken.
    Stopped(S),
}

impl<S> From<S> for Failure<S> {
    fn from(stop: S) -> Self {
        Self::Stopped(stop)
    }
}

/// Writes all of it. Twice the same keyspace, frozen once, is twice the same.
pub(in super::super) fn write<I: Buckets>(
    frozen: &Frozen,
    around: &Surroundings,
    into: &mut I,
) -> Result<(), Failure<I::Stop>> {
    into.bucket(b"alarm")?;
    let mut alarms: Vec<Vec<u8>> =
        frozen.alarms().iter().map(|it| alarm::member(it).encode_to_vec()).collect();
    alarms.sort();
    for member in &alarms {
        into.entry(member, &[])?;
    }
    // Those without entries as well: etcd expects some of them.
    for name in ["auth", "authRoles", "authUsers", "cluster"] {
        into.bucket(name.as_bytes())?;
    }
    into.bucket(KEYS)?;
    let newest = frozen.header().revision;
    let mut result = Ok(());
    let walk = frozen.versions(newest, Before::Readable, &mut |version| {
        let (key, record) = stored::version(version);
        result = into.entry(&key, &record);
        result.is_ok()
    });
    walk.map_err(Failure::Read)?;
    result?;
    into.bucket(b"lease")?;
    let mut result = Ok(());
    let walk = frozen.leases(&mut |id, ttl_seconds| {
        let (key, record) = stored::lease(id, ttl_seconds);
        result = into.entry(&key, &record);
        result.is_ok()
    });
    walk.map_err(Failure::Read)?;
    result?;
    into.bucket(b"members")?;
    for (key, value) in &around.members {
        into.entry(key, value)?;
    }
    into.bucket(b"members_removed")?;
    into.bucket(META)?;
    meta(frozen, around, into)
}

fn meta<I: Buckets>(
    frozen: &Frozen,
    around: &Surroundings,
    into: &mut I,
) -> Result<(), Failure<I::Stop>> {
    let voters = &around.voters;
    let configuration = serde_json::json!({ "voters": voters, "auto_leave": false });
    into.entry(b"confState", configuration.to_string().as_bytes())?;
    let applied = frozen.applied();
    into.entry(b"consistent_index", &applied.index.get().to_be_bytes())?;
    let compacted = frozen.compacted();
    if compacted.get() > 0 {
        // Finished: what it made unreachable is not in the file.
        into.entry(b"finishedCompactRev", &stored::revision(compacted))?;
        into.entry(b"scheduledCompactRev", &stored::revision(compacted))?;
    }
    into.entry(b"term", &applied.term.get().to_be_bytes())?;
    Ok(())
}
