//! Hashes by which replicas are compared: CRC-32C over what etcd would keep, so that a keyspace has
//! the hash here that its snapshot has in an etcd.

use node::Frozen;
use state::kept::Before;
use types::{Fault, Revision};

use super::snapshot::contents::{self, Buckets, Failure};
use super::{snapshot, stored};

/// Of the versions kept up to `until`.
///
/// Of before the compacted revision it counts what is still the newest of its key. What a replica has
/// removed of the rest, and what it has not yet, does not matter.
pub(super) fn of_versions(frozen: &Frozen, until: Revision) -> Result<u32, Fault> {
    let mut hash = crc32c::crc32c(contents::KEYS);
    frozen.versions(until, Before::Newest, &mut |version| {
        // etcd 3.5 removes those, later ones keep them for a watch that starts there.
        let is_at_the_edge = version.position.revision == frozen.compacted();
        if version.kv.is_some() || !is_at_the_edge {
            let (key, record) = stored::version(version);
            hash = crc32c::crc32c_append(hash, &key);
            hash = crc32c::crc32c_append(hash, &record);
        }
        true
    })?;
    Ok(hash)
}

/// Of all of the keyspace's state: versions, leases, alarms. How far the log was applied, and the
/// cluster's members, are not the keyspace's.
pub(super) fn of_everything(frozen: &Frozen) -> Result<u32, Fault> {
    let mut hash = Everything { hash: 0, counts: false };
    match contents::write(frozen, &snapshot::Surroundings::default(), &mut hash) {
        Ok(()) => Ok(hash.hash),
        Err(Failure::Read(fault)) => Err(fault),
        Err(Failure::Stopped(never)) => match never {},
    }
}

struct Everything {
    hash: u32,
    counts: bool,
}

impl Everything {
    fn add(&mut self, bytes: &[u8]) {
        self.hash = crc32c::crc32c_append(self.hash, bytes);
    }
}

impl Buckets for Everything {
    type Stop = std::convert::Infallible;

    fn bucket(&mut self, name: &[u8]) -> Result<(), Self::Stop> {
        self.counts = name != contents::META;
        self.add(name);
        Ok(())
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Stop> {
        if self.counts {
            self.add(key);
            self.add(value);
        }
        Ok(())
    }
}
