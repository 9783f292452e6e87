//! What a server tells of itself.

use node::{Answer, ReplicaStatus};
use proto::etcdserverpb as pb;
use types::{Code, NodeId};

use super::alarm;
use crate::error;
use crate::etcd::{CLUSTER_VERSION, VERSION, convert};

/// The answer.
pub(super) fn response(answer: &Answer<ReplicaStatus>) -> pb::StatusResponse {
    let Answer { header, body } = answer;
    let leaderless = body.leader.is_none().then(|| error::of(Code::NoLeader).text.to_owned());
    pb::StatusResponse {
        header: Some(convert::header(header)),
        version: VERSION.to_owned(),
        db_size: signed(body.db_size),
        leader: body.leader.map_or(0, NodeId::get),
        raft_index: body.commit_index,
        raft_term: header.term.get(),
        raft_applied_index: body.applied_index,
        errors: leaderless.into_iter().chain(body.alarms.iter().map(alarm::text)).collect(),
        db_size_in_use: signed(body.db_size_in_use),
        is_learner: body.is_learner,
        storage_version: CLUSTER_VERSION.to_owned(),
        // There is none: the disk is the limit.
        db_size_quota: 0,
        downgrade_info: Some(pb::DowngradeInfo::default()),
    }
}

/// The wire carries sizes as signed numbers.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
