use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use proto::hiraeth::v1 as pb;
use types::Sightings;

/// Versions that somebody who is behind can be brought on from, one after the other.
const RECENT: usize = 64;

/// What a member told of a service, and how to bring on who knows less. The same rules as a member's.
#[derive(Default)]
pub(super) struct Copy {
    /// 0 until something was told.
    version: i64,
    /// The versions at which subscribers were seen to see what they see now.
    same: Option<Sightings>,
    instances: BTreeMap<(String, String), pb::Instance>,
    recent: VecDeque<Step>,
    full: Option<Arc<Delta>>,
}

/// From one version to the next, with those it can be taken from.
struct Step {
    reaches: Sightings,
    /// How many instances it tells of.
    size: usize,
    delta: Arc<Delta>,
}

/// What a subscriber is told, encoded once for all.
#[derive(Debug)]
pub(super) struct Delta {
    /// The version it leads to.
    pub(super) to: i64,
    /// A `Change`.
    pub(super) encoded: Bytes,
}

impl Delta {
    fn new(change: &pb::Change) -> Arc<Self> {
        Arc::new(Self { to: change.version, encoded: change.encode_to_vec().into() })
    }
}

impl Copy {
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// Takes in what a member told; answers whether that is news for anybody.
    pub(super) fn take(&mut self, change: pb::Change) -> bool {
        let is_first = self.version == 0;
        if change.version < self.version || change.version == 0 {
            return false;
        }
        let step = self.difference(change);
        let from = std::mem::replace(&mut self.version, step.version);
        for instance in &step.changed {
            let place = (instance.node.clone(), instance.id.clone());
            self.instances.insert(place, instance.clone());
        }
        for place in &step.gone {
            self.instances.remove(&(place.node.clone(), place.id.clone()));
        }
        if !is_first && step.changed.is_empty() && step.gone.is_empty() {
            // Nothing is seen of it; but who has this version from elsewhere waits for it.
            if from < self.version {
                self.same.as_mut().into_iter().for_each(|same| same.add(self.version));
            }
            return from < self.version;
        }
        let reaches = self.same.replace(Sightings::from(self.version));
        self.full = None;
        if let Some(reaches) = reaches {
            let (size, delta) = (step.changed.len() + step.gone.len(), Delta::new(&step));
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(Step { reaches, size, delta });
        }
        true
    }

    /// What of a change is not known yet.
    fn difference(&self, change: pb::Change) -> pb::Change {
        let pb::Change { version, everything, changed, gone } = change;
        let place = |it: &pb::Instance| (it.node.clone(), it.id.clone());
        let mut left: Vec<pb::Place> = gone
            .into_iter()
            .filter(|it| self.instances.contains_key(&(it.node.clone(), it.id.clone())))
            .collect();
        if everything {
            let there: std::collections::BTreeSet<_> = changed.iter().map(place).collect();
            let gone = self.instances.keys().filter(|known| !there.contains(*known));
            left.extend(gone.map(|(node, id)| pb::Place { node: node.clone(), id: id.clone() }));
        }
        let is_new = |it: &pb::Instance| self.instances.get(&place(it)) != Some(it);
        let changed = changed.into_iter().filter(is_new).collect();
        pb::Change { version, everything: false, changed, gone: left }
    }

    /// What brings somebody on who has a version: steps where these are few, or everything. Nothing for who
    /// has as much as is known here, but for the confirmation that it is so, if `confirm`; and nothing for
    /// who has more.
    pub(super) fn since(&mut self, have: i64, confirm: bool) -> Vec<Arc<Delta>> {
        if self.version == 0 || have > self.version {
            return Vec::new();
        }
        if self.same.as_ref().is_some_and(|same| same.have(have)) {
            let same = || {
                let version = self.version;
                Delta::new(&pb::Change { version, ..pb::Change::default() })
            };
            return if confirm { vec![same()] } else { Vec::new() };
        }
        let leads_on = |step: &Step| step.reaches.have(have);
        if let Some(at) = self.recent.iter().position(leads_on) {
            let steps = || self.recent.iter().skip(at);
            let told: usize = steps().map(|step| step.size).sum();
            if self.recent.len() - at == 1 || told < self.instances.len() {
                return steps().map(|step| Arc::clone(&step.delta)).collect();
            }
        }
        vec![self.everything()]
    }

    fn everything(&mut self) -> Arc<Delta> {
        let full = self.full.take().unwrap_or_else(|| {
            Delta::new(&pb::Change {
                version: self.version,
                everything: true,
                changed: self.instances.values().cloned().collect(),
                gone: Vec::new(),
            })
        });
        self.full = Some(Arc::clone(&full));
        full
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;
    use proto::hiraeth::v1 as pb;

    use super::Copy;

    fn instance(id: u32, port: u32) -> pb::Instance {
        pb::Instance { node: "n".into(), id: id.to_string(), port, ..pb::Instance::default() }
    }

    fn everything(version: i64, known: &BTreeMap<u32, u32>) -> pb::Change {
        let changed = known.iter().map(|(id, port)| instance(*id, *port)).collect();
        pb::Change { version, everything: true, changed, gone: Vec::new() }
    }

    /// Whoever asks at whatever moments, from whatever version it has, ends with what is there, goes only
    /// forward, and is told nothing empty but the confirmation that it asked for.
    #[test]
    fn whoever_follows_knows_what_is_there() {
        let mut seed = 1_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let (mut copy, mut truth) = (Copy::default(), BTreeMap::new());
            let mut readers: Vec<(i64, bool, BTreeMap<String, u32>)> =
                vec![(0, false, BTreeMap::new()); 4];
            let mut version = 1;
            copy.take(everything(version, &truth));
            for _ in 0..120 {
                version += 1 + i64::try_from(random(3)).unwrap();
                let (id, port) =
                    (u32::try_from(random(6)).unwrap(), u32::try_from(random(3)).unwrap());
                let mut change = pb::Change { version, ..pb::Change::default() };
                if port == 0 {
                    truth.remove(&id);
                    change.gone.push(pb::Place { node: "n".into(), id: id.to_string() });
                } else {
                    truth.insert(id, port);
                    change.changed.push(instance(id, port));
                }
                // After a reconnect a member may tell everything, or that nothing is new.
                match random(8) {
                    0 => copy.take(everything(version, &truth)),
                    _ => copy.take(change),
                };
                if random(4) == 0 {
                    version += 1;
                    copy.take(pb::Change { version, ..pb::Change::default() });
                }
                for (have, confirmed, known) in &mut readers {
                    if random(3) > 0 {
                        continue;
                    }
                    for delta in copy.since(*have, !*confirmed) {
                        let change = pb::Change::decode(delta.encoded.clone()).unwrap();
                        let is_empty = change.changed.is_empty() && change.gone.is_empty();
                        assert!(!is_empty || !*confirmed || change.everything && truth.is_empty());
                        assert!(change.version > *have || !*confirmed);
                        if change.everything {
                            known.clear();
                        }
                        known.extend(change.changed.into_iter().map(|it| (it.id, it.port)));
                        known.retain(|id, _| change.gone.iter().all(|it| it.id != *id));
                        (*have, *confirmed) = (change.version, true);
                    }
                    let there: BTreeMap<String, u32> =
                        truth.iter().map(|(id, port)| (id.to_string(), *port)).collect();
                    assert_eq!(*known, there);
                }
            }
        }
    }

    #[test]
    fn what_is_older_is_not_taken_and_who_has_more_waits() {
        let mut copy = Copy::default();
        assert!(copy.since(0, true).is_empty());
        assert!(copy.take(everything(7, &BTreeMap::from([(1, 1)]))));
        assert!(!copy.take(everything(6, &BTreeMap::new())));
        assert_eq!(copy.since(7, true)[0].to, 7);
        assert!(copy.since(9, true).is_empty());
        assert!(copy.take(pb::Change { version: 9, ..pb::Change::default() }));
        assert_eq!(copy.since(9, true)[0].to, 9);
        // At both the same was seen, and in between something may have come and gone.
        assert!(copy.since(7, false).is_empty());
        let told = pb::Change::decode(copy.since(8, true)[0].encoded.clone()).unwrap();
        assert!(told.everything && told.changed.len() == 1);
    }
}
