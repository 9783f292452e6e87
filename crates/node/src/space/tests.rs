use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use env::{Disk, DiskFile, DiskSpace, OpenMode, RealDisk};
use state::command::{Command, Envelope};
use state::request::{DeleteRequest, PutRequest, TxnOp, TxnRequest};
use types::{Epoch, LeaseId, Revision};

use super::{Space, needs_room};

/// The machine's disk, with as much room as a test says.
struct Narrow(AtomicU64);

impl Disk for Narrow {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path, mode)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }
    fn exists(&self, path: &Path) -> bool {
        RealDisk.exists(path)
    }
    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace { free: self.0.load(Ordering::Relaxed), total: 1000 << 20 })
    }
}

#[test]
fn keyspaces_in_memory_are_full_above_their_limit_and_not_below_seven_eighths() {
    let space = Space::new(PathBuf::from("/data"), None, 64 << 20, 80 << 20);
    let look = |mib: u64| (space.look_at_memory(mib << 20), space.is_memory_full());
    assert_eq!(look(80), (false, false));
    assert_eq!(look(81), (true, true));
    assert_eq!(look(71), (false, true));
    let told = space.memory_refusal().to_string();
    assert!(told.contains("71 MiB here of the 80 MiB"), "{told}");
    assert_eq!(look(70), (true, false));
}

#[test]
fn room_is_lost_below_the_reserve_and_won_back_a_quarter_above() {
    let disk = Narrow(AtomicU64::new(100 << 20));
    let space = Space::new(PathBuf::from("/data"), Some(100 << 20), 64 << 20, 0);
    let look = |mib: u64| {
        disk.0.store(mib << 20, Ordering::Relaxed);
        let (room, changed) = space.look(&disk).unwrap();
        assert_eq!(space.room(), room);
        (room.read_only, changed)
    };
    assert_eq!(look(100), (false, false));
    assert_eq!(look(99), (true, true));
    assert_eq!(look(124), (true, false));
    assert_eq!(look(125), (false, true));
    assert_eq!(look(0), (true, true));
    let told = space.refusal().to_string();
    assert!(told.contains("/data") && told.contains("0 MiB free"), "{told}");
}

#[test]
fn a_small_disk_has_a_small_reserve() {
    let disk = Narrow(AtomicU64::new(900 << 20));
    let reserve = |given, segment| {
        let space = Space::new(PathBuf::from("/data"), given, segment, 0);
        space.look(&disk).unwrap().0.reserve >> 20
    };
    assert_eq!(reserve(None, 16 << 20), 160);
    assert_eq!(reserve(None, 64 << 20), 250);
    assert_eq!(reserve(Some(7 << 20), 64 << 20), 7);
    assert!(RealDisk.space(Path::new("/")).unwrap().total > 0);
}

#[test]
fn what_frees_room_goes_on_without_it() {
    let needs = |command| {
        let envelope =
            Envelope { epoch: Epoch { version: 1, conf_ver: 1 }, session: None, command };
        needs_room(&envelope.encode())
    };
    let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
    let delete = || DeleteRequest::default();
    let nested = |operation| {
        let inner = TxnRequest { failure: vec![operation], ..TxnRequest::default() };
        let success = vec![TxnOp::Delete(delete()), TxnOp::Txn(inner)];
        Command::Txn(TxnRequest { success, ..TxnRequest::default() })
    };
    assert!(needs(Command::Put(put.clone())));
    assert!(needs(nested(TxnOp::Put(put))));
    assert!(needs(Command::LeaseGrant { id: LeaseId(1), ttl_seconds: 9 }));
    assert!(needs(Command::CreateKeyspace { name: "k".to_owned() }));
    assert!(needs(Command::CreateMachine { name: "k".to_owned(), machine: "m".to_owned() }));
    assert!(needs(Command::Execute { data: "x".into() }), "it may be anything");
    assert!(!needs(Command::Delete(delete())));
    assert!(!needs(nested(TxnOp::Delete(delete()))));
    assert!(!needs(Command::Compact { revision: Revision(3) }));
    assert!(!needs(Command::LeaseRevoke { id: LeaseId(1) }));
    assert!(!needs(Command::LeaseExpire { ids: vec![LeaseId(1)] }));
}
