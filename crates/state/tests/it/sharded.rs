//! Regions that split, beside a sorted map: random commands over keys, splits at random places, retries under
//! the same number at whoever owns the key by then, crashes that lose the batch in the making.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::command::{Command, Envelope, SessionTag};
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, TxnOp,
    TxnRequest,
};
use state::response::{Outcome, RangeResponse, Response};
use state::sharded::{Shape, measure};
use state::{Machine, sharded};
use types::{
    Batch, Code, ConfState, Entry, EntryKind, Epoch, Index, KeyRange, KeyspaceId, PeerId, RegionId,
    Revision, Term,
};

use crate::replica::Engine;

const KEYSPACE: KeyspaceId = KeyspaceId(9);

/// A fixed walk through numbers: no run differs from the one before.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Region {
    machine: Machine,
    /// Entries since the last write of the engine.
    unwritten: Vec<Entry>,
}

struct World {
    engine: Engine,
    batch: Batch,
    regions: BTreeMap<RegionId, Region>,
    last_region: u64,
}

impl World {
    fn new() -> Self {
        let engine = Engine::default();
        let shape = Shape::new(KEYSPACE, KeyRange::all());
        let mut machine = Machine::load_sharded(RegionId(5), &engine, Some(shape)).unwrap();
        let voters = vec![PeerId(1), PeerId(2), PeerId(3)];
        let conf = ConfState { voters, ..ConfState::default() };
        machine.apply_conf(Index(1), Term(1), conf, Epoch { version: 1, conf_ver: 1 });
        let regions = [(RegionId(5), Region { machine, unwritten: Vec::new() })].into();
        let mut world = Self { engine, batch: Batch::default(), regions, last_region: 5 };
        world.write();
        world
    }

    fn owner(&self, key: &[u8]) -> RegionId {
        let owns = |region: &Region| region.machine.shape().unwrap().range.contains(key);
        let mut owners = self.regions.iter().filter(|(_, region)| owns(region));
        let owner = *owners.next().expect("every key has an owner").0;
        assert!(owners.next().is_none(), "and only one");
        owner
    }

    fn apply(
        &mut self,
        region: RegionId,
        version: Option<u64>,
        session: Option<SessionTag>,
        command: Command,
    ) -> Outcome {
        let it = self.regions.get_mut(&region).unwrap();
        let applied = it.machine.applied();
        let version = version.unwrap_or(applied.epoch.version);
        let epoch = Epoch { version, conf_ver: 1 };
        let data = Envelope { epoch, session, command }.encode();
        let index = applied.index.next();
        let entry = Entry { term: Term(1), index, kind: EntryKind::Normal, data };
        it.unwritten.push(entry.clone());
        let effects = it.machine.apply(&entry, &self.engine, &mut self.batch).unwrap();
        if let Some(split) = effects.split {
            let mut child = *it.machine.take_child().unwrap();
            assert_eq!(child.region(), split.child);
            child.finish(&mut self.batch);
            let child = Region { machine: child, unwritten: Vec::new() };
            assert!(self.regions.insert(split.child, child).is_none());
            // As a node has it: the child takes part from the next batch on.
            self.write();
        }
        effects.outcome
    }

    fn write(&mut self) {
        for region in self.regions.values_mut() {
            region.machine.finish(&mut self.batch);
            region.unwritten.clear();
        }
        self.engine.write(std::mem::take(&mut self.batch));
        for region in self.regions.values_mut() {
            region.machine.written();
        }
    }

    /// What is in no batch yet is lost, and applied again from the log.
    fn crash(&mut self) {
        self.batch = Batch::default();
        let ids: Vec<RegionId> = self.regions.keys().copied().collect();
        for id in ids {
            let again = std::mem::take(&mut self.regions.get_mut(&id).unwrap().unwritten);
            let machine = Machine::load_sharded(id, &self.engine, None).unwrap();
            let region = self.regions.get_mut(&id).unwrap();
            region.machine = machine;
            for entry in again {
                region.machine.apply(&entry, &self.engine, &mut self.batch).unwrap();
                region.unwritten.push(entry);
            }
        }
    }

    fn split(&mut self, at: &Bytes) -> Outcome {
        self.write();
        let parent = self.owner(at);
        let shape = self.regions[&parent].machine.shape().unwrap().clone();
        let behind = KeyRange { start: at.clone(), end: shape.range.end };
        let found = measure(&self.engine, KEYSPACE, &behind, None).unwrap();
        self.last_region += 1;
        let child = RegionId(self.last_region);
        let (keys, bytes) = (found.keys, found.bytes);
        self.apply(parent, None, None, Command::Split { at: at.clone(), child, keys, bytes })
    }

    fn read(&self, region: RegionId, range: KeyRange) -> Result<RangeResponse, types::Fault> {
        let request = RangeRequest { range, ..RangeRequest::default() };
        let selection = self.regions[&region].machine.select(&request)?;
        Ok(selection.fetch(&self.engine).unwrap())
    }
}

fn key(dice: &mut Dice) -> Bytes {
    Bytes::from(format!("k{:02}", dice.roll(60)))
}

fn put(key: &Bytes, value: &Bytes) -> Command {
    Command::Put(PutRequest { key: key.clone(), value: value.clone(), ..PutRequest::default() })
}

/// Puts if the key is in its `version`, else takes it away.
fn swap(key: &Bytes, version: i64, value: &Bytes) -> Command {
    let range = KeyRange::single(key);
    Command::Txn(TxnRequest {
        compare: vec![Compare {
            range: range.clone(),
            single: true,
            result: CompareResult::Equal,
            target: CompareTarget::Version(version),
        }],
        success: vec![TxnOp::Put(PutRequest {
            key: key.clone(),
            value: value.clone(),
            ..PutRequest::default()
        })],
        failure: vec![TxnOp::Delete(DeleteRequest { range, prev_kv: false })],
    })
}

#[test]
fn splits_lose_nothing_repeat_nothing_and_take_no_revision_back() {
    for seed in 0..40 {
        run(seed);
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed);
    let mut world = World::new();
    // Value and version of each key that is there, and the last revision seen of each key.
    let mut model: BTreeMap<Bytes, (Bytes, i64)> = BTreeMap::new();
    let mut revisions: BTreeMap<Bytes, Revision> = BTreeMap::new();
    let mut done: Vec<(SessionTag, Bytes, Command, Outcome)> = Vec::new();
    for step in 0..400_u64 {
        let (key, value) = (key(&mut dice), Bytes::from(format!("v{step}")));
        let owner = world.owner(&key);
        match dice.roll(20) {
            0 => world.write(),
            1 => world.crash(),
            2 => {
                let is_inside = world.regions[&owner].machine.shape().unwrap().range.start != key;
                let outcome = world.split(&key);
                assert_eq!(outcome.result.is_ok(), is_inside, "{outcome:?}");
            }
            3 => {
                // One that is late: sent to the wrong region, or by an old map. Nothing happens.
                let other = *world.regions.keys().next().unwrap();
                let version = world.regions[&other].machine.applied().epoch.version;
                let by = if other == owner { version.checked_sub(1) } else { Some(version) };
                let outcome = world.apply(other, by, None, put(&key, &value));
                assert_eq!(outcome.result.unwrap_err().code, Code::EpochMismatch);
            }
            4 if !done.is_empty() => {
                // The answer got lost: the same again, at whoever owns the key now.
                let at = usize::try_from(dice.roll(done.len() as u64)).unwrap();
                let (tag, key, command, outcome) = done[at].clone();
                let owner = world.owner(&key);
                assert_eq!(world.apply(owner, None, Some(tag), command), outcome, "seed {seed}");
            }
            kind => {
                let tag = SessionTag {
                    client: 1 + step % 3,
                    sequence: step + 1,
                    acknowledged: 0,
                    again: false,
                };
                let wanted = i64::try_from(dice.roll(3)).unwrap();
                let before = model.get(&key).map_or(0, |(_, version)| *version);
                let (command, puts) = match kind {
                    5..=12 => (put(&key, &value), true),
                    _ => (swap(&key, wanted, &value), before == wanted),
                };
                let outcome = world.apply(owner, None, Some(tag), command.clone());
                assert!(outcome.result.is_ok(), "{outcome:?}");
                let last = revisions.insert(key.clone(), outcome.revision);
                assert!(last.is_none_or(|last| last <= outcome.revision), "seed {seed}: {key:?}");
                if puts {
                    model.insert(key.clone(), (value, before + 1));
                } else {
                    model.remove(&key);
                }
                done.push((tag, key, command, outcome));
            }
        }
    }
    world.write();
    let mut found = BTreeMap::new();
    let (mut keys, mut bytes) = (0, 0);
    for (id, region) in &world.regions {
        let shape = region.machine.shape().unwrap();
        for kv in world.read(*id, shape.range.clone()).unwrap().kvs {
            assert!(kv.mod_revision <= region.machine.revision());
            assert!(revisions[&kv.key] >= kv.mod_revision);
            found.insert(kv.key, (kv.value, kv.version));
        }
        (keys, bytes) = (keys + shape.keys, bytes + shape.bytes);
    }
    assert_eq!(found, model, "seed {seed}");
    // Splits were measured on what was there, so the counts stay exact.
    let size: usize = model.iter().map(|(key, (value, _))| key.len() + value.len()).sum();
    assert_eq!((keys, bytes), (model.len() as u64, size as u64), "seed {seed}");
    assert!(world.regions.len() > 5, "seed {seed}");
}

#[test]
fn a_region_refuses_what_is_not_its_own_and_what_it_does_not_have() {
    let mut world = World::new();
    let value = Bytes::from("v");
    for key in ["a", "m", "z"] {
        world.apply(RegionId(5), None, None, put(&key.into(), &value)).result.unwrap();
    }
    assert_eq!(world.split(&"m".into()).result, Ok(Response::Done));
    let child = RegionId(6);
    let code = |outcome: Outcome| outcome.result.unwrap_err().code;
    let parent = RegionId(5);
    assert_eq!(
        code(world.apply(parent, None, None, put(&"m".into(), &value))),
        Code::EpochMismatch
    );
    assert_eq!(code(world.apply(child, None, None, put(&"l".into(), &value))), Code::EpochMismatch);
    assert_eq!(
        code(world.apply(child, Some(1), None, put(&"m".into(), &value))),
        Code::EpochMismatch
    );
    let both = KeyRange { start: "a".into(), end: Some("z".into()) };
    let delete = Command::Delete(DeleteRequest { range: both.clone(), prev_kv: false });
    assert_eq!(code(world.apply(parent, None, None, delete)), Code::EpochMismatch);
    assert_eq!(world.read(parent, both).unwrap_err().code, Code::EpochMismatch);
    assert_eq!(world.read(child, KeyRange::single(&"z".into())).unwrap().kvs.len(), 1);
    for at in ["m", "a"] {
        // Its first key, and one of another region.
        let split = Command::Split { at: at.into(), child: RegionId(7), keys: 0, bytes: 0 };
        assert_eq!(code(world.apply(child, None, None, split)), Code::InvalidArgument);
    }
    let lease = PutRequest { key: "z".into(), lease: types::LeaseId(1), ..PutRequest::default() };
    assert_eq!(code(world.apply(child, None, None, Command::Put(lease))), Code::Unsupported);
    let compact = Command::Compact { revision: Revision(2) };
    assert_eq!(code(world.apply(child, None, None, compact)), Code::Unsupported);
    let long = Bytes::from(vec![b'z'; sharded::KEY_BYTES + 1]);
    assert_eq!(code(world.apply(child, None, None, put(&long, &value))), Code::InvalidArgument);
    let machine = &world.regions[&child].machine;
    assert_eq!(machine.revision(), Revision(4), "it goes on from its parent's");
    let peers = [1, 2, 3].map(PeerId);
    assert_eq!(machine.applied().conf_state.voters, peers);
}

#[test]
fn a_limit_ends_a_read_and_filters_see_all() {
    let mut world = World::new();
    for at in 0..10 {
        let key = Bytes::from(format!("k{at}"));
        world.apply(RegionId(5), None, None, put(&key, &Bytes::from("v"))).result.unwrap();
    }
    world.write();
    let all = RangeRequest { range: KeyRange::all(), ..RangeRequest::default() };
    let ask = |request: &RangeRequest| {
        let selection = world.regions[&RegionId(5)].machine.select(request).unwrap();
        selection.fetch(&world.engine).unwrap()
    };
    let first = ask(&RangeRequest { limit: 3, ..all.clone() });
    assert_eq!((first.kvs.len(), first.more), (3, true));
    let counted = ask(&RangeRequest { count_only: true, ..all.clone() });
    assert_eq!((counted.kvs.len(), counted.count), (0, 10));
    let late = ask(&RangeRequest { min_mod_revision: Revision(9), limit: 1, ..all.clone() });
    assert_eq!((late.kvs[0].key.as_ref(), late.more, late.count), (&b"k7"[..], true, 10));
    let old = RangeRequest { revision: Revision(3), ..all };
    let refused = world.regions[&RegionId(5)].machine.select(&old).unwrap_err();
    assert_eq!(refused.code, Code::Unsupported);
}
