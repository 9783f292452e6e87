//! The meta region: a directory instead of keys.

use state::command::{Command, SessionTag};
use state::directory::NodeRecord;
use state::request::{PutRequest, RangeRequest, TxnRequest};
use state::response::Response;
use types::{ClusterId, Code, KeyspaceId, NodeId, RegionId, Revision};

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
    };
    let first = meta.apply(None, Command::Initialize { cluster: ClusterId(9), nodes: vec![node] });
    assert!(first.directory_changed && first.outcome.result == Ok(Response::Done));

    let tag = SessionTag { client: 4, sequence: 1, acknowledged: 0 };
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
