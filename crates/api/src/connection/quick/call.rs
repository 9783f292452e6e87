use bytes::Bytes;
use h2::RecvStream;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request};
use node::{Answer, Consistency, Handle};
use prost::Message;
use state::command::Command;
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use types::{Fault, KeyspaceId};

use crate::connection::send::{Reply, Respond, send, send_later};
use crate::etcd::kv;
use crate::{error, metadata};

/// The methods that are taken.
#[derive(Clone, Copy)]
pub(super) enum Method {
    Range,
    Put,
    DeleteRange,
    Txn,
}

impl Method {
    /// Which one a request is for, if it is one of these and nothing about it is unusual.
    pub(super) fn of(request: &Request<RecvStream>) -> Option<Self> {
        let method = match request.uri().path() {
            "/etcdserverpb.KV/Range" => Self::Range,
            "/etcdserverpb.KV/Put" => Self::Put,
            "/etcdserverpb.KV/DeleteRange" => Self::DeleteRange,
            "/etcdserverpb.KV/Txn" => Self::Txn,
            _ => return None,
        };
        let headers = request.headers();
        let is_grpc = headers.get(CONTENT_TYPE).is_some_and(|kind| {
            matches!(kind.as_bytes(), b"application/grpc" | b"application/grpc+proto")
        });
        let is_usual = is_grpc
            && request.method() == hyper::Method::POST
            && !headers.contains_key("grpc-encoding");
        is_usual.then_some(method)
    }
}

/// A request, understood.
pub(super) enum Call {
    Write { kind: Kind, keyspace: KeyspaceId, command: Command },
    Read(Read),
    ReadTxn { keyspace: KeyspaceId, request: TxnRequest, consistency: Consistency },
}

impl Call {
    pub(super) fn decode(
        handle: &Handle,
        method: Method,
        metadata: &MetadataMap,
        message: Bytes,
    ) -> Result<Self, Status> {
        let keyspace = metadata::admit(handle, metadata)?;
        let write = |kind, command| Self::Write { kind, keyspace, command };
        Ok(match method {
            Method::Put => write(Kind::Put, kv::put(decode(message)?)?),
            Method::DeleteRange => write(Kind::Delete, kv::delete(decode(message)?)?),
            Method::Range => {
                let (request, serializable) = kv::range(decode(message)?)?;
                let consistency = metadata::consistency(metadata, serializable)?;
                Self::Read(Read { keyspace, request, consistency })
            }
            Method::Txn => {
                let (request, serializable) = kv::txn(decode(message)?)?;
                let consistency = metadata::consistency(metadata, serializable)?;
                if request.has_writes() {
                    write(Kind::Txn, Command::Txn(request))
                } else {
                    Self::ReadTxn { keyspace, request, consistency }
                }
            }
        })
    }
}

fn decode<T: Message + Default>(message: Bytes) -> Result<T, Status> {
    T::decode(message).map_err(|error| Status::new(Code::Internal, error.to_string()))
}

/// Which answer a write gets.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Put,
    Delete,
    Txn,
}

impl Kind {
    pub(super) fn reply(self, answer: Result<Answer<Response>, Fault>) -> Result<Reply, Status> {
        let answer = answer.map_err(|fault| error::status(&fault))?;
        let metadata = HeaderMap::with_capacity(1);
        Ok(match self {
            Self::Put => Reply::new(&kv::put_answer(answer)?, metadata),
            Self::Delete => Reply::new(&kv::delete_answer(answer)?, metadata),
            Self::Txn => {
                let metadata = metadata::answered(&answer.header);
                Reply::new(&kv::txn_answer(answer)?, metadata)
            }
        })
    }
}

/// A range to be read.
pub(super) struct Read {
    pub(super) keyspace: KeyspaceId,
    request: RangeRequest,
    consistency: Consistency,
}

impl Read {
    /// Whether it waits for what many reads can wait for together.
    pub(super) fn is_linearizable(&self) -> bool {
        self.consistency == Consistency::Linearizable
    }

    /// Answers it, as what it waited for has come, if it had to wait for anything.
    pub(super) fn answer(self, handle: &Handle, respond: Respond) {
        match handle.range_here(self.keyspace, &self.request, self.consistency) {
            Some(answer) => send(respond, reply(answer)),
            None => self.spawn(handle, respond),
        }
    }

    /// Has a task of its own see it through from the start.
    pub(super) fn spawn(self, handle: &Handle, respond: Respond) {
        let handle = handle.clone();
        send_later(respond, async move {
            reply(handle.range(self.keyspace, self.request, self.consistency).await)
        });
    }
}

fn reply(answer: Result<Answer<RangeResponse>, Fault>) -> Result<Reply, Status> {
    let answer = answer.map_err(|fault| error::status(&fault))?;
    let metadata = metadata::answered(&answer.header);
    Ok(Reply::new(&kv::range_answer(answer), metadata))
}
