//! One server takes the place of another, that is there or dead, while clients write: the command can be
//! broken off and begun again.

use std::process::Stdio;

use client::native::Liveness;
use client::{Client, Get, Options};
use serde_json::Value;

use crate::failover::{PREFIX, Writers, assert_has};
use crate::program::{program, tool, until, wait};
use crate::server::{Server, Single, Three, until_all_is_well};

fn nodes(endpoints: &str) -> Vec<Value> {
    let listed = tool(endpoints, &["admin", "node", "list", "--output", "json"]).json();
    listed.as_array().unwrap().clone()
}

fn replace(endpoints: &str, arguments: &[&str]) -> crate::program::Ended {
    tool(endpoints, &[&["admin", "node", "replace"], arguments, &["--output", "json"]].concat())
}

/// A server that asks to be let in until it is.
fn newcomer(three: &Three) -> Server {
    Server::new(three.directory.path(), "n4")
}

fn join(three: &Three, new: &mut Server) {
    let peers: Vec<&str> = three.servers.iter().map(|server| server.peer.as_str()).collect();
    new.start(&["serve", "--name", "n4", "--join", &peers.join(",")]);
}

async fn wide(endpoints: &str) -> Client {
    tool(endpoints, &["keyspace", "create", "wide", "--sharded", "--split-at", "m"]).well();
    for key in ["a", "z"] {
        tool(endpoints, &["kv", "put", key, key, "--keyspace", "wide"]).well();
    }
    let options = Options { keyspace: Some("wide".to_owned()), ..Options::default() };
    Client::connect(endpoints.split(','), options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_server_is_replaced_by_one_command_that_may_be_broken_off() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    let all = endpoints.join(",");
    wide(&all).await;
    until_all_is_well(&all);
    let mut new = newcomer(&three);

    // Nothing is begun for what is wrong.
    let taken = three.servers[2].peer.clone();
    let wrong = [
        (all.clone(), ["nobody", "--with", &new.peer], "no server \"nobody\""),
        (all.clone(), ["n1", "--with", &taken], "is n3 already"),
        (all.clone(), ["n3", "--with", &taken], "where n3 itself is"),
        (endpoints[1].clone(), ["n2", "--with", &new.peer], "no other server is given to ask"),
    ];
    for (at, arguments, words) in wrong {
        let told = replace(&at, &arguments).failed(2);
        assert!(told.contains(words), "{told}");
    }
    let other = Single::start().await;
    let both = format!("{},{all}", other.server.client);
    let told = replace(&both, &["n2", "--with", &new.peer]).failed(2);
    assert!(told.contains("of several clusters"), "{told}");
    assert!(nodes(&all).iter().all(|node| node["draining"] == false));
    assert_eq!(nodes(&all).len(), 3);
    // Nor where the old one is drained for another reason, and the address is a mistake.
    // It says on the error output that others keep their replicas.
    assert_eq!(tool(&all, &["admin", "node", "drain", "n1"]).code, 0);
    let told = replace(&all, &["n1", "--with", &taken]).failed(2);
    assert!(told.contains("is n3 already"), "{told}");
    tool(&all, &["admin", "node", "fill", "n1"]).well();

    let rest: Vec<String> = [0, 2].map(|at| endpoints[at].clone()).into();
    let stays = rest.join(",");
    let writers = Writers::start(4, &rest).await;
    writers.progress(20);
    // Nobody starts the new one, and the command ends; then it is killed in the middle.
    let told = replace(&stays, &["n2", "--with", &new.peer, "--within", "1s"]).failed(5);
    assert!(told.contains("start it with an empty directory"), "{told}");
    join(&three, &mut new);
    let mut command = program();
    command.args(["admin", "node", "replace", "n2", "--with", &new.peer]);
    command.env("HIRAETH_ENDPOINTS", &stays).stdout(Stdio::null()).stderr(Stdio::null());
    let mut broken_off = command.spawn().unwrap();
    until("the new one is let in", || {
        nodes(&stays).iter().any(|node| node["name"] == "n4" && node["phase"] == "member")
    });
    broken_off.kill().unwrap();
    wait(&mut broken_off);

    let told = replace(&stays, &["n2", "--with", &new.peer]).failed(2);
    assert!(told.contains("is n4 already") && told.contains("--go-on"), "{told}");
    let ended = replace(&stays, &["n2", "--with", &new.peer, "--go-on"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["learner"]), (&"n4".into(), &false.into()));
    assert_eq!(three.servers[1].ended(), Some(4), "{}", three.servers[1].log());
    let names: Vec<_> = nodes(&stays).iter().map(|node| node["name"].clone()).collect();
    assert_eq!(names, ["n1", "n3", "n4"]);
    // Once more it has nothing to do.
    let ended = replace(&stays, &["n2", "--with", &new.peer]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    check(&[&three.servers[0], &three.servers[2], &new], writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_replaced_and_no_other_while_it_is_dead() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    wide(&endpoints.join(",")).await;
    until_all_is_well(&endpoints.join(","));
    let mut new = newcomer(&three);
    let dead = three.leader().await;
    three.servers[dead].kill();
    let rest: Vec<String> =
        endpoints.iter().filter(|it| **it != endpoints[dead]).cloned().collect();
    let stays = rest.join(",");
    let client = Client::connect(rest.clone(), Options::default()).await.unwrap();
    for endpoint in &rest {
        loop {
            let status = client.node_status(endpoint).await.unwrap();
            let lost = status.seen.iter().find(|seen| seen.node == dead as u64 + 1);
            if lost.is_some_and(|seen| seen.state() == Liveness::Lost) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let writers = Writers::start(4, &rest).await;
    writers.progress(20);

    let (name, other) = (three.servers[dead].name.clone(), &three.servers[(dead + 1) % 3].name);
    let told = replace(&stays, &[other, "--with", &new.peer]).failed(5);
    assert!(told.contains("unhealthy cluster"), "{told}");
    assert!(nodes(&stays).iter().all(|node| node["draining"] == false), "it was begun");
    join(&three, &mut new);
    let ended = replace(&stays, &[&name, "--with", &new.peer]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let order = ["adding a server", &format!("removing {name}"), "will vote then"];
    let at =
        order.map(|words| ended.stderr.find(words).unwrap_or_else(|| panic!("{}", ended.stderr)));
    assert!(at.is_sorted(), "{}", ended.stderr);
    let listed = nodes(&stays);
    assert!(listed.iter().all(|node| node["name"] != name.as_str()), "{listed:?}");
    assert!(listed.iter().all(|node| node["learner"] == false && node["draining"] == false));
    let stay: Vec<&Server> =
        three.servers.iter().filter(|it| it.name != name).chain([&new]).collect();
    check(&stay, writers).await;
}

/// Every acknowledged write is on each of the servers, and each has what was in the sharded keyspace.
async fn check(servers: &[&Server], writers: Writers) {
    writers.progress(20);
    let acknowledged = writers.end().await;
    let all: Vec<&str> = servers.iter().map(|server| server.client.as_str()).collect();
    until_all_is_well(&all.join(","));
    for server in servers {
        assert_has(&server.client, &acknowledged, Get::prefix(PREFIX).serializable()).await;
        for key in ["a", "z"] {
            let got = ["kv", "get", key, "--value-only", "--keyspace", "wide"];
            assert_eq!(tool(&server.client, &got).well().trim(), key);
        }
    }
    let listed = nodes(&all.join(","));
    assert!(listed.iter().all(|node| node["replicas"] == 2), "{listed:?}");
}
