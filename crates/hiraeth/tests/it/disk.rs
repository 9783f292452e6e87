//! A disk that fills. Needs root, for a small file system of its own; without it nothing is tested.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use client::{Client, Options, Put};
use rustix::fs::{FallocateFlags, fallocate};

use crate::program::{tool, until};
use crate::server::Server;

/// A file system in memory, of so many MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mib: u64) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let size = format!("size={mib}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "hiraeth-test"]).arg(at);
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_path_buf()))
    }

    /// Leaves so many MiB free.
    fn leave(&self, mib: u64) {
        let space = rustix::fs::statvfs(&self.0).unwrap();
        let fill = (space.f_bavail * space.f_frsize).checked_sub(mib << 20).unwrap();
        let file = File::create(self.0.join("ballast")).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, fill).unwrap();
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_stops_writes_before_it_stops_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&directory.path().join("disk"), 400) else { return };
    let mut server = Server::new(&disk.0, "n1");
    let arguments = ["serve", "--disk-reserve-mib", "40"];
    server.start(&arguments);
    server.serves().await;
    let at = server.client.clone();
    tool(&at, &["kv", "put", "a", "1"]).well();
    tool(&at, &["kv", "put", "b", "1"]).well();

    disk.leave(30);
    let mut refused = String::new();
    until("writes are refused", || {
        let put = tool(&at, &["kv", "put", "c", "1"]);
        refused = put.stderr;
        put.code == 7
    });
    assert!(refused.contains("etcdserver: mvcc: database space exceeded"), "{refused}");
    let told = server.log();
    let path = server.data.display().to_string();
    assert!(told.contains("read-only: ") && told.contains(&path), "{told}");
    tool(&at, &["lease", "grant", "60"]).failed(7);
    assert_eq!(tool(&at, &["kv", "get", "a", "--value-only"]).well(), "1");
    tool(&at, &["kv", "delete", "b"]).well();
    disk.clear();
    until("writes are taken again", || tool(&at, &["kv", "put", "c", "1"]).code == 0);
    server.stop();

    // Nothing is kept back: the disk is really full in the end.
    server.start(&["serve", "--disk-reserve-mib", "0"]);
    server.serves().await;
    disk.leave(8);
    let client = Client::connect([at.as_str()], Options::default()).await.unwrap();
    let mut acknowledged = 0;
    while client.put(Put::new(format!("big/{acknowledged}"), vec![7; 1 << 20])).await.is_ok() {
        acknowledged += 1;
    }
    assert_eq!(server.ended(), Some(7), "{}", server.log());
    let told = server.log();
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("error: the node had to stop: "), "{told}");
    assert!(last.contains(&format!("The disk of {path} is full")), "{told}");
    assert!(last.contains("acknowledged is durable"), "{told}");
    disk.clear();
    server.start(&arguments);
    server.serves().await;
    for number in 0..acknowledged {
        let found = client.get(format!("big/{number}")).await.unwrap();
        assert!(
            found.kvs.first().is_some_and(|kv| kv.value.len() == 1 << 20),
            "big/{number} is gone"
        );
    }
}
