use node::Header;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::response_op::Response as WireOp;
use proto::mvccpb;
use state::response::{KeyValue, RangeResponse, Response};

/// The header every answer begins with.
#[must_use]
pub fn header(header: &Header) -> pb::ResponseHeader {
    pb::ResponseHeader {
        cluster_id: header.cluster.short(),
        member_id: header.member.get(),
        revision: header.revision.get(),
        raft_term: header.term.get(),
    }
}

/// One record. Consul's fields stay behind.
#[must_use]
pub fn key_value(kv: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key,
        create_revision: kv.create_revision.get(),
        mod_revision: kv.mod_revision.get(),
        version: kv.version,
        value: kv.value,
        lease: kv.lease.get(),
    }
}

fn key_values(kvs: Vec<KeyValue>) -> Vec<mvccpb::KeyValue> {
    kvs.into_iter().map(key_value).collect()
}

/// The answer to a read.
#[must_use]
pub fn range_response(header: pb::ResponseHeader, body: RangeResponse) -> pb::RangeResponse {
    pb::RangeResponse {
        header: Some(header),
        kvs: key_values(body.kvs),
        more: body.more,
        count: body.count,
    }
}

/// The answer to a put; `None` if the command answered something else.
#[must_use]
pub fn put_response(header: pb::ResponseHeader, body: Response) -> Option<pb::PutResponse> {
    match body {
        Response::Put { prev } => {
            Some(pb::PutResponse { header: Some(header), prev_kv: prev.map(key_value) })
        }
        _ => None,
    }
}

/// The answer to a delete; `None` if the command answered something else.
#[must_use]
pub fn delete_response(
    header: pb::ResponseHeader,
    body: Response,
) -> Option<pb::DeleteRangeResponse> {
    match body {
        Response::Delete { deleted, prev } => Some(pb::DeleteRangeResponse {
            header: Some(header),
            deleted,
            prev_kvs: key_values(prev),
        }),
        _ => None,
    }
}

/// The answer to a compaction; `None` if the command answered something else.
#[must_use]
pub fn compaction(header: pb::ResponseHeader, body: &Response) -> Option<pb::CompactionResponse> {
    matches!(body, Response::Compacted).then_some(pb::CompactionResponse { header: Some(header) })
}

/// The answer to a transaction; `None` if the command answered something else.
///
/// Inner answers carry what etcd puts there: the revision the operation saw or made, and nothing
/// else in the header; an inner transaction's header is empty.
#[must_use]
pub fn txn_response(header: pb::ResponseHeader, body: Response) -> Option<pb::TxnResponse> {
    let Response::Txn { succeeded, responses } = body else { return None };
    let after = header.revision;
    let before = if responses.iter().any(changes) { after - 1 } else { after };
    let mut walk = Walk { before, after, changed: false };
    let responses = walk.operations(responses)?;
    Some(pb::TxnResponse { header: Some(header), succeeded, responses })
}

/// Whether the operation moved the revision.
fn changes(response: &Response) -> bool {
    match response {
        Response::Put { .. } => true,
        Response::Delete { deleted, .. } => *deleted > 0,
        Response::Txn { responses, .. } => responses.iter().any(changes),
        _ => false,
    }
}

/// Goes through the operations in the order they ran in.
struct Walk {
    before: i64,
    after: i64,
    changed: bool,
}

impl Walk {
    fn operations(&mut self, responses: Vec<Response>) -> Option<Vec<pb::ResponseOp>> {
        responses.into_iter().map(|response| self.operation(response)).collect()
    }

    fn operation(&mut self, response: Response) -> Option<pb::ResponseOp> {
        let response = match response {
            Response::Txn { succeeded, responses } => WireOp::ResponseTxn(pb::TxnResponse {
                header: Some(pb::ResponseHeader::default()),
                succeeded,
                responses: self.operations(responses)?,
            }),
            Response::Range(body) => WireOp::ResponseRange(range_response(self.header(), body)),
            other => {
                self.changed |= changes(&other);
                let header = self.header();
                match other {
                    put @ Response::Put { .. } => WireOp::ResponsePut(put_response(header, put)?),
                    other => WireOp::ResponseDeleteRange(delete_response(header, other)?),
                }
            }
        };
        Some(pb::ResponseOp { response: Some(response) })
    }

    fn header(&self) -> pb::ResponseHeader {
        let revision = if self.changed { self.after } else { self.before };
        pb::ResponseHeader { revision, ..pb::ResponseHeader::default() }
    }
}
