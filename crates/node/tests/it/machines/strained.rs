//! A leader with a slow disk leads no longer than it has to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use node::Handle;
use state::command::Command;
use state::request::PutRequest;
use storage::engine::MemoryEngine;
use storage::log::{Log, LogReader, MemoryLog};
use storage::wal::{Error, Reclaimed, Write};
use tokio::time::sleep;
use types::{KeyspaceId, NodeId};

use super::world::Nodes;
use crate::cluster::world::within;

/// A log whose syncs take so many milliseconds longer, and are counted.
struct SlowLog {
    log: MemoryLog,
    disk: Arc<SlowDisk>,
}

#[derive(Default)]
struct SlowDisk {
    millis: AtomicU64,
    syncs: AtomicU64,
}

impl Log for SlowLog {
    fn append(&mut self, writes: &[Write]) -> Result<(), Error> {
        self.log.append(writes)
    }

    fn sync(&mut self) -> Result<(), Error> {
        std::thread::sleep(Duration::from_millis(self.disk.millis.load(Ordering::Relaxed)));
        self.disk.syncs.fetch_add(1, Ordering::Relaxed);
        self.log.sync()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.log.settle()
    }

    fn reclaim(&mut self) -> Result<Reclaimed, Error> {
        self.log.reclaim()
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        self.log.reader()
    }

    fn is_durable(&self) -> bool {
        false
    }
}

async fn leader(handle: &Handle) -> Option<NodeId> {
    handle.status(KeyspaceId::DEFAULT).await.ok()?.body.leader
}

/// Who leads, once it is another one than `not`.
async fn leader_but(handle: &Handle, not: Option<NodeId>) -> usize {
    let found = async {
        loop {
            match leader(handle).await {
                Some(leader) if Some(leader) != not => return leader,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    usize::try_from(within("another leader", found).await.get() - 1).unwrap()
}

/// Each of the disks has synced so many times more.
async fn sync(disks: &[Arc<SlowDisk>], count: u64) {
    let now = |disk: &Arc<SlowDisk>| disk.syncs.load(Ordering::Relaxed);
    let until: Vec<u64> = disks.iter().map(|disk| now(disk) + count).collect();
    within("syncs", async {
        while disks.iter().zip(&until).any(|(disk, until)| now(disk) < *until) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_with_a_slow_disk_hands_over_to_who_has_none_and_keeps_what_nobody_does_better() {
    let disks: Vec<Arc<SlowDisk>> = (0..3).map(|_| Arc::default()).collect();
    let slow = disks.clone();
    let mut nodes = Nodes::start(3, move |at, builder| {
        let log = SlowLog { log: MemoryLog::new(), disk: Arc::clone(&slow[at]) };
        builder.engine(Arc::new(MemoryEngine::new())).log(log)
    })
    .await;
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = nodes
        .handles()
        .into_iter()
        .map(|handle| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let put =
                        PutRequest { key: "k".into(), value: "v".into(), ..Default::default() };
                    drop(handle.propose(KeyspaceId::DEFAULT, Command::Put(put)).await);
                    sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();

    let first = leader_but(&nodes.handle(0), None).await;
    let number = |at: usize| Some(NodeId(at as u64 + 1));
    disks[first].millis.store(250, Ordering::Relaxed);
    // Seen from another one: the slow one learns late.
    let witness = nodes.handle((first + 1) % 3);
    leader_but(&witness, number(first)).await;
    assert!(nodes.handle(first).strain().slow_disk, "or it was lost otherwise");
    assert!(nodes.handle(first).meters().handovers.get() > 0);

    // Now all are slow.
    disks.iter().for_each(|disk| disk.millis.store(250, Ordering::Relaxed));
    let all = nodes.handles();
    let known = |handle: &Handle, of: &Handle| {
        let nodes = handle.nodes();
        nodes.iter().all(|it| it.node != of.node() || it.summary.strain.slow_disk)
    };
    within("everybody to know that all are slow", async {
        while !all.iter().all(|one| all.iter().all(|other| known(one, other))) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let handovers = || all.iter().map(|handle| handle.meters().handovers.get()).sum::<u64>();
    // One that was under way when the last became slow. A dozen syncs are three seconds, six times as long
    // as a strain must last.
    sync(&disks, 12).await;
    let before = handovers();
    sync(&disks, 12).await;
    assert_eq!(before, handovers(), "the leader is no worse than the others");
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    disks.iter().for_each(|disk| disk.millis.store(0, Ordering::Relaxed));
    nodes.stop_all().await;
}
