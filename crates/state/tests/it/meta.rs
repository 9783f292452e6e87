//! The meta region: a directory instead of keys.

use std::collections::BTreeSet;

use bytes::Bytes;
use state::command::{Command, SessionTag, level};
use state::directory::{NodeRecord, Part, Phase};
use state::keys;
use state::request::{PutRequest, RangeRequest, TxnRequest};
use state::response::Response;
use types::{ClusterId, Code, Epoch, KeyRange, KeyspaceId, NodeId, PeerId, RegionId, Revision};

use crate::replica::Replica;

#[test]
fn the_directory_goes_through_the_same_machine() {
    let mut meta = Replica::new(RegionId::META);
    let node = NodeRecord {
        id: NodeId(1),
        identity: 0,
        name: "one".to_owned(),
        peer_address: "127.0.0.1:1".to_owned(),
        client_address: String::new(),
        part: Part::Voter,
        phase: Phase::Member,
        zone: String::new(),
        is_draining: false,
    };
    let first = meta.apply(None, Command::Initialize { cluster: ClusterId(9), nodes: vec![node] });
    assert!(first.directory_changed && first.outcome.result == Ok(Response::Done));

    let tag = SessionTag { client: 4, sequence: 1, acknowledged: 0, again: false };
    let make = Command::CreateKeyspace { name: "tenant".to_owned() };
    let made = meta.apply(Some(tag), make.clone());
    let Ok(Response::Keyspace(keyspace)) = &made.outcome.result else { panic!("{made:?}") };
    assert_eq!((keyspace.id, keyspace.region), (KeyspaceId(2), RegionId(3)));
    meta.write();
    let directory = meta.machine.directory().cloned().unwrap();

    meta.restart();
    assert_eq!(meta.machine.directory(), Some(&directory));
    let again = meta.apply(Some(tag), make.clone());
    assert_eq!(again.outcome, made.outcome);
    assert!(!again.directory_changed);
    let other = meta.apply(None, make);
    assert_eq!(other.outcome.result.unwrap_err().code, Code::KeyspaceExists);
    assert_eq!(meta.machine.revision(), Revision(1));

    let put =
        meta.apply(None, Command::Put(PutRequest { key: "k".into(), ..PutRequest::default() }));
    assert_eq!(put.outcome.result.unwrap_err().code, Code::Unsupported);
    let read = meta.machine.select(&RangeRequest::default());
    assert_eq!(read.unwrap_err().code, Code::Unsupported);
    assert!(meta.machine.read_txn(&TxnRequest::default(), &meta.engine).is_err());
}

fn named(id: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        identity: u128::from(id),
        name: format!("n{id}"),
        peer_address: format!("h:{id}"),
        client_address: String::new(),
        part: Part::Voter,
        phase: Phase::Member,
        zone: String::new(),
        is_draining: false,
    }
}

/// A cluster of `count` nodes that all came.
fn formed(count: u64) -> Replica {
    let mut meta = Replica::new(RegionId::META);
    let nodes = (1..=count).map(named).collect();
    meta.apply(None, Command::Initialize { cluster: ClusterId(9), nodes });
    meta
}

fn add(meta: &mut Replica, port: u64, part: Part) -> Result<NodeId, Code> {
    let command = Command::AddNode { peer_address: format!("h:{port}"), part };
    match meta.apply(None, command).outcome.result {
        Ok(Response::Node(node)) => Ok(node.id),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.code),
    }
}

fn introduce(meta: &mut Replica, port: u64, identity: u128) -> Result<NodeId, Code> {
    let command = Command::IntroduceNode {
        peer_address: format!("h:{port}"),
        identity,
        name: format!("n{port}"),
        client_address: String::new(),
    };
    match meta.apply(None, command).outcome.result {
        Ok(Response::Node(node)) => Ok(node.id),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.code),
    }
}

fn code(meta: &mut Replica, command: Command) -> Option<Code> {
    meta.apply(None, command).outcome.result.err().map(|fault| fault.code)
}

fn record(meta: &mut Replica, region: RegionId, conf_ver: u64, nodes: &[u64], learners: &[u64]) {
    let peers = |all: &[u64]| all.iter().map(|id| PeerId::on(NodeId(*id), 0)).collect();
    let epoch = Epoch { version: 1, conf_ver };
    let command =
        Command::RecordPeers { region, epoch, peers: peers(nodes), learners: peers(learners) };
    assert_eq!(code(meta, command), None);
}

#[test]
fn a_node_is_added_comes_gets_replicas_and_leaves_for_good() {
    let mut meta = formed(3);
    let id = add(&mut meta, 4, Part::Voter).unwrap();
    assert_eq!(id, NodeId(4));
    let wanted = |meta: &Replica, region| meta.machine.directory().unwrap().wanted(region);
    // Nobody waits for one that has not come.
    assert_eq!(wanted(&meta, RegionId::META).len(), 3);
    assert_eq!(introduce(&mut meta, 5, 77), Err(Code::MemberNotFound));
    assert_eq!(introduce(&mut meta, 4, 77), Ok(id));
    assert_eq!(introduce(&mut meta, 4, 77), Ok(id), "it did not hear the answer");
    assert_eq!(introduce(&mut meta, 4, 78), Err(Code::ClusterMismatch));
    // The meta region goes first.
    assert_eq!(wanted(&meta, RegionId::META).get(&id), Some(&Part::Voter));
    assert_eq!(wanted(&meta, RegionId::DEFAULT).len(), 3);
    record(&mut meta, RegionId::META, 2, &[1, 2, 3, 4], &[4]);
    assert_eq!(wanted(&meta, RegionId::DEFAULT).len(), 4);

    // A region is born where the meta region votes.
    let made = meta.apply(None, Command::CreateKeyspace { name: "young".into() });
    let Ok(Response::Keyspace(young)) = made.outcome.result else { panic!() };
    assert_eq!(meta.machine.directory().unwrap().regions[&young.region].peers.len(), 3);

    record(&mut meta, RegionId::META, 3, &[1, 2, 3, 4], &[]);
    record(&mut meta, RegionId::DEFAULT, 2, &[1, 2, 3, 4], &[]);
    record(&mut meta, RegionId::DEFAULT, 2, &[9], &[]);
    let known = meta.machine.directory().unwrap().regions[&RegionId::DEFAULT].clone();
    assert_eq!(known.peers.len(), 4, "old news are passed over");

    meta.apply(None, Command::RemoveNode { node: id });
    assert_eq!(wanted(&meta, RegionId::DEFAULT).get(&id), None);
    assert_eq!(wanted(&meta, RegionId::META).get(&id), Some(&Part::Voter), "it goes last");
    record(&mut meta, RegionId::DEFAULT, 3, &[1, 2, 3], &[]);
    assert_eq!(wanted(&meta, RegionId::META).get(&id), None);
    record(&mut meta, RegionId::META, 4, &[1, 2, 3], &[]);
    meta.write();
    meta.restart();
    let directory = meta.machine.directory().unwrap();
    assert!(!directory.nodes.contains_key(&id) && directory.removed.contains(&id));
    assert_eq!(code(&mut meta, Command::RemoveNode { node: id }), Some(Code::MemberNotFound));
    assert_eq!(
        code(&mut meta, Command::RegisterNode(Box::new(named(4)))),
        Some(Code::MemberNotFound)
    );
    assert_eq!(add(&mut meta, 4, Part::Voter), Ok(NodeId(5)), "numbers are not used again");
}

#[test]
fn members_are_refused_as_etcd_refuses_them() {
    let mut meta = formed(1);
    let node = NodeId(1);
    assert_eq!(code(&mut meta, Command::RemoveNode { node }), Some(Code::NotEnoughStarted));
    assert_eq!(code(&mut meta, Command::PromoteNode { node }), Some(Code::MemberNotLearner));
    let nobody = Command::PromoteNode { node: NodeId(8) };
    assert_eq!(code(&mut meta, nobody), Some(Code::MemberNotFound));
    assert_eq!(add(&mut meta, 1, Part::Voter), Err(Code::PeerUrlExists));
    // A second node may be added; with it missing, a third may not.
    assert_eq!(add(&mut meta, 2, Part::Voter), Ok(NodeId(2)));
    assert_eq!(add(&mut meta, 3, Part::Voter), Err(Code::NotEnoughStarted));
    for at in 0..types::limits::LEARNERS as u64 {
        assert_eq!(add(&mut meta, 10 + at, Part::Learner), Ok(NodeId(3 + at)));
    }
    assert_eq!(add(&mut meta, 20, Part::Learner), Err(Code::TooManyLearners));
    let early = Command::PromoteNode { node: NodeId(3) };
    assert_eq!(code(&mut meta, early.clone()), Some(Code::LearnerNotReady));
    assert_eq!(introduce(&mut meta, 10, 5), Ok(NodeId(3)));
    assert_eq!(code(&mut meta, early.clone()), None);
    assert_eq!(code(&mut meta, early), Some(Code::MemberNotLearner));

    let update = |node: u64, address: &str| Command::UpdateNode {
        node: NodeId(node),
        peer_address: address.to_owned(),
    };
    assert_eq!(code(&mut meta, update(2, "h:1")), Some(Code::PeerUrlExists));
    assert_eq!(code(&mut meta, update(99, "h:7")), Some(Code::MemberNotFound));
    assert_eq!(code(&mut meta, update(2, "nonsense")), Some(Code::BadMemberUrls));
    assert_eq!(code(&mut meta, update(2, "h:7")), None);
    // One that never came leaves no trace but its number.
    assert_eq!(code(&mut meta, Command::RemoveNode { node: NodeId(2) }), None);
    let directory = meta.machine.directory().unwrap();
    assert!(directory.removed.contains(&NodeId(2)) && !directory.nodes.contains_key(&NodeId(2)));
}

#[test]
fn a_keyspace_is_born_somewhere_although_all_voters_leave() {
    let mut meta = formed(1);
    assert_eq!(add(&mut meta, 2, Part::Voter), Ok(NodeId(2)));
    assert_eq!(introduce(&mut meta, 2, 77), Ok(NodeId(2)));
    assert_eq!(code(&mut meta, Command::RemoveNode { node: NodeId(1) }), None);
    let made = meta.apply(None, Command::CreateKeyspace { name: "young".into() });
    let Ok(Response::Keyspace(young)) = made.outcome.result else { panic!("{made:?}") };
    let born = &meta.machine.directory().unwrap().regions[&young.region];
    assert!(!born.peers.is_empty(), "{born:?}");
}

#[test]
fn a_split_is_planned_once_for_a_version_and_the_map_has_no_gap_at_any_time() {
    let mut meta = formed(3);
    let code = |outcome: state::response::Outcome| outcome.result.unwrap_err().code;
    let make = |split_at: &[&'static str]| Command::CreateSharded {
        name: "wide".to_owned(),
        split_at: split_at.iter().map(|key| (*key).into()).collect(),
        replicas: 0,
        in_memory: false,
    };
    assert_eq!(code(meta.apply(None, make(&["m", "c"])).outcome), Code::InvalidArgument);
    let made = meta.apply(None, make(&["c", "m"])).outcome.result.unwrap();
    let Response::Keyspace(made) = made else { panic!("{made:?}") };
    let plan = |region, version, at: &'static str| Command::PlanSplit {
        region: RegionId(region),
        version,
        at: at.into(),
    };
    let tiled = |meta: &Replica| meta.machine.directory().unwrap().is_tiled(made.id);
    assert!(made.is_sharded() && tiled(&meta));
    // Its first key, one of another region, an old map, an ordered keyspace.
    assert_eq!(code(meta.apply(None, plan(4, 1, "c")).outcome), Code::InvalidArgument);
    assert_eq!(code(meta.apply(None, plan(4, 1, "m")).outcome), Code::InvalidArgument);
    assert_eq!(code(meta.apply(None, plan(4, 2, "f")).outcome), Code::EpochMismatch);
    assert_eq!(code(meta.apply(None, plan(2, 1, "f")).outcome), Code::Unsupported);
    let planned = meta.apply(None, plan(4, 1, "f")).outcome;
    let Ok(Response::Planned(known)) = &planned.result else { panic!("{planned:?}") };
    assert_eq!(known.child, RegionId(6));
    assert_eq!(meta.apply(None, plan(4, 1, "h")).outcome, planned, "there is one");
    let told = |version, conf_ver| Command::RecordPeers {
        region: RegionId(4),
        epoch: Epoch { version, conf_ver },
        peers: [1, 2, 3].map(PeerId).to_vec(),
        learners: Vec::new(),
    };
    assert!(!meta.apply(None, told(3, 1)).directory_changed, "not what was planned");
    assert!(meta.apply(None, told(2, 1)).directory_changed && tiled(&meta));
    assert!(!meta.apply(None, told(2, 1)).directory_changed, "twice is once");
    meta.write();
    let directory = meta.machine.directory().cloned().unwrap();
    meta.restart();
    assert_eq!(meta.machine.directory(), Some(&directory));
    let regions = directory.regions_of(made.id);
    let starts: Vec<_> = regions.iter().map(|it| (it.id.get(), &*it.range.start)).collect();
    assert_eq!(starts, [(3, &b""[..]), (4, b"c"), (6, b"f"), (5, b"m")]);
    assert!(regions[2].first.is_empty() && regions[2].epoch.version == 2);
    // The next one has another number, also where the plan before it came to nothing yet.
    let Ok(Response::Planned(next)) = meta.apply(None, plan(6, 2, "g")).outcome.result else {
        panic!("no plan")
    };
    assert_eq!(next.child, RegionId(7));
    let reserved = Command::CreateMachine { name: "x".into(), machine: "sharded".into() };
    assert_eq!(code(meta.apply(None, reserved).outcome), Code::InvalidArgument);
}

#[test]
fn a_keyspace_in_memory_says_so_in_its_number_and_lies_behind_all_others() {
    let mut meta = formed(3);
    let make = |name: &str, in_memory| Command::CreateSharded {
        name: name.to_owned(),
        split_at: vec!["m".into()],
        replicas: 0,
        in_memory,
    };
    assert_eq!(make("hot", true).level(), level::MEMORY_KEYSPACES);
    assert_eq!(make("cold", false).level(), level::FIRST);
    let mut made = |name, in_memory| match meta.apply(None, make(name, in_memory)).outcome.result {
        Ok(Response::Keyspace(made)) => made.id,
        other => panic!("{other:?}"),
    };
    let (hot, cold, hotter) = (made("hot", true), made("cold", false), made("hotter", true));
    assert_eq!([hot, cold, hotter].map(|id| id.is_in_memory()), [true, false, true]);
    let numbers = [hot, cold, hotter].map(|id| id.get() & !KeyspaceId::IN_MEMORY);
    assert!(numbers[0] + 1 == numbers[1] && numbers[1] + 1 == numbers[2], "{numbers:?}");
    let all = KeyRange { start: Bytes::new(), end: None };
    let (start, end) = keys::data_range(KeyspaceId(KeyspaceId::IN_MEMORY - 1), &all);
    assert!(*start < *keys::RESIDENT_FROM && *end <= *keys::RESIDENT_FROM);
    assert!(*keys::data_range(KeyspaceId(KeyspaceId::IN_MEMORY), &all).0 >= *keys::RESIDENT_FROM);
    assert!(*keys::region_range(RegionId(u64::MAX >> 1)).1 <= *keys::RESIDENT_FROM);
    meta.write();
    meta.restart();
    let known = &meta.machine.directory().unwrap().keyspaces;
    assert!(known.contains_key(&hot) && known.contains_key(&hotter));
}

#[test]
fn a_region_is_placed_on_members_that_vote_by_who_knows_where_it_was_to_be() {
    let mut meta = formed(5);
    let code = |outcome: state::response::Outcome| outcome.result.unwrap_err().code;
    let on = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
    let make = Command::CreateSharded {
        name: "wide".to_owned(),
        split_at: vec!["m".into()],
        replicas: 3,
        in_memory: false,
    };
    let made = meta.apply(None, make).outcome.result.unwrap();
    let Response::Keyspace(made) = made else { panic!("{made:?}") };
    // Five replicas of six on a node each, and one more on the first.
    let placed = |meta: &Replica, region| {
        let directory = meta.machine.directory().unwrap();
        let placed = directory.regions[&RegionId(region)].placed().cloned().unwrap();
        let wanted: BTreeSet<_> = directory.wanted(RegionId(region)).into_keys().collect();
        assert_eq!(wanted, placed);
        placed
    };
    assert_eq!(
        (made.replicas, placed(&meta, 3), placed(&meta, 4)),
        (3, on(&[1, 2, 3]), on(&[1, 4, 5]))
    );

    let place = |region, from: &[u64], to: &[u64]| Command::Place {
        region: RegionId(region),
        from: on(from),
        to: on(to),
    };
    assert_eq!(code(meta.apply(None, place(3, &[1, 2], &[1, 2, 4])).outcome), Code::EpochMismatch);
    assert_eq!(
        code(meta.apply(None, place(3, &[1, 2, 3], &[1, 2, 9])).outcome),
        Code::InvalidArgument
    );
    assert_eq!(code(meta.apply(None, place(3, &[1, 2, 3], &[])).outcome), Code::InvalidArgument);
    assert_eq!(code(meta.apply(None, place(2, &[], &[1])).outcome), Code::Unsupported);
    assert_eq!(code(meta.apply(None, place(9, &[], &[1])).outcome), Code::RegionNotFound);
    assert!(meta.apply(None, place(3, &[1, 2, 3], &[1, 2, 4])).directory_changed);
    // Who did not hear of it asks again.
    let again = meta.apply(None, place(3, &[1, 2, 3], &[1, 2, 4]));
    assert_eq!((again.outcome.result, again.directory_changed), (Ok(Response::Done), false));

    // A node that leaves keeps what it has until somebody else has it, and gets nothing more.
    assert!(meta.apply(None, Command::RemoveNode { node: NodeId(4) }).directory_changed);
    assert_eq!(placed(&meta, 3), on(&[1, 2, 4]));
    assert_eq!(code(meta.apply(None, place(4, &[1, 4, 5], &[4])).outcome), Code::InvalidArgument);
    assert!(meta.apply(None, place(4, &[1, 4, 5], &[1, 2, 5])).directory_changed);
    assert_eq!(
        code(meta.apply(None, place(4, &[1, 2, 5], &[1, 4, 5])).outcome),
        Code::InvalidArgument
    );

    // What is split off is placed where it came from, and all of it is there after a restart.
    let plan = Command::PlanSplit { region: RegionId(3), version: 1, at: "c".into() };
    let Ok(Response::Planned(plan)) = meta.apply(None, plan).outcome.result else {
        panic!("no plan")
    };
    let told = Command::RecordPeers {
        region: RegionId(3),
        epoch: Epoch { version: 2, conf_ver: 1 },
        peers: [1, 2, 3].map(PeerId).to_vec(),
        learners: Vec::new(),
    };
    assert!(meta.apply(None, told).directory_changed);
    assert_eq!(placed(&meta, plan.child.get()), on(&[1, 2, 4]));
    let drain = Command::DrainNode { node: NodeId(5), drain: true };
    assert!(meta.apply(None, drain.clone()).directory_changed);
    assert!(!meta.apply(None, drain).directory_changed);
    meta.write();
    let directory = meta.machine.directory().cloned();
    meta.restart();
    assert_eq!(meta.machine.directory().cloned(), directory);
}

/// ADR 18: what not all know is used by none, and what is used is known by all who come later.
#[test]
fn the_level_is_that_of_the_oldest_build_and_never_goes_back() {
    let mut meta = formed(3);
    let tell = |node, most| Command::TellLevel { node: NodeId(node), most };
    let level = |meta: &Replica| {
        let directory = meta.machine.directory().unwrap();
        (directory.level(), directory.known_level())
    };
    assert_eq!(level(&meta), (1, 1));
    // One of before levels: it would not know what was told here.
    assert_eq!(code(&mut meta, tell(1, 0)), Some(Code::ClusterMismatch));
    for (node, most) in [(1, 2), (2, 3)] {
        assert!(meta.apply(None, tell(node, most)).directory_changed);
        assert!(!meta.apply(None, tell(node, most)).directory_changed, "it is known");
    }
    assert_eq!(level(&meta), (1, 1), "node 3 said nothing");
    assert_eq!(code(&mut meta, Command::RaiseLevel { to: 2 }), Some(Code::Unsupported));
    assert_eq!(code(&mut meta, tell(3, 3)), None);
    assert_eq!(code(&mut meta, Command::RaiseLevel { to: 3 }), Some(Code::Unsupported));
    assert!(meta.apply(None, Command::RaiseLevel { to: 2 }).directory_changed);
    assert!(!meta.apply(None, Command::RaiseLevel { to: 2 }).directory_changed);
    assert!(!meta.apply(None, Command::RaiseLevel { to: 1 }).directory_changed);
    assert_eq!(level(&meta), (2, 2));

    // Another build on a node: a newer one may go back to what the cluster uses, and no further.
    for (most, answer) in [(4, None), (2, None), (1, Some(Code::ClusterMismatch))] {
        assert_eq!(code(&mut meta, tell(3, most)), answer);
    }
    assert_eq!(code(&mut meta, tell(9, 2)), Some(Code::MemberNotFound));
    meta.write();
    let directory = meta.machine.directory().cloned();
    meta.restart();
    assert_eq!(meta.machine.directory(), directory.as_ref());

    // One that was added counts when it has come, until it has gone.
    assert_eq!(code(&mut meta, tell(1, 3)), None);
    assert_eq!(code(&mut meta, tell(3, 3)), None);
    let fourth = add(&mut meta, 40, Part::Learner).unwrap();
    assert_eq!(level(&meta), (2, 3));
    introduce(&mut meta, 40, 44).unwrap();
    assert_eq!(level(&meta), (2, 1));
    assert_eq!(code(&mut meta, Command::RemoveNode { node: fourth }), None);
    assert_eq!(level(&meta), (2, 3));
}
