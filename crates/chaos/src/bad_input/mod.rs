//! Bad input on real processes: peers that send garbage or belong elsewhere, disks that fill, fail or
//! turn read-only, clocks that jump. The node says what happened and what to do, stops or goes on as it
//! must, never loses what it acknowledged; the others go on; repaired, it comes back.

mod case;
mod clock;
mod disks;
mod each;
mod peers;
mod report;
mod spoilt;
mod wire;

use std::path::Path;
use std::time::Instant;

pub(crate) use case::Case;
pub(crate) use each::each;
pub(crate) use report::{CaseReport, Measured};

use crate::options::Options;
use crate::place::Setting;
use crate::servers::Setup;
use crate::trial::Trial;

/// Clients that work all the while.
const CLIENTS: u64 = 8;

/// Names of cases, and what their servers need.
const CASES: [(&str, Setup); 10] = [
    ("strangers", Setup::PLAIN),
    ("foreign-directory", Setup::PLAIN),
    ("nearly-full-disk", Setup::DISKS),
    ("full-disk", Setup::DISKS),
    ("read-only-disk", Setup::DISKS),
    ("failed-sync", Setup::SHIM),
    ("no-space-in-a-batch", Setup::SHIM),
    ("damaged-log", Setup::PLAIN),
    ("flipped-bit", Setup::SHIM),
    ("clock-jump", Setup::SHIM),
];

/// Runs all cases, or those named by `--case`.
pub(crate) async fn run(
    options: &Options,
    setting: &Setting,
    folder: &Path,
) -> anyhow::Result<Vec<CaseReport>> {
    let needs_namespaces = |name: &str, setup: Setup| setup.disks || name == "strangers";
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
    let foreign = folder.join("foreign");
    if name == "foreign-directory" {
        peers::make_foreign(setting, &options.binary, &foreign).await?;
    }
    let load = (CLIENTS, options.seed);
    let trial = Trial::begin(setting, &options.binary, folder, setup, load).await?;
    let mut case = Case::new(trial);
    match name {
        "strangers" => peers::strangers(&mut case).await?,
        "foreign-directory" => peers::foreign_directory(&mut case, &foreign).await?,
        "nearly-full-disk" => disks::nearly_full(&mut case).await?,
        "full-disk" => disks::full(&mut case).await?,
        "read-only-disk" => disks::read_only(&mut case).await?,
        "failed-sync" => disks::failed_sync(&mut case).await?,
        "no-space-in-a-batch" => spoilt::no_space(&mut case).await?,
        "flipped-bit" => spoilt::flipped_bit(&mut case).await?,
        "damaged-log" => disks::damaged_log(&mut case).await?,
        _ => clock::jump(&mut case).await?,
    }
    case.end("bad-input", name, folder, began).await
}
