//! Starting, watching and ending a local cluster.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use proto::etcdserverpb::StatusRequest;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::members::{Member, initial_cluster, lay_out};
use crate::exit::REFUSED;

/// How the local cluster is set up.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    nodes: u16,
    /// Node i takes clients on this port + 10(i-1), peers on +1, HTTP on +2, DNS on +3.
    #[arg(long, default_value_t = 21_000)]
    base_port: u16,
    /// Where the nodes keep their data and their logs; made if missing.
    #[arg(long, default_value = "hiraeth-cluster")]
    data_dir: PathBuf,
    /// Kill the leader of `default` with -9 this often and start it again a little later, such as
    /// 5s.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::parse_time)]
    kill_leader_every: Option<Duration>,
}

/// How often the nodes are asked who leads.
const LOOK: Duration = Duration::from_millis(200);
/// How long a killed node stays down.
const DOWN: Duration = Duration::from_secs(2);

/// Runs the cluster until Ctrl-C.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.data_dir)
        .with_context(|| format!("{} cannot be made", options.data_dir.display()))?;
    let mut members = lay_out(options.nodes, options.base_port, &options.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(Watcher::new(options).watch(&mut members));
    println!("stopping");
    for member in &members {
        member.ask_to_stop();
    }
    for member in &mut members {
        member.wait();
    }
    println!("stopped");
    result
}

struct Watcher {
    kill_every: Option<Duration>,
    leader: Option<(u64, u64)>,
    down: Vec<(usize, Instant)>,
    started: Instant,
    logs: PathBuf,
}

impl Watcher {
    fn new(options: &Options) -> Self {
        Self {
            kill_every: options.kill_leader_every,
            leader: None,
            down: Vec::new(),
            started: Instant::now(),
            logs: options.data_dir.clone(),
        }
    }

    fn say(&self, text: &str) {
        println!("{:8.3} s  {text}", self.started.elapsed().as_secs_f64());
    }

    async fn watch(mut self, members: &mut [Member]) -> anyhow::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let initial = initial_cluster(members);
        for member in members.iter_mut() {
            member.start(&initial)?;
            self.say(&format!(
                "{} started, pid {}, clients on {}, log in {}",
                member.name,
                member.pid().unwrap_or(0),
                member.client,
                member.log().display()
            ));
        }
        let endpoints: Vec<&str> = members.iter().map(|member| member.client.as_str()).collect();
        self.say(&format!("etcdctl --endpoints {} ...; Ctrl-C ends all", endpoints.join(",")));
        let mut next_look = Instant::now();
        let mut next_kill = self.kill_every.map(|every| Instant::now() + every);
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = sleep_until(next_look) => {}
            }
            next_look = Instant::now() + LOOK;
            self.look(members, &initial).await?;
            if let (Some(at), Some(every)) = (next_kill, self.kill_every)
                && Instant::now() >= at
                && self.down.is_empty()
            {
                next_kill = Some(Instant::now() + every);
                self.kill_leader(members);
            }
        }
    }

    async fn look(&mut self, members: &mut [Member], initial: &str) -> anyhow::Result<()> {
        for (at, member) in members.iter_mut().enumerate() {
            if let Some(how) = member.ended() {
                self.say(&format!("{} ended: {how}", member.name));
                if how.signal().is_some() {
                    // Somebody tries what happens; that is what this command is for.
                    self.down.push((at, Instant::now() + DOWN));
                    continue;
                }
                let text = std::fs::read_to_string(member.log()).unwrap_or_default();
                for line in text.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev() {
                    self.say(&format!("    {line}"));
                }
                // Who was removed, which is tried here as well, is no trouble of the others.
                if how.code() != Some(i32::from(REFUSED)) {
                    bail!("{} could not go on; its log is {}", member.name, member.log().display());
                }
                self.say(&format!("{} stays out; the others go on", member.name));
            }
        }
        if self.down.is_empty() && members.iter().all(|member| member.pid().is_none()) {
            bail!("no node could go on; their logs are in {}", self.logs.display());
        }
        let due = Instant::now();
        for (at, _) in self.down.extract_if(.., |(_, until)| *until <= due).collect::<Vec<_>>() {
            members[at].start(initial)?;
            let pid = members[at].pid().unwrap_or(0);
            self.say(&format!("{} started again, pid {pid}", members[at].name));
        }
        let mut newest = None;
        for member in members.iter().filter(|member| member.pid().is_some()) {
            newest = newest.max(default_leader(&member.client).await);
        }
        if let Some((term, leader)) = newest
            && self.leader < newest
        {
            self.leader = newest;
            self.say(&format!("n{leader} leads default in term {term}"));
        }
        Ok(())
    }

    fn kill_leader(&mut self, members: &mut [Member]) {
        let Some((_, leader)) = self.leader else { return };
        let at = usize::try_from(leader).unwrap_or(0).wrapping_sub(1);
        if let Some(member) = members.get_mut(at).filter(|member| member.pid().is_some()) {
            member.kill();
            let text = format!("{} killed with -9", member.name);
            self.say(&text);
            self.down.push((at, Instant::now() + DOWN));
        }
    }
}

/// The term and the leader of keyspace `default` as a node knows them, if it answers soon. One region
/// is asked about, however many there are.
async fn default_leader(client: &str) -> Option<(u64, u64)> {
    let asking = async {
        let mut node = MaintenanceClient::connect(format!("http://{client}")).await.ok()?;
        Some(node.status(StatusRequest {}).await.ok()?.into_inner())
    };
    let status = tokio::time::timeout(LOOK, asking).await.ok().flatten()?;
    (status.leader != 0).then_some((status.raft_term, status.leader))
}
