//! What dashboards for etcd look for, under etcd's names: of the keyspace `default`, the node, and its
//! way to others.

use node::{Answer, Handle, RegionStats, ReplicaStatus};
use types::{Code, KeyspaceId};

use super::text::{
    Kind::{Counter, Gauge},
    Text,
};
use crate::etcd::{CLUSTER_VERSION, VERSION};

/// Outcomes that etcd counts as failed: nobody carried the command out, or nobody knows.
const FAILED: [Code; 4] =
    [Code::NoLeader, Code::LeaderChanged, Code::Timeout, Code::TooManyRequests];

pub(super) fn write(
    text: &mut Text,
    handle: &Handle,
    status: Option<&Answer<ReplicaStatus>>,
    regions: &[RegionStats],
) {
    let name = "etcd_server_version";
    text.family(name, Gauge, "The etcd version whose API is served.");
    text.value(name, &[("server_version", VERSION)], 1);
    let name = "etcd_cluster_version";
    text.family(name, Gauge, "The version that the cluster's nodes have in common.");
    text.value(name, &[("cluster_version", CLUSTER_VERSION)], 1);
    let name = "etcd_server_id";
    text.family(name, Gauge, "This node.");
    text.value(name, &[("server_id", &format!("{:x}", handle.node().get()))], 1);
    counts(text, handle);
    if let Some(status) = status {
        replica(text, status);
    }
    let pending: usize = regions
        .iter()
        .filter(|region| region.keyspace == KeyspaceId::DEFAULT)
        .filter_map(|region| region.group.as_ref())
        .map(|group| group.pending_proposals)
        .sum();
    let help = "Commands that wait for their commit.";
    text.one("etcd_server_proposals_pending", Gauge, help, pending);
    peers(text, handle);
}

fn counts(text: &mut Text, handle: &Handle) {
    let meters = handle.meters();
    let help = "Times the leader changed, as this node saw it.";
    let changes = meters.leader_changes.get();
    text.one("etcd_server_leader_changes_seen_total", Counter, help, changes);
    let failed: u64 = Code::ALL
        .iter()
        .zip(&meters.refused)
        .filter(|(code, _)| FAILED.contains(code))
        .map(|(_, count)| count.get())
        .sum();
    let help = "Commands that were not carried out, or nobody knows.";
    text.one("etcd_server_proposals_failed_total", Counter, help, failed);
    let help = "How long syncs of the log took.";
    let syncs = meters.syncs.tally();
    text.histogram("etcd_disk_wal_fsync_duration_seconds", help, &syncs, 1e6);
    let help = "How long the engine took for a batch of applied entries.";
    let commits = meters.commits.tally();
    text.histogram("etcd_disk_backend_commit_duration_seconds", help, &commits, 1e6);
    let room = handle.room();
    let help = "Bytes the data may have; as much as the disk has.";
    text.one("etcd_server_quota_backend_bytes", Gauge, help, room.total);
}

fn replica(text: &mut Text, Answer { header, body }: &Answer<ReplicaStatus>) {
    let leads = body.leader == Some(header.member);
    let gauges: [(&str, &str, i128); 9] = [
        ("etcd_server_has_leader", "Whether a leader is known.", body.leader.is_some().into()),
        ("etcd_server_is_leader", "Whether this node leads.", leads.into()),
        ("etcd_server_is_learner", "Whether this node does not vote.", body.is_learner.into()),
        // Gauges in etcd too, whatever they are called.
        (
            "etcd_server_proposals_committed_total",
            "The newest entry known committed.",
            body.commit_index.into(),
        ),
        (
            "etcd_server_proposals_applied_total",
            "The newest entry applied.",
            body.applied_index.into(),
        ),
        (
            "etcd_mvcc_db_total_size_in_bytes",
            "Bytes of the records kept, on disk and not yet there.",
            body.db_size.into(),
        ),
        (
            "etcd_mvcc_db_total_size_in_use_in_bytes",
            "Bytes of the engine in use.",
            body.db_size_in_use.into(),
        ),
        (
            "etcd_debugging_mvcc_current_revision",
            "The newest revision applied.",
            header.revision.get().into(),
        ),
        (
            "etcd_debugging_mvcc_compact_revision",
            "The oldest revision that can be read.",
            body.compacted.get().into(),
        ),
    ];
    for (name, help, value) in gauges {
        text.one(name, Gauge, help, value);
    }
}

fn peers(text: &mut Text, handle: &Handle) {
    let traffic = handle.traffic();
    let sent = "etcd_network_peer_sent_bytes_total";
    text.family(sent, Counter, "Bytes to other nodes.");
    for (node, peer) in &traffic {
        let bytes = peer.sent_urgent.bytes + peer.sent_bulk.bytes;
        text.value(sent, &[("To", &format!("{:x}", node.get()))], bytes);
    }
    let received = "etcd_network_peer_received_bytes_total";
    text.family(received, Counter, "Bytes from other nodes.");
    for (node, peer) in &traffic {
        let bytes = peer.received_urgent.bytes + peer.received_bulk.bytes;
        text.value(received, &[("From", &format!("{:x}", node.get()))], bytes);
    }
}
