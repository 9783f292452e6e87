use node::{Answer, Handle};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_server::Kv;
use state::command::Command;
use tonic::{Request, Response, Status};
use types::{Code, Fault, Revision, limits};

use super::convert;
use crate::{error, metadata};

/// etcd's `KV`.
pub struct KvService {
    handle: Handle,
}

impl KvService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// etcd bounds what goes through its log; reads are bounded by the transport only.
fn check_size(bytes: usize) -> Result<(), Status> {
    if bytes > limits::REQUEST_BYTES {
        return Err(error::status_of(Code::RequestTooLarge));
    }
    Ok(())
}

fn refuse(code: Code) -> Status {
    error::status_of(code)
}

fn fail(fault: Fault) -> Status {
    error::status(&fault)
}

/// A command answered with another command's answer: a bug of ours.
fn mismatch() -> Status {
    fail(Fault::new(Code::Internal, "a command was answered with another one's answer"))
}

#[tonic::async_trait]
impl Kv for KvService {
    async fn range(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<pb::RangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let consistency = metadata::consistency(&metadata, request.serializable)?;
        let mut range = convert::range(request).map_err(refuse)?;
        // Outside a transaction etcd takes any revision below 1 for the newest.
        range.revision = range.revision.max(Revision(0));
        let Answer { header, body } = caller.range(range, consistency).await.map_err(fail)?;
        let response = convert::range_response(convert::header(&header), body);
        Ok(metadata::answer(&header, response))
    }

    async fn put(
        &self,
        request: Request<pb::PutRequest>,
    ) -> Result<Response<pb::PutResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let bytes = request.encoded_len();
        let put = convert::put(request).map_err(refuse)?;
        check_size(bytes)?;
        let Answer { header, body } = caller.propose(Command::Put(put)).await.map_err(fail)?;
        let response = convert::put_response(convert::header(&header), body);
        Ok(Response::new(response.ok_or_else(mismatch)?))
    }

    async fn delete_range(
        &self,
        request: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let delete = convert::delete(&request).map_err(refuse)?;
        check_size(request.encoded_len())?;
        let Answer { header, body } =
            caller.propose(Command::Delete(delete)).await.map_err(fail)?;
        let response = convert::delete_response(convert::header(&header), body);
        Ok(Response::new(response.ok_or_else(mismatch)?))
    }

    async fn txn(
        &self,
        request: Request<pb::TxnRequest>,
    ) -> Result<Response<pb::TxnResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let consistency = metadata::consistency(&metadata, convert::is_serializable(&request))?;
        let bytes = request.encoded_len();
        let txn = convert::txn(request).map_err(fail)?;
        check_size(bytes)?;
        let Answer { header, body } = caller.txn(txn, consistency).await.map_err(fail)?;
        let response = convert::txn_response(convert::header(&header), body);
        Ok(metadata::answer(&header, response.ok_or_else(mismatch)?))
    }

    async fn compact(
        &self,
        request: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let revision = Revision(request.get_ref().revision);
        let Answer { header, body } =
            caller.propose(Command::Compact { revision }).await.map_err(fail)?;
        let response = convert::compaction(convert::header(&header), &body);
        Ok(Response::new(response.ok_or_else(mismatch)?))
    }
}
