//! Who waits for a region that leaves.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use types::{Code, KeyspaceId, RegionId};

use super::attempts::attempt_at;
use crate::{Node, NodeConfig};

/// How long anything may take; the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Told by the leave: the time of the attempt is much longer than anybody here waits.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_command_is_told_when_its_region_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = NodeConfig {
        name: "n1".to_owned(),
        data_dir: directory.path().join("n1"),
        listen_peer: address.clone(),
        advertise_peer: address.clone(),
        initial_cluster: vec![("n1".to_owned(), address)],
        tick: Duration::from_millis(40),
        log_segment_bytes: 1 << 20,
        ..NodeConfig::default()
    };
    let node = Node::start(config).await.unwrap();
    node.handle().ready(KeyspaceId::DEFAULT).await;
    let (shared, shard) = (Arc::clone(&node.shared), node.shared.shard(RegionId(2)).unwrap());
    let (begun, begins) = oneshot::channel();
    let waiting = tokio::spawn({
        let shard = Arc::clone(&shard);
        async move {
            // Its entry is in the log, and here it would be applied.
            let attempt = async move {
                begun.send(()).unwrap();
                std::future::pending().await
            };
            let until = Instant::now() + 60 * PATIENCE;
            attempt_at::<()>(&shared, &shard, shard.leadership(), until, attempt).await
        }
    });
    begins.await.unwrap();
    // Until it waits for news of the region, which it does after a moment without an answer.
    let before = shard.leadership_watchers();
    while shard.leadership_watchers() <= before {
        sleep(Duration::from_millis(1)).await;
    }
    shard.set_gone();
    let told = timeout(PATIENCE, waiting).await.expect("nobody told").unwrap().unwrap_err();
    // Not that there is none to be asked: it may have been carried out.
    assert_eq!(told.code, Code::LeaderChanged, "{told}");
    node.shutdown().await;
}
