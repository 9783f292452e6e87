//! Three servers, and their faults.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use client::native::Role;
use client::{Client, Get, Options, Put};
use rustix::process::Signal;

use crate::failover::{PREFIX, Writers, assert_has};
use crate::ports;
use crate::program::{program, signal, tool, until, wait};
use crate::server::{DEFAULT_REGION, Server, Three, leader, place, until_all_is_well};
use crate::watching::follow;

/// `hiraeth cluster` and what it prints.
struct Local {
    process: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Local {
    fn start(base: u16, data: &std::path::Path, arguments: &[&str]) -> Self {
        let mut process = program()
            .args(["cluster", "--base-port", &base.to_string(), "--data-dir"])
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stdout, printed) = (process.stdout.take().unwrap(), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                printed.lock().unwrap().push(line);
            }
        });
        Self { process, lines }
    }

    fn printed(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line with these words; answers its place.
    fn line(&self, words: &str, after: usize) -> usize {
        let mut found = None;
        until(words, || {
            found = self.printed().iter().skip(after).position(|line| line.contains(words));
            found.is_some()
        });
        after + found.unwrap()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It ends the servers it started.
        if self.process.try_wait().unwrap().is_none() {
            signal(&self.process, Signal::TERM);
            drop(self.process.wait());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_costs_no_acknowledged_write_and_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let base = ports::free(3);
    let mut local = Local::start(base, directory.path(), &["--kill-leader-every", "3s"]);
    let endpoints: Vec<String> = (0..3).map(|at| format!("127.0.0.1:{}", base + at * 10)).collect();
    let all = endpoints.join(",");
    local.line(" leads default in term ", 0);
    for (at, endpoint) in endpoints.iter().enumerate() {
        let printed = local.printed();
        let words = format!("n{} started, pid ", at + 1);
        assert!(printed.iter().any(|line| line.contains(&words) && line.contains(endpoint)));
        tool(endpoint, &["kv", "put", "through", endpoint]).well();
    }

    let writers = Writers::start(8, &endpoints).await;
    let mut followers = Vec::new();
    for first in 0..3 {
        let mut endpoints = endpoints.clone();
        endpoints.rotate_left(first);
        followers.push(follow(endpoints, PREFIX).await);
    }
    let killed = local.line(" killed with -9", 0);
    let again = local.line(" started again, pid ", killed);
    let name = |line: usize| local.printed()[line].split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(name(killed), name(again));
    writers.progress(100);
    let acknowledged = writers.end().await;
    for (told, _) in &followers {
        until("every acknowledged write is told", || {
            let told = told.lock().unwrap();
            let told: BTreeSet<&str> = told.iter().map(|(_, key)| key.as_str()).collect();
            acknowledged.keys().all(|key| told.contains(key.as_str()))
        });
    }
    // The last revision a follower saw may be one nobody was told of; what counts is the order.
    for (told, task) in followers {
        assert!(!task.is_finished(), "a watch ended");
        task.abort();
        let told = told.lock().unwrap();
        assert!(told.is_sorted_by(|(before, _), (after, _)| before < after), "not in order");
    }

    signal(&local.process, Signal::TERM);
    assert!(wait(&mut local.process).success());
    assert!(local.printed().last().unwrap().contains("stopped"));
    // The killed one has everything, too, when asked for its own copy.
    let local = Local::start(base, directory.path(), &[]);
    local.line(" leads default in term ", 0);
    until_all_is_well(&all);
    for endpoint in &endpoints {
        assert_has(endpoint, &acknowledged, Get::prefix(PREFIX).serializable()).await;
    }
}

/// Also when they are started again on what is left.
#[test]
fn the_others_go_on_without_a_removed_one() {
    let directory = tempfile::tempdir().unwrap();
    let base = ports::free(3);
    let first = format!("127.0.0.1:{base}");
    let local = Local::start(base, directory.path(), &[]);
    local.line(" leads default in term ", 0);
    until_all_is_well(&first);
    tool(&first, &["admin", "node", "remove", "n3"]).well();
    local.line("n3 stays out; the others go on", 0);
    tool(&first, &["kv", "put", "still", "there"]).well();
    drop(local);
    let local = Local::start(base, directory.path(), &[]);
    local.line("n3 stays out; the others go on", 0);
    local.line(" leads default in term ", 0);
    assert_eq!(tool(&first, &["kv", "get", "still", "--value-only"]).well(), "there");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_killed_at_once_lose_nothing() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    let all = endpoints.join(",");
    let client = Client::connect(endpoints.clone(), Options::default()).await.unwrap();
    client.create_keyspace("tenant").await.unwrap();
    tool(&all, &["kv", "put", "mine", "1", "--keyspace", "tenant"]).well();
    let writers = Writers::start(8, &endpoints).await;
    writers.progress(200);
    three.servers.iter_mut().for_each(|server| server.kill());
    let told = tool(&all, &["kv", "get", "mine", "--timeout", "1s"]).failed(5);
    assert!(endpoints.iter().all(|endpoint| told.contains(endpoint)), "{told}");
    (0..3).for_each(|at| three.start_one(at));
    three.serve().await;
    writers.progress(100);
    let acknowledged = writers.end().await;
    for endpoint in &endpoints {
        assert_has(endpoint, &acknowledged, Get::prefix(PREFIX)).await;
        let mine = tool(endpoint, &["kv", "get", "mine", "--value-only", "--keyspace", "tenant"]);
        assert_eq!(mine.well(), "1");
    }
    until_all_is_well(&all);

    // One is gone: the others serve, and the screen says who is missing.
    let killed = three.leader().await;
    three.servers[killed].kill();
    client.put(Put::new("without it", "x")).await.unwrap();
    let status = tool(&all, &["status"]);
    assert_eq!(status.code, 1, "{}{}", status.stdout, status.stderr);
    let screen = status.stdout;
    let name = &three.servers[killed].name;
    let warning = format!("node {} ({name}) cannot be reached", killed + 1);
    assert!(screen.contains("unreachable") && screen.contains(&warning), "{screen}");
    let examined = doctor(&all);
    assert_eq!((examined.0, examined.2), (2, 2), "two answered, and something is wrong now");
    assert!(
        examined.1.contains("no-spare") && examined.1.contains("silent-replicas"),
        "{examined:?}"
    );
    let picture = tool(&all, &["top", "--once", "--every", "200ms", "--output", "json"]).json();
    assert_eq!(picture["state"], "degraded");
    assert_eq!(picture["nodes"][killed]["state"], "unreachable");
    assert_eq!(picture["nodes"][killed]["sync_99_ms"], serde_json::Value::Null);
    let listing = tool(&all, &["top", "--once", "--every", "200ms"]).well();
    assert!(listing.contains("2 of 3 servers up") && !listing.contains('\x1b'), "{listing}");
    // Both are gone: no write, but what a server has can be read.
    let second = (killed + 1) % 3;
    three.servers[second].kill();
    let last = &three.servers[(killed + 2) % 3].client.clone();
    let read = tool(last, &["kv", "get", "without it", "--serializable", "--value-only"]).well();
    assert_eq!(read, "x");
    let told = tool(last, &["kv", "put", "a", "b", "--timeout", "1s"]).failed(6);
    assert!(told.contains("may have been carried out"), "{told}");
    until("the last one knows that it is alone", || {
        let status = tool(last, &["status"]);
        status.code == 2 && status.stdout.contains("1 of 3 replicas")
    });
    three.servers[(killed + 2) % 3].kill();
    let told = tool(last, &["status"]).failed(2);
    assert!(told.contains("error: ") && told.contains("is a server running there?"), "{told}");
}

/// What the doctor says: the exit code, the kinds of its findings, and how many servers answered.
fn doctor(endpoints: &str) -> (i32, BTreeSet<String>, u64) {
    let told = tool(endpoints, &["admin", "doctor", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let kind = |finding: &serde_json::Value| finding["kind"].as_str().unwrap().to_owned();
    let kinds = report["findings"].as_array().unwrap().iter().map(kind).collect();
    (told.code, kinds, report["answered"].as_u64().unwrap())
}

/// No time is asserted, but what an election would need is not there yet: at the moment the process
/// has ended, somebody else leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_leader_hands_over_first() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    until_all_is_well(&endpoints.join(","));
    let writers = Writers::start(2, &endpoints).await;
    writers.progress(20);
    let old = three.leader().await;
    three.servers[old].stop();
    let client = Client::connect(endpoints.clone(), Options::default()).await.unwrap();
    let mut leads = Vec::new();
    for endpoint in endpoints.iter().filter(|endpoint| **endpoint != endpoints[old]) {
        let status = client.node_status(endpoint).await.unwrap();
        let region = status.regions.iter().find(|region| region.id == DEFAULT_REGION).unwrap();
        leads.push((region.role(), leader(&status)));
    }
    let new = leads.iter().find(|(role, _)| *role == Role::Leader);
    let new = new.unwrap_or_else(|| panic!("{leads:?}\n{}", three.servers[old].log()));
    assert_ne!(place(new.1.unwrap()), old);
    assert!(three.servers[old].log().contains("handing leadership over"));
    writers.progress(20);
    three.start_one(old);
    three.servers[old].serves().await;
    let acknowledged = writers.end().await;
    assert_has(&endpoints[old], &acknowledged, Get::prefix(PREFIX)).await;
}

/// As a StatefulSet is made larger: all nodes get the same settings, which say where to join. Those that have
/// data pass that over, whatever the initial cluster was; the new one is let in.
#[tokio::test(flavor = "multi_thread")]
async fn all_are_told_where_to_join_and_only_the_new_one_does() {
    let mut three = Three::start().await;
    let all = three.endpoints().join(",");
    tool(&all, &["kv", "put", "before", "1"]).well();
    let peers: Vec<&str> = three.servers.iter().map(|server| server.peer.as_str()).collect();
    let (join, initial) = (peers.join(","), three.initial.clone());
    let arguments = |name: &str| {
        let settings = ["serve", "--name", name, "--initial-cluster", &initial, "--join", &join];
        settings.map(str::to_owned)
    };
    let start = |server: &mut Server| {
        let arguments = arguments(&server.name);
        server.start(&arguments.each_ref().map(String::as_str));
    };
    for at in 0..3 {
        three.servers[at].stop();
        start(&mut three.servers[at]);
        three.servers[at].serves().await;
        assert!(three.servers[at].log().contains("where to join means nothing"));
    }
    // The last one has just begun: who adds another waits until it is heard.
    let mut new = Server::new(three.directory.path(), "n4");
    start(&mut new);
    tool(&all, &["admin", "node", "add", &new.peer]).well();
    new.serves().await;
    let nodes = tool(&all, &["admin", "node", "list", "--output", "json"]).json();
    assert_eq!(nodes.as_array().unwrap().len(), 4, "{nodes}");
    assert_eq!(tool(&new.client, &["kv", "get", "before", "--value-only"]).well(), "1");
}
