//! Who is behind must not keep everybody's log from getting shorter.

use std::time::Duration;

use node::{Consistency, NodeBuilder};
use types::NodeId;

use super::world::{Counter, GATES, Nodes, eventually, number, value};
use crate::cluster::world::{DEFAULT, one, put, read, until, within};

fn small_logs(_at: usize, builder: NodeBuilder) -> NodeBuilder {
    builder.machine::<Counter>("counter").configure(|config| {
        config.log_segment_bytes = 256 << 10;
        config.log_region_bytes = 512 << 10;
        config.log_bytes = 2 << 20;
        config.log_keep_entries = 20;
        config.log_flush_after = Duration::ZERO;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_node_cut_off_nor_a_slow_keyspace_pins_the_log() {
    let mut nodes = Nodes::start(3, small_logs).await;
    let writer = nodes.handle(0);
    let slow = writer.machine_keyspace("slow", "counter").await.unwrap();
    for _ in 0..5 {
        writer.execute(slow, number(1)).await.unwrap();
    }
    GATES[1].set(false);
    let waiting = tokio::spawn({
        let handle = writer.clone();
        async move { handle.execute(slow, "wait-1").await }
    });
    for handle in nodes.handles() {
        let behind = || async {
            let status = handle.status(slow).await.unwrap().body;
            status.commit_index > status.applied_index
        };
        until("entries that are not applied", behind).await;
    }
    for other in [1, 2] {
        nodes.net.set_link(NodeId(3), NodeId(other), false);
    }
    let cut_at = nodes.handle(2).status(DEFAULT).await.unwrap().body.applied_index;
    // 40 MB, of which two are to stay.
    for number in 0..200 {
        let value = vec![u8::try_from(number).unwrap(); 200_000];
        eventually("a write", || writer.propose(DEFAULT, put("key", value.clone()))).await;
    }
    for at in [0, 1] {
        let log = nodes.directory(at).join("log");
        let bytes = || -> u64 {
            let files = std::fs::read_dir(&log).unwrap();
            files.map(|file| file.unwrap().metadata().map_or(0, |data| data.len())).sum()
        };
        until("a short log", || async { bytes() < 8 << 20 }).await;
    }

    for other in [1, 2] {
        nodes.net.set_link(NodeId(3), NodeId(other), true);
    }
    let late = nodes.handle(2);
    until("the last value", || async {
        let found = read(&late, one("key")).await;
        found.is_ok_and(|found| found.body.kvs[0].value[0] == 199)
    })
    .await;
    let first = late.status(DEFAULT).await.unwrap().body.first_index;
    assert!(first > cut_at, "by a snapshot: {first}, cut off at {cut_at}");

    GATES[1].set(true);
    drop(within("an end", waiting).await);
    eventually("the slow one", || late.execute(slow, number(1))).await;
    let sum = late.query(slow, "", Consistency::Linearizable).await.unwrap();
    assert_eq!(value(&sum), 6);
    drop((writer, late));
    nodes.stop_all().await;
}
