//! Keyspaces that are written to, and the backups that servers make of them.

use super::*;

/// An ordered keyspace, of which two copies sweep each in its own time.
pub(super) struct Ordered {
    pub(super) history: BTreeMap<Position, Version>,
    pub(super) revision: i64,
    pub(super) compacted: i64,
    pub(super) swept: [i64; 2],
    pub(super) leases: BTreeSet<i64>,
}

impl Ordered {
    pub(super) fn new() -> Self {
        let (history, leases) = (BTreeMap::new(), BTreeSet::new());
        Self { history, revision: 1, compacted: 0, swept: [0; 2], leases }
    }

    pub(super) fn write(&mut self, key: u8, deleted: bool) {
        let newest = |own: &Version| *own.key == [key];
        let lives = self.history.values().rev().find(|own| newest(own));
        if deleted && lives.is_none_or(|own| own.kv.is_none()) {
            return;
        }
        self.revision += 1;
        let position = Position { revision: Revision(self.revision), sub: 0 };
        let key = Bytes::copy_from_slice(&[key]);
        let kv = (!deleted).then(|| KeyValue {
            key: key.clone(),
            value: format!("at {}", self.revision).into(),
            create_revision: Revision(self.revision),
            mod_revision: Revision(self.revision),
            version: 1,
            ..KeyValue::default()
        });
        self.history.insert(position, Version { position, key, kv });
    }

    /// What no revision from the compacted one on shows, as a sweep up to there removes it.
    pub(super) fn out_of_reach(&self, up_to: i64) -> BTreeSet<Position> {
        let mut newest: BTreeMap<&Bytes, Position> = BTreeMap::new();
        let mut dead = BTreeSet::new();
        for (at, version) in self.history.iter().filter(|(at, _)| at.revision.get() <= up_to) {
            dead.extend(newest.insert(&version.key, *at));
            if version.kv.is_none() && at.revision.get() < up_to {
                dead.insert(*at);
            }
        }
        dead
    }

    pub(super) fn copy(&self, which: usize) -> Arc<dyn Snapshot> {
        let (mut batch, dead) = (Batch::default(), self.out_of_reach(self.swept[which]));
        let mut versions = Versions::default();
        for (at, version) in &self.history {
            let (key, value) = versions.record(REGION, version);
            if !dead.contains(at) {
                batch.put(key, value);
            }
        }
        for lease in &self.leases {
            let (key, value) = state::beginning::lease(REGION, LeaseId(*lease), 60);
            batch.put(key, value);
        }
        let progress = Progression::new(Revision(self.revision), Revision(self.compacted));
        progress.begin(REGION, Vec::new(), None, &mut batch);
        let engine = MemoryEngine::new();
        engine.write(batch).unwrap();
        engine.snapshot().into()
    }

    pub(super) fn backup(&self, which: usize, base: Option<&Contents>) -> Vec<u8> {
        let (view, sent) = self.sent(which, base);
        written(&view, base, vec![sent])
    }

    /// What a server sends that was told of the base.
    pub(super) fn sent(&self, which: usize, base: Option<&Contents>) -> (Arc<dyn Snapshot>, Sent) {
        let view = self.copy(which);
        let mut section = KeyspaceSection {
            keyspace: ORDERED.get(),
            name: "ordered".to_owned(),
            region: REGION.get(),
            machine: None,
            revision: self.revision,
            compacted: self.compacted,
            since: None,
        };
        let (mut ranges, mut stayed) = (vec![state::keys::region_range(REGION)], None);
        if let Some(base) = base {
            let revision = base.keyspaces[0].revision;
            let listed = self.compacted > revision;
            section.since = Some(KeyspaceSince { revision, listed });
            ranges = changes::ranges_above(REGION, Revision(if listed { 0 } else { revision }));
            stayed = listed.then(|| versions_up_to(Revision(revision)));
        }
        (view, Sent { section: Section::Keyspace(section), ranges, stayed })
    }

    /// The records, without those that are out of reach.
    pub(super) fn readable(&self, records: &BTreeMap<Bytes, Bytes>) -> BTreeMap<Bytes, Bytes> {
        let dead = self.out_of_reach(self.compacted);
        let alive = records.iter().filter(|(key, value)| match item(key, value).unwrap() {
            Item::Version(version, _) => !dead.contains(&version.position),
            _ => true,
        });
        alive.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A sharded keyspace whose regions split.
pub(super) struct Wide {
    pub(super) keys: BTreeMap<Bytes, Bytes>,
    pub(super) regions: BTreeMap<Bytes, i64>,
}

impl Wide {
    pub(super) fn new() -> Self {
        Self { keys: BTreeMap::new(), regions: BTreeMap::from([(Bytes::new(), 1)]) }
    }

    pub(super) fn write(&mut self, key: u8, deleted: bool) {
        let key = Bytes::copy_from_slice(&[key]);
        let (_, revision) = self.regions.range_mut(..=key.clone()).next_back().unwrap();
        *revision += 1;
        let revision = u8::try_from(*revision).unwrap();
        assert!(revision < 0x80, "one byte is enough");
        // Created, changed, version; then the value with its length.
        let value = Bytes::copy_from_slice(&[revision, revision, 1, 2, key[0], revision]);
        let (at, _) = state::keys::data_range(WIDE, &KeyRange { start: key, end: None });
        match deleted {
            true => drop(self.keys.remove(&at)),
            false => drop(self.keys.insert(at, value)),
        }
    }

    pub(super) fn split(&mut self, key: u8) {
        let key = Bytes::copy_from_slice(&[key]);
        let (_, revision) = self.regions.range(..=key.clone()).next_back().unwrap();
        let revision = *revision;
        self.regions.entry(key).or_insert(revision);
    }

    pub(super) fn backup(&self, base: Option<&Contents>) -> Vec<u8> {
        let (view, sent) = self.sent(base);
        written(&view, base, sent)
    }

    /// What servers send that were told of the base.
    pub(super) fn sent(&self, base: Option<&Contents>) -> (Arc<dyn Snapshot>, Vec<Sent>) {
        let engine = MemoryEngine::new();
        let mut batch = Batch::default();
        self.keys.iter().for_each(|(key, value)| batch.put(key.clone(), value.clone()));
        engine.write(batch).unwrap();
        let view: Arc<dyn Snapshot> = engine.snapshot().into();
        let bases = base.map(|base| {
            let bases = base.keyspaces[0].shares.iter().map(|share| Base {
                keyspace: WIDE,
                start: share.range.start.clone(),
                revision: Revision(share.revision),
            });
            Bases::new("c".to_owned(), nodes(), bases.collect()).unwrap()
        });
        let ends = self.regions.keys().skip(1).cloned().map(Some).chain([None]);
        let sent = self.regions.iter().zip(ends).map(|((start, revision), end)| {
            let range = KeyRange { start: start.clone(), end };
            let mut section = ShareSection::new(WIDE, "wide", &range, *revision);
            let stayed =
                bases.as_ref().map(|it| it.sharded(WIDE, start, Revision(*revision)).unwrap());
            let (then, stayed) = stayed.flatten().unzip();
            section.since = then.map(Revision::get);
            let ranges = vec![state::keys::data_range(WIDE, &range)];
            Sent { section: Section::Share(section), ranges, stayed }
        });
        // They come in whatever order nodes had them in.
        let mut sent: Vec<_> = sent.collect();
        sent.reverse();
        (view, sent)
    }
}
