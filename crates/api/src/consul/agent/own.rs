//! What a server says of itself and of the others.

use node::NodeState;
use serde_json::{Map, Value, json};
use state::auth::acl::Resource;
use state::directory::NodeRecord;

use crate::consul::answer::{Answer, Outcome};
use crate::consul::asked::Asked;
use crate::consul::filter::shape;
use crate::consul::home::{VERSION, host, uuid};
use crate::consul::problem::Problem;
use crate::consul::status;

/// Consul's numbers for how a member is.
const ALIVE: u64 = 1;
const FAILED: u64 = 4;

fn port(address: &str) -> u64 {
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

fn member(asked: &Asked, record: &NodeRecord, wan: bool) -> Value {
    let nodes = asked.handle().nodes();
    let is_own = record.id == asked.handle().node();
    let seen = nodes.iter().find(|it| it.node == record.id);
    let lost = !is_own && seen.is_none_or(|it| it.state == NodeState::Lost);
    let datacenter = asked.home.datacenter();
    let name = if wan { format!("{}.{datacenter}", record.name) } else { record.name.clone() };
    json!({
        "Name": name,
        "Addr": host(&record.client_address),
        "Port": port(&record.peer_address),
        "Tags": {
            "role": "consul",
            "dc": datacenter,
            "id": uuid(record.identity),
            "build": VERSION,
            "port": port(&record.peer_address).to_string(),
            "vsn": "2",
            "segment": "",
        },
        "Status": if lost { FAILED } else { ALIVE },
        "ProtocolMin": 1,
        "ProtocolMax": 5,
        "ProtocolCur": 2,
        "DelegateMin": 2,
        "DelegateMax": 5,
        "DelegateCur": 4,
    })
}

/// `GET /v1/agent/members`
pub(in crate::consul) async fn members(asked: &Asked) -> Outcome {
    let filter = asked.filter(&shape::MEMBER)?;
    let wan = asked.parameters.flag("wan");
    let directory = asked.handle().directory();
    let judge = asked.caller().judge(true).await?;
    let seen = directory.nodes.values().filter(|it| judge.sees(Resource::Member(&it.name)));
    let all = seen.map(|record| member(asked, record, wan));
    let all: Vec<Value> = all.filter(|it| filter.matches(it)).collect();
    Ok(Answer::json(&all))
}

/// `GET /v1/agent/self`
pub(in crate::consul) async fn self_(asked: &Asked) -> Outcome {
    let record = asked.home.record();
    let handle = asked.handle();
    let datacenter = asked.home.datacenter();
    let leader = status::leader_address(asked);
    let is_leader = handle.leader(asked.keyspace) == Some(handle.node());
    let header = handle.header(asked.keyspace);
    let servers = handle.directory().nodes.len();
    Ok(Answer::json(&json!({
        "Config": {
            "Datacenter": datacenter,
            "PrimaryDatacenter": datacenter,
            "NodeName": record.name,
            "NodeID": uuid(record.identity),
            "Revision": concat!("hiraeth-", env!("CARGO_PKG_VERSION")),
            "Server": true,
            "Version": VERSION,
        },
        "DebugConfig": {
            "Bootstrap": false,
            "Datacenter": datacenter,
            "SerfAdvertiseAddrLAN": format!("tcp://{}", record.peer_address),
            "Server": true,
        },
        "Coord": { "Vec": vec![0.0; 8], "Error": 1.5, "Adjustment": 0.0, "Height": 1e-5 },
        "Member": member(asked, &record, false),
        "Stats": {
            "agent": { "check_monitors": "0", "check_ttls": "0", "checks": "0", "services": "0" },
            "build": {
                "prerelease": "",
                "revision": concat!("hiraeth-", env!("CARGO_PKG_VERSION")),
                "version": VERSION,
            },
            "consul": {
                "acl": if handle.acl_switch().0 { "enabled" } else { "disabled" },
                "bootstrap": "false",
                "known_datacenters": "1",
                "leader": is_leader.to_string(),
                "leader_addr": leader,
                "server": "true",
            },
            "raft": {
                "applied_index": header.revision.get().to_string(),
                "num_peers": servers.saturating_sub(1).to_string(),
                "state": if is_leader { "Leader" } else { "Follower" },
                "term": header.term.get().to_string(),
            },
            "serf_lan": { "members": servers.to_string() },
        },
        "Meta": { "consul-network-segment": "", "consul-version": VERSION },
        "xDS": { "SupportedProxies": {}, "Port": -1, "Ports": { "Plaintext": -1, "TLS": -1 } },
    })))
}

/// `GET /v1/agent/version`
pub(in crate::consul) async fn version(_: &Asked) -> Outcome {
    Ok(Answer::json(&json!({
        "SHA": concat!("hiraeth-", env!("CARGO_PKG_VERSION")),
        "BuildDate": "0001-01-01T00:00:00Z",
        "HumanVersion": VERSION,
        "FIPS": "",
    })))
}

/// `GET /v1/agent/host`
pub(in crate::consul) async fn host_info(asked: &Asked) -> Outcome {
    let room = asked.handle().room();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    Ok(Answer::json(&json!({
        "Memory": Map::new(),
        "CPU": [],
        "Host": { "hostname": asked.home.record().name, "os": std::env::consts::OS },
        "Disk": { "path": asked.handle().data_dir(), "free": room.free, "total": room.total },
        "CollectionTime": nanos,
        "Errors": null,
    })))
}

/// `GET /v1/agent/metrics`
pub(in crate::consul) async fn metrics(asked: &Asked) -> Outcome {
    let text = crate::metrics::exposition(asked.handle()).await;
    if asked.parameters.get("format") == Some("prometheus") {
        return Ok(Answer::bytes("text/plain; version=0.0.4; charset=utf-8", text));
    }
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let gauges = samples.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels: Map<String, Value> = labels
            .trim_end_matches('}')
            .split(',')
            .filter_map(|pair| {
                let (label, value) = pair.split_once('=')?;
                Some((label.to_owned(), value.trim_matches('"').into()))
            })
            .collect();
        let value: f64 = value.parse().ok()?;
        Some(json!({ "Name": name, "Value": value, "Labels": labels }))
    });
    let gauges: Vec<Value> = gauges.collect();
    Ok(Answer::json(&json!({
        "Timestamp": "",
        "Gauges": gauges,
        "Points": [],
        "Counters": [],
        "Samples": [],
    })))
}

/// `PUT /v1/agent/join/:address`: servers find each other by their own means.
pub(in crate::consul) async fn join(_: &Asked) -> Outcome {
    Ok(Answer::done())
}

/// `PUT /v1/agent/reload`: there is nothing that is read again.
pub(in crate::consul) async fn reload(_: &Asked) -> Outcome {
    Ok(Answer::done())
}

/// `PUT /v1/agent/leave`: only where the server was told to. It is no agent beside whoever asks, but serves
/// others too; it stays a member, as one that was stopped otherwise.
pub(in crate::consul) async fn leave(asked: &Asked) -> Outcome {
    if asked.handle().ask_to_leave().is_err() {
        return Err(Problem::failed(
            "a server of Hiraeth is stopped where it runs (SIGTERM), not by a request; one that was \
             started with --leave-when-asked is",
        ));
    }
    tracing::warn!(client = asked.sender.origin, "stopping: a client asked this server to leave");
    Ok(Answer::done())
}

/// `PUT /v1/agent/force-leave/:node`
pub(in crate::consul) async fn force_leave(asked: &Asked) -> Outcome {
    let name = asked.name("node name")?;
    let directory = asked.handle().directory();
    let plain = name.strip_suffix(&format!(".{}", asked.home.datacenter())).unwrap_or(&name);
    if directory.nodes.values().any(|record| record.name == plain) {
        // Whether a member is alive is seen, and who is to leave the cluster is removed from it.
        return Ok(Answer::done());
    }
    Err(Problem::failed(format!("agent: No node found with name '{name}'")))
}
