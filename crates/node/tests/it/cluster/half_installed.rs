//! A crash in the middle of putting a snapshot in place.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use env::RealDisk;
use node::Node;
use storage::engine::{DiskEngine, DiskOptions, Engine, EngineStats, Error, Snapshot};
use storage::snapshot::{self, SnapshotWriter};
use types::{Batch, ReadFailure, Reader, RegionId};

use super::world::{Cluster, DEFAULT, own_state, put, until};

/// The engine of a node that dies at a certain write.
struct Dying {
    engine: DiskEngine,
    writes: AtomicUsize,
}

impl Reader for Dying {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.engine.get(key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.engine.scan(start, end, visit)
    }
}

impl Engine for Dying {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        if self.writes.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::Latched("it died".to_owned()));
        }
        self.engine.write(batch)
    }

    fn persist(&self) -> Result<(), Error> {
        self.engine.persist()
    }

    fn flush_soon(&self) {
        self.engine.flush_soon();
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.engine.snapshot()
    }

    fn durable(&self) -> Box<dyn Snapshot> {
        self.engine.durable()
    }

    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error> {
        self.engine.clear_range(start, end)
    }

    fn stats(&self) -> EngineStats {
        self.engine.stats()
    }
}

/// Begins to install the region's own state as a snapshot, and dies.
fn install_half(data: &Path, region: RegionId, index: u64) {
    let engine = DiskEngine::open(&data.join("state"), DiskOptions::default()).unwrap();
    let (start, end) = state::keys::region_range(region);
    let directory = data.join("snapshots");
    let name = format!("region-{region}-{index}");
    let mut file = SnapshotWriter::create(Arc::new(RealDisk), &directory, &name).unwrap();
    let chunks = snapshot::export(engine.snapshot(), &start, &end, Bytes::new(), 64 << 10);
    for chunk in chunks {
        file.accept(&chunk.unwrap()).unwrap();
    }
    let file = file.finish().unwrap();
    // The mark of the beginning is written, the records that were there are gone; nothing came yet.
    let dying = Dying { engine, writes: AtomicUsize::new(1) };
    assert!(file.install(&dying, &start, &end, Batch::default()).is_err());
    let mut left = 0;
    dying
        .scan(&start, &end, &mut |_, _| {
            left += 1;
            true
        })
        .unwrap();
    assert_eq!(left, 0, "it died half way");
    dying.engine.persist().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_half_in_place_is_put_in_place_at_the_start() {
    let mut cluster = Cluster::start(1, |config| config.log_keep_entries = 0).await;
    for number in 0..40 {
        cluster.handle(0).propose(DEFAULT, put(&number.to_string(), "x")).await.unwrap();
    }
    let handle = cluster.handle(0);
    let status = || async { handle.status(DEFAULT).await.unwrap().body };
    until("an empty log", || async { status().await.first_index > status().await.last_index })
        .await;
    let index = status().await.applied_index;
    let before = own_state(&handle).await;
    drop(handle);
    cluster.stop(0).await;
    let data = cluster.configs[0].data_dir.clone();
    install_half(&data, RegionId(2), index);
    let file = data.join("snapshots").join(format!("region-2-{index}.snapshot"));

    // Without its file it cannot be finished, and must not be read.
    let aside = data.join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let error = Node::start(cluster.configs[0].clone()).await.err().unwrap().to_string();
    assert!(error.contains("half replaced"), "{error}");
    std::fs::rename(&aside, &file).unwrap();

    cluster.start_again(0).await;
    assert_eq!(own_state(&cluster.handle(0)).await.1, before.1);
    assert!(!file.exists(), "it is not needed any more");
    cluster.handle(0).propose(DEFAULT, put("more", "x")).await.unwrap();
    cluster.stop_all().await;
}
