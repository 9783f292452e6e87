//! Bad neighbours: a server whose disk, links or processor are slow, or that runs out of disk, descriptors or
//! memory, once as a follower and once as the leader. The cluster stays within bounds, and `hiraeth status`
//! says what is wrong for as long as it is.

mod limits;
mod slow;
mod watched;

use std::path::Path;
use std::time::Instant;

use crate::bad_input::{Case, CaseReport, each};
use crate::options::Options;
use crate::place::Setting;
use crate::servers::Setup;
use crate::trial::Trial;

/// Clients that work all the while.
const CLIENTS: u64 = 8;

/// Names of cases, and what their servers need.
const CASES: [(&str, Setup); 6] = [
    ("slow-disk", Setup::SHIM),
    ("slow-network", Setup::RELAYS),
    ("busy-processor", Setup::CAGES),
    ("full-disk", Setup::DISKS),
    ("few-descriptors", Setup::PLAIN),
    ("little-memory", Setup::CAGES),
];

/// Who is the bad one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Follower,
    Leader,
}

impl Part {
    const BOTH: [Self; 2] = [Self::Follower, Self::Leader];

    const fn name(self) -> &'static str {
        match self {
            Self::Follower => "follower",
            Self::Leader => "leader",
        }
    }

    async fn find(self, case: &Case) -> anyhow::Result<usize> {
        match self {
            Self::Follower => case.follower().await,
            Self::Leader => case.leader().await,
        }
    }
}

/// Runs all cases, or those named by `--case`.
pub(crate) async fn run(
    options: &Options,
    setting: &Setting,
    folder: &Path,
) -> anyhow::Result<Vec<CaseReport>> {
    let needs_namespaces = |_: &str, setup: Setup| setup.disks || setup.relays || setup.cages;
    each(&CASES, needs_namespaces, (options, setting, folder), one).await
}

async fn one(
    name: &'static str,
    setup: Setup,
    options: &Options,
    setting: &Setting,
    folder: &Path,
) -> anyhow::Result<CaseReport> {
    let began = Instant::now();
    let load = (CLIENTS, options.seed);
    let trial = Trial::begin(setting, &options.binary, folder, setup, load).await?;
    let mut case = Case::new(trial);
    for part in Part::BOTH {
        match name {
            "slow-disk" => slow::disk(&mut case, part).await?,
            "slow-network" => slow::network(&mut case, part).await?,
            "busy-processor" => slow::processor(&mut case, part).await?,
            "full-disk" => limits::disk(&mut case, part).await?,
            "few-descriptors" => limits::descriptors(&mut case, part).await?,
            _ => limits::memory(&mut case, part).await?,
        }
    }
    case.end("neighbours", name, folder, began).await
}
