use bytes::Bytes;
use node::Handle;
use proto::etcdserverpb as pb;
use proto::v3lockpb as wire;
use proto::v3lockpb::lock_server::Lock;
use tonic::{Request, Response, Status};

use crate::etcd::queue::{Door, Line, Place, like_etcd};

/// etcd's `v3lockpb.Lock`.
///
/// The key it answers with is the fencing key: it exists with the same create revision for exactly as
/// long as the lock is held, and a later holder's has a higher one. A transaction that compares the
/// key's create revision is carried out by the holder only, whatever a client that was held up believes.
pub struct LockService {
    handle: Handle,
}

impl LockService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    async fn acquire(
        &self,
        request: Request<wire::LockRequest>,
    ) -> Result<wire::LockResponse, Status> {
        let (door, wire::LockRequest { name, lease }) = Door::open(&self.handle, request)?;
        let lease = door.lease_or_new(lease).await?;
        let taken = Place::take(door, Line::of(&name), Bytes::new(), lease).await?;
        let place = taken.place;
        let header = if taken.is_first { Some(taken.header) } else { place.wait().await? };
        let Some(header) = header else {
            return Err(Status::unknown("mutex: session is expired"));
        };
        let key = place.key().clone();
        place.keep();
        Ok(wire::LockResponse { header: Some(header), key })
    }

    async fn release(
        &self,
        request: Request<wire::UnlockRequest>,
    ) -> Result<wire::UnlockResponse, Status> {
        let (door, wire::UnlockRequest { key }) = Door::open(&self.handle, request)?;
        let delete = pb::DeleteRangeRequest { key, ..pb::DeleteRangeRequest::default() };
        let header = door.delete(delete).await?.header;
        Ok(wire::UnlockResponse { header })
    }
}

#[tonic::async_trait]
impl Lock for LockService {
    async fn lock(
        &self,
        request: Request<wire::LockRequest>,
    ) -> Result<Response<wire::LockResponse>, Status> {
        self.acquire(request).await.map(Response::new).map_err(like_etcd)
    }

    async fn unlock(
        &self,
        request: Request<wire::UnlockRequest>,
    ) -> Result<Response<wire::UnlockResponse>, Status> {
        self.release(request).await.map(Response::new).map_err(like_etcd)
    }
}
