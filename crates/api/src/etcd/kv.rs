use node::{Answer, Handle};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_server::Kv;
use state::auth::Demand;
use state::command::Command;
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use tonic::Status;
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

/// The range a client asks for, and whether any copy will do.
pub(crate) fn range(request: pb::RangeRequest) -> Result<(RangeRequest, bool), Status> {
    let serializable = request.serializable;
    let mut range = convert::range(request).map_err(refuse)?;
    // Outside a transaction etcd takes any revision below 1 for the newest.
    range.revision = range.revision.max(Revision(0));
    Ok((range, serializable))
}

pub(crate) fn put(request: pb::PutRequest) -> Result<Command, Status> {
    let bytes = request.encoded_len();
    let put = convert::put(request).map_err(refuse)?;
    check_size(bytes)?;
    Ok(Command::Put(put))
}

pub(crate) fn delete(request: pb::DeleteRangeRequest) -> Result<Command, Status> {
    let delete = convert::delete(&request).map_err(refuse)?;
    check_size(request.encoded_len())?;
    Ok(Command::Delete(delete))
}

/// The transaction a client asks for, and whether any copy will do.
pub(crate) fn txn(request: pb::TxnRequest) -> Result<(TxnRequest, bool), Status> {
    let serializable = convert::is_serializable(&request);
    let bytes = request.encoded_len();
    let txn = convert::txn(request).map_err(fail)?;
    check_size(bytes)?;
    Ok((txn, serializable))
}

pub(crate) fn range_answer(answer: Answer<RangeResponse>) -> pb::RangeResponse {
    convert::range_response(convert::header(&answer.header), answer.body)
}

pub(crate) fn put_answer(answer: Answer<Response>) -> Result<pb::PutResponse, Status> {
    let response = convert::put_response(convert::header(&answer.header), answer.body);
    response.ok_or_else(mismatch)
}

pub(crate) fn delete_answer(answer: Answer<Response>) -> Result<pb::DeleteRangeResponse, Status> {
    let response = convert::delete_response(convert::header(&answer.header), answer.body);
    response.ok_or_else(mismatch)
}

pub(crate) fn txn_answer(answer: Answer<Response>) -> Result<pb::TxnResponse, Status> {
    let response = convert::txn_response(convert::header(&answer.header), answer.body);
    response.ok_or_else(mismatch)
}

#[tonic::async_trait]
impl Kv for KvService {
    async fn range(
        &self,
        request: tonic::Request<pb::RangeRequest>,
    ) -> Result<tonic::Response<pb::RangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let (range, serializable) = range(request)?;
        let consistency = metadata::consistency(&metadata, serializable)?;
        let answer = caller.range(range, consistency).await.map_err(fail)?;
        let header = answer.header;
        Ok(metadata::answer(&header, range_answer(answer)))
    }

    async fn put(
        &self,
        request: tonic::Request<pb::PutRequest>,
    ) -> Result<tonic::Response<pb::PutResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let answer = caller.propose(put(request)?).await.map_err(fail)?;
        Ok(tonic::Response::new(put_answer(answer)?))
    }

    async fn delete_range(
        &self,
        request: tonic::Request<pb::DeleteRangeRequest>,
    ) -> Result<tonic::Response<pb::DeleteRangeResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let answer = caller.propose(delete(request)?).await.map_err(fail)?;
        Ok(tonic::Response::new(delete_answer(answer)?))
    }

    async fn txn(
        &self,
        request: tonic::Request<pb::TxnRequest>,
    ) -> Result<tonic::Response<pb::TxnResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let caller = metadata::caller(&self.handle, &metadata)?;
        let (txn, serializable) = txn(request)?;
        let consistency = metadata::consistency(&metadata, serializable)?;
        let answer = caller.txn(txn, consistency).await.map_err(fail)?;
        let header = answer.header;
        Ok(metadata::answer(&header, txn_answer(answer)?))
    }

    async fn compact(
        &self,
        request: tonic::Request<pb::CompactionRequest>,
    ) -> Result<tonic::Response<pb::CompactionResponse>, Status> {
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let pb::CompactionRequest { revision, physical } = *request.get_ref();
        let revision = Revision(revision);
        let command = Command::Compact { revision };
        caller.permit(Demand::Command(&command)).await.map_err(fail)?;
        let Answer { header, body } =
            self.handle.compact(caller.keyspace(), revision, physical).await.map_err(fail)?;
        let response = convert::compaction(convert::header(&header), &body);
        Ok(tonic::Response::new(response.ok_or_else(mismatch)?))
    }
}
