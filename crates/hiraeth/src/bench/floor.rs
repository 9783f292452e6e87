//! The floor under any server of this API: tonic, and an answer at once. It keeps nothing that lasts, and
//! is no server to use; it is measured beside real ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_server::{Kv, KvServer};
use tonic::{Request, Response, Status};

/// Bytes it keeps; what is put beyond is forgotten.
const KEPT: usize = 256 << 20;

#[derive(Default)]
struct Memory {
    records: BTreeMap<Bytes, Bytes>,
    bytes: usize,
}

#[derive(Clone, Default)]
struct Floor {
    memory: Arc<Mutex<Memory>>,
    revision: Arc<AtomicI64>,
}

impl Floor {
    fn header(&self) -> Option<pb::ResponseHeader> {
        let revision = self.revision.load(Ordering::Relaxed);
        Some(pb::ResponseHeader { cluster_id: 1, member_id: 1, revision, raft_term: 1 })
    }
}

#[tonic::async_trait]
impl Kv for Floor {
    async fn range(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<pb::RangeResponse>, Status> {
        let key = request.into_inner().key;
        let value = {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.records.get(&key).cloned()
        };
        let record =
            |value| proto::mvccpb::KeyValue { key, value, version: 1, ..Default::default() };
        let kvs: Vec<_> = value.map(record).into_iter().collect();
        let count = kvs.len() as i64;
        let header = self.header();
        Ok(Response::new(pb::RangeResponse { header, kvs, count, ..Default::default() }))
    }

    async fn put(
        &self,
        request: Request<pb::PutRequest>,
    ) -> Result<Response<pb::PutResponse>, Status> {
        let pb::PutRequest { key, value, .. } = request.into_inner();
        self.revision.fetch_add(1, Ordering::Relaxed);
        {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let size = key.len() + value.len();
            if memory.bytes + size <= KEPT {
                memory.bytes += size;
                if let Some(before) = memory.records.insert(key, value) {
                    memory.bytes -= before.len();
                }
            }
        }
        Ok(Response::new(pb::PutResponse { header: self.header(), prev_kv: None }))
    }

    async fn delete_range(
        &self,
        _: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        Err(Status::unimplemented("the floor only puts and gets"))
    }

    async fn txn(&self, _: Request<pb::TxnRequest>) -> Result<Response<pb::TxnResponse>, Status> {
        Err(Status::unimplemented("the floor only puts and gets"))
    }

    async fn compact(
        &self,
        _: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        Err(Status::unimplemented("the floor only puts and gets"))
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub(super) fn serve(listen: &str) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = listen.parse().with_context(|| format!("--listen {listen}"))?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let server = tonic::transport::Server::builder().max_concurrent_streams(16_384);
        let mut server = server.initial_stream_window_size(1 << 20).tcp_nodelay(true);
        let service = KvServer::new(Floor::default());
        Ok(server.add_service(service).serve_with_shutdown(address, stop).await?)
    })
}
