use bytes::Bytes;
use http2::RequestHead;
use node::{Answer, Consistency, Handle, Verdict};
use prost::Message;
use state::command::Command;
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use tonic::{Code, Status};
use types::{Fault, KeyspaceId};

use crate::audit::Bearer;
use crate::connection::send::{Reply, Respond, send, send_later};
use crate::connection::wire::Wire;
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
    pub(super) fn of(head: &RequestHead) -> Option<Self> {
        const ALL: [Method; 4] = [Method::Range, Method::Put, Method::Txn, Method::DeleteRange];
        let is_it = |method: &Self| head.path == method.path().as_bytes();
        let method = ALL.into_iter().find(is_it)?;
        let is_usual = head.method == b"POST"[..]
            && matches!(
                head.get("content-type"),
                Some(b"application/grpc" | b"application/grpc+proto")
            )
            && head.get("grpc-encoding").is_none()
            && head.get(metadata::NUMBER).is_none();
        is_usual.then_some(method)
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Range => "/etcdserverpb.KV/Range",
            Self::Put => "/etcdserverpb.KV/Put",
            Self::DeleteRange => "/etcdserverpb.KV/DeleteRange",
            Self::Txn => "/etcdserverpb.KV/Txn",
        }
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
        metadata: &RequestHead,
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

/// Whether a call may begin.
pub(super) enum Admitted {
    Begin(Call),
    Refuse(Status),
    /// To be carried out by itself, in the name of who sent it.
    Later(Call, Bearer),
}

impl Call {
    /// Holds it against the rights of who asks for it. While auth is off, that is one look at a flag.
    pub(super) fn admit(
        self,
        handle: &Handle,
        metadata: &RequestHead,
        proof: Option<&str>,
        origin: &str,
    ) -> Admitted {
        if handle.auth_is_off() {
            return Admitted::Begin(self);
        }
        let proof = metadata::Proof::of(metadata).or(proof, origin);
        let caller = |keyspace| handle.caller(keyspace, &proof);
        let refuse = |fault| Admitted::Refuse(error::status(&fault));
        let later = |call| Admitted::Later(call, proof.bearer());
        match self {
            Self::Write { kind, keyspace, command } => {
                let write = |command| Self::Write { kind, keyspace, command };
                match caller(keyspace).command_now(command) {
                    Verdict::Granted(command) => Admitted::Begin(write(command)),
                    Verdict::Refused(fault) => refuse(fault),
                    Verdict::NotNow(command) => later(write(command)),
                }
            }
            Self::Read(Read { keyspace, request, consistency }) => {
                let read = |request| Self::Read(Read { keyspace, request, consistency });
                match caller(keyspace).range_now(request, consistency) {
                    Verdict::Granted(request) => Admitted::Begin(read(request)),
                    Verdict::Refused(fault) => refuse(fault),
                    Verdict::NotNow(request) => later(read(request)),
                }
            }
            // It gets a task of its own in any case.
            Self::ReadTxn { .. } => later(self),
        }
    }

    /// Has it carried out in the name of who sent it, from the start.
    pub(super) async fn carry_out(self, handle: &Handle, sender: &Bearer) -> Result<Reply, Status> {
        match self {
            Self::Write { kind, keyspace, command } => {
                kind.reply(handle.caller(keyspace, sender).propose(command).await)
            }
            Self::Read(Read { keyspace, request, consistency }) => {
                reply(handle.caller(keyspace, sender).range(request, consistency).await)
            }
            Self::ReadTxn { keyspace, request, consistency } => {
                Kind::Txn.reply(handle.caller(keyspace, sender).txn(request, consistency).await)
            }
        }
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
        Ok(match self {
            Self::Put => Reply::Put(kv::put_answer(answer)?),
            Self::Delete => Reply::Delete(kv::delete_answer(answer)?),
            Self::Txn => {
                let told = metadata::told(&answer.header);
                Reply::Txn(kv::txn_answer(answer)?, told)
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
    pub(super) fn answer(self, wire: &mut Wire, handle: &Handle, respond: Respond) {
        match handle.range_here(self.keyspace, &self.request, self.consistency) {
            Some(answer) => send(wire, respond, reply(answer)),
            None => self.spawn(wire, handle, respond),
        }
    }

    /// Has a task of its own see it through from the start.
    pub(super) fn spawn(self, wire: &mut Wire, handle: &Handle, respond: Respond) {
        let handle = handle.clone();
        send_later(wire, respond, async move {
            reply(handle.range(self.keyspace, self.request, self.consistency).await)
        });
    }
}

fn reply(answer: Result<Answer<RangeResponse>, Fault>) -> Result<Reply, Status> {
    let answer = answer.map_err(|fault| error::status(&fault))?;
    let told = metadata::told(&answer.header);
    Ok(Reply::Range(kv::range_answer(answer), told))
}
