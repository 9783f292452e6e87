use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::servers::{COUNT, Setup};

/// The least memory that an engine takes, in MiB.
const ENGINE_MIB: u64 = 8;

/// What happens to the servers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Scenario {
    /// The leader ends by `kill -9` every two seconds and is started again.
    KillLeader,
    /// All servers end by `kill -9` at once and are started again.
    KillAll,
    /// The leader or a follower stands still (SIGSTOP) for 0.2 to 8 seconds.
    Pause,
    /// Links between servers are cut: leader or follower off, one way or both, or a bridge left.
    Partition,
    /// The power of one server, of the leader or of all goes, and with it what was not synced.
    Power,
    /// All of it by turns, from the seed; also clocks that jump, disks that are slow, a sync that fails,
    /// servers that are added and removed, leaders that hand over.
    Mix,
    /// Five servers with a sharded keyspace that grows; servers are added, drained, lost for good, come
    /// back, are restarted and cut off, while everything is read and written. Not one of all; it takes
    /// minutes.
    Life,
    /// One server after the other is told to stop and started again, as for an upgrade; no request may fail.
    /// Not one of all.
    Rolling,
    /// Peers that send garbage or belong elsewhere, failing disks, a clock that jumps.
    BadInput,
    /// A server with a slow disk, slow links, little processor time, a full disk, few file descriptors or
    /// little memory, as leader and as follower. Not one of all.
    Neighbours,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillLeader => "kill-leader",
            Self::KillAll => "kill-all",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Power => "power",
            Self::Mix => "mix",
            Self::Life => "life",
            Self::Rolling => "rolling",
            Self::BadInput => "bad-input",
            Self::Neighbours => "neighbours",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// Where the servers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Where {
    /// In network namespaces if that is possible.
    Auto,
    Namespaces,
    Loopback,
}

#[derive(Clone, Debug, clap::Parser)]
#[command(name = "chaos", about = "Real servers under faults")]
pub(crate) struct Options {
    /// The server's binary.
    #[arg(long)]
    pub(crate) binary: PathBuf,
    /// Only this one; may be given more than once. All of them if not given.
    #[arg(long)]
    pub(crate) scenario: Vec<Scenario>,
    /// Of bad-input or neighbours only this case; may be given more than once.
    #[arg(long)]
    pub(crate) case: Vec<String>,
    /// How long faults happen in each scenario; else 120 for kill-leader and 60 for the others.
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) seconds: Option<u64>,
    /// How long faults happen in all scenarios together.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// What the plan of faults and requests is drawn from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Servers at first, where they are killed, paused, parted or lose power.
    #[arg(long, default_value_t = COUNT, value_parser = servers)]
    pub(crate) servers: usize,
    /// Syncs answer well and make nothing safe: power cuts must then be told as losses.
    #[arg(long)]
    pub(crate) lying_syncs: bool,
    /// With --minutes: so many seconds of faults are one round, with servers and judgement of its own.
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u64).range(10..=600))]
    pub(crate) round_s: u64,
    /// How many clients write.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub(crate) clients: u64,
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Output,
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) place: Where,
    /// Where data, logs and findings go; one folder per scenario, removed if all is well.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Keep the folders, whatever happens.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Of life: MiB of keys and values that are written first, about.
    #[arg(long, default_value_t = 256)]
    pub(crate) mib: u64,
    /// Of life: MiB from which on a region is split.
    #[arg(long, default_value_t = 1)]
    pub(crate) split_mib: u64,
    /// Of life: seconds that a server is away which comes back with its data.
    #[arg(long, default_value_t = 5)]
    pub(crate) away_s: u64,
    /// Of life: instances that beat in the registry all the while, are watched, come, go and fall silent;
    /// 0 for none.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub(crate) instances: u64,
    /// Of rolling: the binary that servers are started with again; else the same.
    #[arg(long, value_name = "BINARY")]
    pub(crate) upgrade_to: Option<PathBuf>,
    /// Set by the supervisor: the prefix of the namespaces this process runs in.
    #[arg(long, hide = true)]
    pub(crate) inside: Option<String>,
}

impl Options {
    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        if self.scenario.is_empty() {
            let all = Scenario::value_variants().iter().copied();
            all.filter(|it| {
                !matches!(it, Scenario::Life | Scenario::Rolling | Scenario::Neighbours)
            })
            .collect()
        } else {
            self.scenario.clone()
        }
    }

    /// Servers of the largest cluster.
    pub(crate) fn most_servers(&self) -> usize {
        let lives = self.scenario.contains(&Scenario::Life);
        // One more for a server that does not belong to them, or not yet.
        let others = self.servers + 1;
        if lives { others.max(crate::life::ALL) } else { others }
    }

    pub(crate) fn duration(&self, scenario: Scenario) -> Duration {
        let count = self.scenarios().len().max(1) as u64;
        let standard = if scenario == Scenario::KillLeader { 120 } else { 60 };
        let of_all = self.minutes.map(|minutes| minutes * 60 / count);
        Duration::from_secs(self.seconds.or(of_all).unwrap_or(standard))
    }

    /// What servers of a scenario get.
    pub(crate) fn setup(&self, scenario: Scenario) -> Setup {
        let fails = matches!(scenario, Scenario::Power | Scenario::Mix);
        let spare = scenario == Scenario::Mix;
        // With little memory it flushes and merges all the while, and so the power goes meanwhile, too.
        let engine_mib = fails.then_some(ENGINE_MIB);
        Setup { servers: self.servers, spare, shim: fails, engine_mib, ..Setup::PLAIN }
    }

    /// How many rounds a scenario has, and how long each is.
    pub(crate) fn rounds(&self, scenario: Scenario) -> (u32, Duration) {
        let all = self.duration(scenario);
        let count =
            if self.minutes.is_some() { all.as_secs().div_ceil(self.round_s).max(1) } else { 1 };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        (count, all / count)
    }
}

/// An odd number of servers, as a majority of them is what counts.
fn servers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ (3 | 5 | 7)) => Ok(count),
        _ => Err("3, 5 or 7".to_owned()),
    }
}
