//! Questions of `hiraeth.v1.Node` that another node than the one that is asked is to answer: `hiraeth-node`
//! in the metadata names it. The request goes on in the client's name, so that the other node looks at
//! the client's rights as if it had been asked itself.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use node::{Answering, Handle};
use prost::Message;
use proto::hiraeth::v1::node_server::Node;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Response, Status};
use types::{Fault, NodeId};

use crate::native::NodeService;
use crate::{error, metadata};

/// Which node is to answer.
const NODE: &str = "hiraeth-node";
/// Bytes of a token.
const TOKEN_BYTES: usize = 4_096;
/// Before an answer; before a status is its code.
const WELL: u8 = 0;

/// What can be asked so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Method {
    Status = 1,
    Stats = 2,
    Hot = 3,
    Flight = 4,
    Watches = 5,
}

impl Method {
    fn from_u8(number: u8) -> Option<Self> {
        let all = [Self::Status, Self::Stats, Self::Hot, Self::Flight, Self::Watches];
        all.into_iter().find(|method| *method as u8 == number)
    }
}

/// The answer of another node, if one is named that is not this one.
///
/// # Errors
/// `InvalidArgument` for a name that is no number; `NotFound` for a node that there is not; what the
/// other node says, or that it cannot be asked.
pub(crate) async fn ask<M: Message, A: Message + Default>(
    handle: &Handle,
    method: Method,
    request: &Request<M>,
) -> Result<Option<Response<A>>, Status> {
    let Some(named) = request.metadata().get(NODE) else { return Ok(None) };
    let number = named.to_str().ok().and_then(|text| text.parse().ok());
    let node = NodeId(number.ok_or_else(|| {
        Status::invalid_argument(format!(
            "hiraeth: invalid request: the metadata `{NODE}` is the number of a node"
        ))
    })?);
    if node == handle.node() {
        return Ok(None);
    }
    let token = metadata::token(request.metadata());
    let token = token.and_then(|token| handle.token_for_others(&token)).unwrap_or_default();
    let token = Some(token.as_bytes()).filter(|token| token.len() <= TOKEN_BYTES);
    let token = token.ok_or_else(|| error::status_of(types::Code::InvalidAuthToken))?;
    let mut body = BytesMut::with_capacity(64);
    body.put_u8(method as u8);
    // Bounded above.
    body.put_u16(u16::try_from(token.len()).unwrap_or(0));
    body.put_slice(token);
    body.put_slice(&request.get_ref().encode_to_vec());
    let answer = handle.ask_door(node, body.freeze()).await;
    read(answer.map_err(|fault| error::status(&fault))?).map(Some)
}

fn read<A: Message + Default>(mut answer: Bytes) -> Result<Response<A>, Status> {
    let strange = |_| Status::internal("hiraeth: another node's answer makes no sense");
    match answer.try_get_u8().map_err(|error| strange(error.to_string()))? {
        WELL => {
            let answer = A::decode(answer).map_err(|error| strange(error.to_string()))?;
            Ok(Response::new(answer))
        }
        code => {
            let words = String::from_utf8_lossy(&answer);
            Err(Status::new(Code::from_i32(code.into()), words))
        }
    }
}

/// Answers another node's front door.
pub(crate) fn answer(handle: Handle, body: Bytes) -> Answering {
    Box::pin(async move {
        let answer = match carry_out(handle, body).await {
            Ok(message) => [&[WELL], &message[..]].concat(),
            Err(status) => {
                let code = u8::try_from(i32::from(status.code())).unwrap_or(Code::Unknown as u8);
                [&[code.max(1)], status.message().as_bytes()].concat()
            }
        };
        Ok::<_, Fault>(answer.into())
    })
}

async fn carry_out(handle: Handle, mut body: Bytes) -> Result<Vec<u8>, Status> {
    let short = |_| Status::invalid_argument("hiraeth: a question of another node is cut short");
    let method = Method::from_u8(body.try_get_u8().map_err(short)?);
    let length = usize::from(body.try_get_u16().map_err(short)?);
    if length > body.len() {
        return Err(Status::invalid_argument("hiraeth: a question of another node is cut short"));
    }
    let token = body.split_to(length);
    let service = NodeService::new(handle);
    // What a newer node asks.
    let method = method.ok_or_else(|| error::status_of(types::Code::Unsupported))?;
    match method {
        Method::Status => told(service.status(asked(&token, body)?).await),
        Method::Stats => told(service.stats(asked(&token, body)?).await),
        Method::Hot => told(service.hot(asked(&token, body)?).await),
        Method::Flight => told(service.flight(asked(&token, body)?).await),
        Method::Watches => told(service.watches(asked(&token, body)?).await),
    }
}

fn asked<M: Message + Default>(token: &[u8], body: Bytes) -> Result<Request<M>, Status> {
    let message = M::decode(body).map_err(|error| {
        Status::invalid_argument(format!("hiraeth: a question of another node: {error}"))
    })?;
    let mut metadata = MetadataMap::new();
    if !token.is_empty() {
        let token = MetadataValue::try_from(token);
        let token = token.map_err(|_| error::status_of(types::Code::InvalidAuthToken))?;
        metadata.insert(metadata::TOKEN, token);
    }
    Ok(Request::from_parts(metadata, Extensions::new(), message))
}

fn told<A: Message>(answer: Result<Response<A>, Status>) -> Result<Vec<u8>, Status> {
    answer.map(|answer| answer.into_inner().encode_to_vec())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;
    use proto::hiraeth::v1 as pb;
    use tonic::Code;

    use super::{Method, asked, read};

    #[test]
    fn what_another_node_says_is_read_or_refused() {
        let response = pb::HotResponse { node: 7, regions: Vec::new() };
        let well = [&[0], &response.encode_to_vec()[..]].concat();
        assert_eq!(read::<pb::HotResponse>(well.into()).unwrap().into_inner(), response);
        let refused = Bytes::from_static(b"\x07etcdserver: permission denied");
        let status = read::<pb::HotResponse>(refused).unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(status.message(), "etcdserver: permission denied");
        for strange in [&b""[..], b"\0\xff\xff"] {
            let status = read::<pb::HotResponse>(Bytes::from_static(strange)).unwrap_err();
            assert_eq!(status.code(), Code::Internal);
        }
        assert!(asked::<pb::HotRequest>(b"a\nb", Bytes::new()).is_err());
        assert!(asked::<pb::HotRequest>(b"", Bytes::from_static(b"\xff")).is_err());
        assert_eq!(Method::from_u8(0), None);
    }
}
