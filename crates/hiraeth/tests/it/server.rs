//! Servers as processes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use client::native::NodeStatusResponse;
use client::{Client, Options};
use rustix::process::Signal;

use crate::ports;
use crate::program::{program, signal, until, wait};

/// The region of keyspace `default`.
pub(crate) const DEFAULT_REGION: u64 = 2;

/// One server; its end is the end of the process.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) client: String,
    pub(crate) peer: String,
    pub(crate) http: String,
    pub(crate) data: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

impl Server {
    /// A server that is not started yet, with addresses of its own and its data below `directory`.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let port = ports::free(1);
        let address = |offset| format!("127.0.0.1:{}", port + offset);
        Self {
            name: name.to_owned(),
            client: address(0),
            peer: address(1),
            http: address(2),
            data: directory.join(name),
            log: directory.join(format!("{name}.log")),
            process: None,
        }
    }

    /// Starts it with these arguments besides its addresses and directory.
    pub(crate) fn start(&mut self, arguments: &[&str]) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = program();
        command
            .args(arguments)
            .args(["--listen-client", &self.client, "--listen-peer", &self.peer])
            .args(["--listen-http", &self.http])
            .arg("--data-dir")
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// Waits until it serves.
    pub(crate) async fn serves(&self) {
        let options = Options { timeout: crate::program::DEADLINE, ..Options::default() };
        let client = Client::connect([self.client.as_str()], options).await.unwrap();
        if let Err(error) = client.get("a key").await {
            panic!("{} does not serve: {error}\n{}", self.name, self.log());
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Its process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// MiB of memory it has now.
    pub(crate) fn resident_mebibytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap();
        let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
        (pages * 4_096) >> 20
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.process.as_ref().unwrap(), which);
    }

    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Waits until it ended by itself; answers its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        wait(&mut process).code()
    }

    /// Asks it to stop, and waits until it did.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        signal(&process, Signal::TERM);
        let status = wait(&mut process);
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Three servers of one cluster.
pub(crate) struct Three {
    pub(crate) servers: Vec<Server>,
    /// As `--initial-cluster` wants it.
    pub(crate) initial: String,
    pub(crate) directory: tempfile::TempDir,
}

impl Three {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = ["n1", "n2", "n3"];
        let servers: Vec<Server> =
            names.iter().map(|name| Server::new(directory.path(), name)).collect();
        let members: Vec<String> =
            servers.iter().map(|server| format!("{}={}", server.name, server.peer)).collect();
        let mut three = Self { servers, initial: members.join(","), directory };
        (0..3).for_each(|at| three.start_one(at));
        three.serve().await;
        three
    }

    pub(crate) fn start_one(&mut self, at: usize) {
        let name = self.servers[at].name.clone();
        let initial = self.initial.clone();
        self.servers[at].start(&["serve", "--name", &name, "--initial-cluster", &initial]);
    }

    /// Waits until all serve.
    pub(crate) async fn serve(&self) {
        for server in &self.servers {
            server.serves().await;
        }
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.client.clone()).collect()
    }

    /// Waits until somebody leads `default`; answers who, as a place among the servers.
    pub(crate) async fn leader(&self) -> usize {
        let client = Client::connect(self.endpoints(), Options::default()).await.unwrap();
        let status = client.any_node_status().await.unwrap();
        place(leader(&status).unwrap())
    }
}

/// Who leads `default`, as a node knows it.
pub(crate) fn leader(status: &NodeStatusResponse) -> Option<u64> {
    let region = status.regions.iter().find(|region| region.id == DEFAULT_REGION)?;
    Some(region.leader).filter(|leader| *leader != 0)
}

/// Nodes are numbered from 1 in the order of their names.
pub(crate) fn place(node: u64) -> usize {
    usize::try_from(node).unwrap() - 1
}

/// A single server that serves, started with nothing but addresses and a directory.
pub(crate) struct Single {
    pub(crate) server: Server,
    pub(crate) directory: tempfile::TempDir,
}

impl Single {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::new(directory.path(), "n1");
        server.start(arguments);
        server.serves().await;
        Self { server, directory }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect([self.server.client.as_str()], Options::default()).await.unwrap()
    }
}

/// Waits until every replica of every region has applied what its leader committed and nothing is
/// warned of.
pub(crate) fn until_all_is_well(endpoints: &str) {
    until("all replicas are level and nothing is warned of", || {
        let status = crate::program::tool(endpoints, &["status", "--output", "json"]);
        let Ok(status) = serde_json::from_str::<serde_json::Value>(&status.stdout) else {
            return false;
        };
        let regions = status["regions"].as_array().unwrap();
        let level = regions.iter().all(|region| {
            let replicas = region["replicas"].as_array().unwrap();
            replicas.iter().all(|replica| replica["applied"] == region["commit"])
        });
        level && status["state"] == "healthy" && status["warnings"].as_array().unwrap().is_empty()
    });
}
