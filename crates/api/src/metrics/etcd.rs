//! What dashboards for etcd look for first; the rest comes with issue 4.

use node::{Answer, ReplicaStatus};

use super::text::{Kind::Gauge, Text};
use crate::etcd::VERSION;

pub(super) fn write(text: &mut Text, status: Option<&Answer<ReplicaStatus>>) {
    let name = "etcd_server_version";
    text.family(name, Gauge, "The etcd version whose API is served.");
    text.value(name, &[("server_version", VERSION)], 1);
    let Some(Answer { header, body }) = status else { return };
    let leads = body.leader == Some(header.member);
    let gauges: [(&str, &str, i128); 5] = [
        ("etcd_server_has_leader", "Whether a leader is known.", body.leader.is_some().into()),
        ("etcd_server_is_leader", "Whether this node leads.", leads.into()),
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
    ];
    for (name, help, value) in gauges {
        text.one(name, Gauge, help, value);
    }
}
