//! Servers as processes, each with a directory of its own that goes with it.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::interrupt;

/// How long servers may take to serve, and to stop.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);
/// etcd's limit for its data, as large as its makers suggest.
const QUOTA: u64 = 8 << 30;
/// Ports of one node.
const PORTS: u16 = 10;

/// Who is measured, and the binary.
pub(super) enum Peer {
    Etcd(PathBuf),
    Hiraeth(PathBuf),
    /// The least a server of this API can cost.
    Floor(PathBuf),
}

impl Peer {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Etcd(_) => "etcd",
            Self::Hiraeth(_) => "hiraeth",
            Self::Floor(_) => "floor",
        }
    }

    /// Node `at` of `all`, which are names, client ports and data directories. Settings are the
    /// defaults, but for addresses and what etcd would stop at.
    fn command(&self, at: usize, all: &[Node]) -> Command {
        let node = &all[at];
        let (client, peer, http) = (node.port, node.port + 1, node.port + 2);
        let members = |scheme: &str| -> String {
            let each =
                all.iter().map(|it| format!("{}={scheme}127.0.0.1:{}", it.name, it.port + 1));
            each.collect::<Vec<_>>().join(",")
        };
        match self {
            Self::Etcd(binary) => {
                let (client, peer) =
                    (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
                let mut command = Command::new(binary);
                command.arg("--name").arg(&node.name).arg("--data-dir").arg(&node.data);
                command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
                command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
                command.args(["--initial-cluster", &members("http://")]);
                command.args(["--quota-backend-bytes", &QUOTA.to_string()]);
                command
            }
            Self::Hiraeth(binary) => {
                let mut command = Command::new(binary);
                command
                    .arg("serve")
                    .arg("--name")
                    .arg(&node.name)
                    .arg("--data-dir")
                    .arg(&node.data);
                command.arg("--listen-client").arg(format!("127.0.0.1:{client}"));
                command.arg("--listen-peer").arg(format!("127.0.0.1:{peer}"));
                command.arg("--listen-http").arg(format!("127.0.0.1:{http}"));
                command.args(["--initial-cluster", &members("")]);
                command
            }
            Self::Floor(binary) => {
                let mut command = Command::new(binary);
                command.args(["bench", "floor", "--listen"]).arg(format!("127.0.0.1:{client}"));
                command
            }
        }
    }
}

/// Where all data is; removed at the end.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

struct Node {
    name: String,
    port: u16,
    data: PathBuf,
}

/// Running servers of one cluster. Dropped, they are killed and their data removed.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    processes: Vec<Child>,
    place: PathBuf,
    pub(super) peer: &'static str,
}

impl Cluster {
    /// Starts `count` nodes and waits until clients can connect to each.
    pub(super) fn start(peer: &Peer, count: u16, port: u16, place: &Place) -> anyhow::Result<Self> {
        let place = place.0.join(peer.name());
        drop(std::fs::remove_dir_all(&place));
        std::fs::create_dir_all(&place)?;
        let node = |at: u16| {
            let name = format!("n{}", at + 1);
            Node { data: place.join(&name), name, port: port + at * PORTS }
        };
        let nodes: Vec<Node> = (0..count).map(node).collect();
        for node in &nodes {
            if TcpStream::connect(("127.0.0.1", node.port)).is_ok() {
                bail!("port {} is taken; choose others with --base-port", node.port);
            }
        }
        let mut cluster = Self { nodes, processes: Vec::new(), place, peer: peer.name() };
        for at in 0..cluster.nodes.len() {
            let log = File::create(cluster.log(at))?;
            let mut command = peer.command(at, &cluster.nodes);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let started =
                command.spawn().with_context(|| format!("{} cannot be started", peer.name()))?;
            cluster.processes.push(started);
        }
        cluster.wait_for_ports()?;
        Ok(cluster)
    }

    fn log(&self, at: usize) -> PathBuf {
        self.place.join(format!("{}.log", self.nodes[at].name))
    }

    fn wait_for_ports(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            for (at, process) in self.processes.iter_mut().enumerate() {
                if let Some(status) = process.try_wait()? {
                    let text =
                        std::fs::read_to_string(self.place.join(format!("n{}.log", at + 1)))?;
                    let last: Vec<&str> = text.lines().rev().take(5).collect();
                    bail!("{} ended: {status}: {}", self.peer, last.join("\n"));
                }
            }
            let serves = |node: &Node| TcpStream::connect(("127.0.0.1", node.port)).is_ok();
            if self.nodes.iter().all(serves) {
                return Ok(());
            }
            if began.elapsed() > START || interrupt::came() {
                bail!("{} does not serve", self.peer);
            }
            std::thread::sleep(LOOK);
        }
    }

    pub(super) fn endpoints(&self) -> String {
        let each = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        each.collect::<Vec<_>>().join(",")
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes of the data directories.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.nodes.iter().map(|node| bytes_below(&node.data)).sum()
    }

    /// Stops the servers in order.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        for process in &self.processes {
            if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let began = Instant::now();
        for process in &mut self.processes {
            while process.try_wait()?.is_none() {
                if began.elapsed() > STOP {
                    println!("{} does not stop; it is killed", self.peer);
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that ended is not signalled again.
            drop(process.kill());
            drop(process.wait());
        }
        drop(std::fs::remove_dir_all(&self.place));
    }
}

fn bytes_below(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let bytes = |path: PathBuf| match path.symlink_metadata() {
        Ok(it) if it.is_dir() => bytes_below(&path),
        // Blocks, because logs are laid out before they are written.
        Ok(it) => it.blocks() * 512,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(|entry| bytes(entry.path())).sum()
}
