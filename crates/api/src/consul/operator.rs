//! `/v1/operator`: the servers, for who runs them.

use hyper::StatusCode;
use node::{NodeState, Topic};
use serde_json::{Map, Value, json};
use state::auth::Demand;
use state::auth::acl::{Access, Resource};
use state::directory::{NodeRecord, Part};
use state::registry::query::Indexed;
use types::NodeId;

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::home::{VERSION, uuid};
use super::problem::Problem;

/// What takes part in the cluster's changes.
fn voters(asked: &Asked) -> Vec<NodeRecord> {
    let directory = asked.handle().directory();
    directory.nodes.values().filter(|it| it.part == Part::Voter).cloned().collect()
}

/// `GET /v1/operator/raft/configuration`, of the group that has the registry.
pub(super) async fn raft_configuration(asked: &Asked) -> Outcome {
    let status = asked.handle().status(asked.keyspace).await?;
    let leader = status.body.leader;
    let directory = asked.handle().directory();
    let servers = directory.nodes.values().map(|it| {
        json!({
            "ID": uuid(it.identity),
            "Node": it.name,
            "Address": it.peer_address,
            "Leader": leader == Some(it.id),
            "ProtocolVersion": "3",
            "Voter": it.part == Part::Voter,
            "LastIndex": status.body.last_index,
        })
    });
    let servers: Vec<Value> = servers.collect();
    // Each group of Raft here has a configuration of its own: there is no one index.
    Ok(Answer::json(&json!({ "Servers": servers, "Index": 0 })))
}

/// Root may, and whose token says so.
async fn may_operate(asked: &Asked) -> Result<(), Problem> {
    let what = Demand::Resource(Resource::Operator, Access::Write);
    Ok(asked.caller().permit(what).await?)
}

/// The server that a request names by `?id=` or `?address=`.
fn named(asked: &Asked) -> Result<Option<NodeId>, Problem> {
    let parameter = |name| asked.parameters.get(name).filter(|text| !text.is_empty());
    let directory = asked.handle().directory();
    let (what, found) = match (parameter("id"), parameter("address")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Problem::bad("Must specify either ?id or ?address, not both"));
        }
        (Some(id), None) => (id, directory.nodes.values().find(|it| uuid(it.identity) == id)),
        (None, Some(it)) => (it, directory.nodes.values().find(|known| known.peer_address == it)),
    };
    let found = found.map(|it| Some(it.id));
    found
        .ok_or_else(|| Problem::failed(format!("{what:?} was not found in the Raft configuration")))
}

/// `DELETE /v1/operator/raft/peer`
pub(super) async fn remove_peer(asked: &Asked) -> Outcome {
    let Some(node) = named(asked)? else {
        return Err(Problem::bad(
            "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
        ));
    };
    may_operate(asked).await?;
    asked.handle().remove_member(node).await?;
    Ok(Answer::done())
}

/// `POST /v1/operator/raft/transfer-leader`
pub(super) async fn transfer_leader(asked: &Asked) -> Outcome {
    may_operate(asked).await?;
    let leader = asked.handle().leader(asked.keyspace);
    let to = match named(asked)? {
        Some(node) => node,
        None => {
            let heard = asked.handle().nodes();
            let is_heard = |id| heard.iter().any(|it| it.node == id && it.state != NodeState::Lost);
            let other =
                voters(asked).into_iter().find(|it| Some(it.id) != leader && is_heard(it.id));
            other.ok_or_else(|| Problem::failed("cannot find peer"))?.id
        }
    };
    asked.handle().move_leader(asked.keyspace, to).await?;
    Ok(Answer::json(&json!({ "Success": true })))
}

/// The servers as Consul's autopilot sees them; each with whether it is well.
async fn servers(asked: &Asked) -> Result<Vec<(NodeRecord, bool, Value)>, Problem> {
    let status = asked.handle().status(asked.keyspace).await?;
    let heard = asked.handle().nodes();
    let directory = asked.handle().directory();
    let shown = directory.nodes.values().map(|it| {
        let is_own = it.id == asked.handle().node();
        let is_lost = heard.iter().any(|seen| seen.node == it.id && seen.state == NodeState::Lost);
        let is_well = is_own || !is_lost;
        let shown = json!({
            "ID": uuid(it.identity),
            "Name": it.name,
            "Address": it.peer_address,
            "SerfStatus": if is_well { "alive" } else { "failed" },
            "Version": VERSION,
            "Leader": status.body.leader == Some(it.id),
            "Voter": it.part == Part::Voter,
            "LastContact": "0s",
            "LastTerm": status.header.term.get(),
            "LastIndex": status.body.last_index,
            "Healthy": is_well,
            "StableSince": "0001-01-01T00:00:00Z",
        });
        (it.clone(), is_well, shown)
    });
    Ok(shown.collect())
}

/// How many servers may be lost before nothing can be changed any more.
fn tolerance(servers: &[(NodeRecord, bool, Value)]) -> usize {
    let voters = servers.iter().filter(|(it, ..)| it.part == Part::Voter);
    let well = voters.clone().filter(|(_, is_well, _)| *is_well).count();
    well.saturating_sub(voters.count() / 2 + 1)
}

/// `GET /v1/operator/autopilot/health`
pub(super) async fn autopilot_health(asked: &Asked) -> Outcome {
    let servers = servers(asked).await?;
    let all_well = servers.iter().all(|(_, is_well, _)| *is_well);
    let answer = Answer::json(&json!({
        "Healthy": all_well,
        "FailureTolerance": tolerance(&servers),
        "Servers": servers.iter().map(|(.., shown)| shown).collect::<Vec<_>>(),
    }));
    Ok(if all_well { answer } else { answer.status(StatusCode::TOO_MANY_REQUESTS) })
}

/// `GET /v1/operator/autopilot/state`
pub(super) async fn autopilot_state(asked: &Asked) -> Outcome {
    let servers = servers(asked).await?;
    let ids = |is_meant: &dyn Fn(&NodeRecord) -> bool| -> Vec<String> {
        let meant = servers.iter().filter(|(it, ..)| is_meant(it));
        meant.map(|(it, ..)| uuid(it.identity)).collect()
    };
    let leader = asked.handle().leader(asked.keyspace);
    let by_id: Map<String, Value> = servers
        .iter()
        .map(|(it, _, shown)| {
            let mut shown = shown.clone();
            let status = match it.part {
                _ if Some(it.id) == leader => "leader",
                Part::Voter => "voter",
                Part::Learner => "non-voter",
            };
            shown["Status"] = status.into();
            shown["NodeStatus"] = shown["SerfStatus"].clone();
            shown["NodeType"] = "voter".into();
            (uuid(it.identity), shown)
        })
        .collect();
    let tolerance = tolerance(&servers);
    Ok(Answer::json(&json!({
        "Healthy": servers.iter().all(|(_, is_well, _)| *is_well),
        "FailureTolerance": tolerance,
        "OptimisticFailureTolerance": tolerance,
        "Servers": by_id,
        "Leader": ids(&|it| Some(it.id) == leader).first().cloned().unwrap_or_default(),
        "Voters": ids(&|it| it.part == Part::Voter),
    })))
}

/// `/v1/operator/keyring`
pub(super) async fn keyring(_: &Asked) -> Outcome {
    Err(Problem::failed("keyring is empty: servers of Hiraeth do not gossip"))
}

/// `GET /v1/operator/usage`
pub(super) async fn usage(asked: &Asked) -> Outcome {
    let (usage, meta) = asked
        .registry(Topic::Checks, |registry| Indexed {
            index: registry.nodes(&[]).index,
            value: registry.counts(),
        })
        .await?;
    let Some([nodes, services, instances, _]) = usage else {
        return Err(Problem::denied("Permission denied"));
    };
    Ok(Answer::json(&json!({
        "Usage": { asked.home.datacenter(): {
            "Nodes": nodes,
            "Services": services,
            "ServiceInstances": instances,
        }},
        "Index": meta.index.get(),
        "LastContact": 0,
        "KnownLeader": meta.known_leader,
        "ConsistencyLevel": "leader",
        "NotModified": false,
        "Backend": 0,
        "ResultsFilteredByACLs": false,
    }))
    .at(meta))
}
