//! `/v1/status`: who leads, and who takes part.

use super::answer::{Answer, Outcome};
use super::asked::Asked;

/// Where the leader of the registry is reached by the other servers; empty if nobody leads.
pub(super) fn leader_address(asked: &Asked) -> String {
    let leader = asked.handle().leader(asked.keyspace);
    let directory = asked.handle().directory();
    let record = leader.and_then(|node| directory.nodes.get(&node));
    record.map(|record| record.peer_address.clone()).unwrap_or_default()
}

/// `GET /v1/status/leader`
pub(super) async fn leader(asked: &Asked) -> Outcome {
    Ok(Answer::json(&leader_address(asked)))
}

/// `GET /v1/status/peers`
pub(super) async fn peers(asked: &Asked) -> Outcome {
    let directory = asked.handle().directory();
    let peers: Vec<&String> = directory.nodes.values().map(|it| &it.peer_address).collect();
    Ok(Answer::json(&peers))
}
