//! A node with a damaged disk comes back with all it held, or says what is damaged and does not start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use storage::wal::{RegionLog, Wal, WalConfig, WalReader};
use types::{Index, RegionId};

use super::Lie;
use crate::event::Event;
use crate::node::{Node, SNAPSHOTS, WAL};
use crate::sky::Sky;
use crate::trace::{hash, mix};

/// All that a log holds of each region: its state, and a hash of its entries.
type Held = BTreeMap<RegionId, (RegionLog, u64)>;

/// What a node whose disk lies would find if it did not.
pub(crate) struct Truth(Held);

impl Truth {
    /// `None` where nothing is wrong with the disk.
    pub(crate) fn of(node: &Node, config: &WalConfig) -> Result<Option<Self>, String> {
        let disk = match &node.lost_disk {
            Some(lost) => lost.truth(),
            None if node.disk.lies() => node.disk.truth(),
            None => return Ok(None),
        };
        let config = WalConfig { guards: storage::wal::WalGuards::default(), ..config.clone() };
        let opened = Wal::open(Arc::new(disk), Path::new(WAL), config);
        let (wal, _) = opened.map_err(|error| format!("without damage: {error}"))?;
        Ok(Some(Self(held(&wal.reader())?)))
    }

    /// What was found is all there was.
    pub(crate) fn compare(&self, found: &WalReader) -> Result<(), String> {
        let found = held(found)?;
        for (region, (log, entries)) in &self.0 {
            match found.get(region) {
                Some((other, _)) if other != log => {
                    return Err(format!("region {region}: held {log:?}, came back with {other:?}"));
                }
                Some((_, other)) if other != entries => {
                    return Err(format!("region {region}: other entries than it held, in {log:?}"));
                }
                Some(_) => {}
                None => return Err(format!("region {region}: held {log:?}, came back without")),
            }
        }
        match found.keys().find(|region| !self.0.contains_key(region)) {
            Some(region) => Err(format!("region {region} was never in this log")),
            None => Ok(()),
        }
    }
}

fn held(log: &WalReader) -> Result<Held, String> {
    let mut all = Held::new();
    for status in log.regions() {
        let (mut next, mut sum) = (status.log.first, 0);
        while next <= status.log.last {
            let end = Index(status.log.last.get() + 1);
            let entries = log.entries(status.region, next, end, 1 << 20);
            let entries = entries.map_err(|error| format!("started, and then: {error}"))?;
            for entry in &entries {
                sum = mix(mix(sum, entry.index.get()), entry.term.get());
                sum = mix(mix(sum, entry.kind as u64), hash(&entry.data));
                next = entry.index.next();
            }
        }
        all.insert(status.region, (status.log, sum));
    }
    Ok(all)
}

/// The node started all the same: what is wrong with its disk hit nothing that counts, or is right again.
/// Where a state is missing, that shows only once the directory says whose it is: nothing is said until then.
pub(crate) fn started(sky: &mut Sky, node: &mut Node, misses_a_state: bool) {
    if node.expects.take().is_none() || misses_a_state && node.disk.lies() {
        return;
    }
    let is_hurt = node.disk.lies();
    *if is_hurt { &mut sky.counts.harmless_lies } else { &mut sky.counts.whole_again } += 1;
    sky.note(node.id, "has all it had", [u64::from(is_hurt), 0, 0, 0]);
    node.disk.be_honest_without_names();
    sky.atlas.lying = None;
}

/// The node does not start, for the sake of what its disk shows.
pub(crate) fn refused(sky: &mut Sky, node: &mut Node, reason: &str) {
    let lie = sky.atlas.lying.filter(|it| it.node == node.id).map(|it| it.lie);
    sky.note(node.id, "refuses to start", [hash(reason.as_bytes()), 0, 0, 0]);
    let names_it = match lie {
        None => false,
        Some(Lie::LostDisk) => reason.contains("its data is gone"),
        // A snapshot that the log was reset to, or all of a region's log: the region is named.
        Some(Lie::LostName)
            if reason.contains("but the log holds") || reason.contains("the log is gone") =>
        {
            true
        }
        Some(_) => reason.contains(WAL) || reason.contains(SNAPSHOTS),
    };
    if !names_it {
        sky.fail("recovery", format!("node {}: after {lie:?} it says only: {reason}", node.id));
        return;
    }
    sky.counts.refused_starts += 1;
    node.life += 1;
    if lie == Some(Lie::Stale) {
        // It was read wrong once. Whoever starts it again finds all of it: nothing was changed.
        node.disk.be_honest();
        let delay = sky.between(50_000, 600_000);
        sky.after(delay, Event::Restart { node: node.at(), life: node.life });
        return;
    }
    node.is_given_up = true;
    let delay = sky.between(100_000, 1_200_000);
    sky.after(delay, Event::Replace { node: node.at(), life: node.life });
}
