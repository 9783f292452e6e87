//! Bad input on real processes: peers that send garbage or belong elsewhere, disks that fill, fail or
//! turn read-only, clocks that jump. The node says what happened and what to do, stops or goes on as it
//! must, never loses what it acknowledged; the others go on; repaired, it comes back.

mod case;
mod clock;
mod disks;
mod peers;
mod report;
mod wire;

use std::path::Path;
use std::time::Instant;

use anyhow::Context;

pub(crate) use case::Case;
pub(crate) use report::{CaseReport, Measured};

use crate::options::Options;
use crate::place::Setting;
use crate::servers::Setup;
use crate::trial::Trial;

/// Clients that work all the while.
const CLIENTS: u64 = 8;

/// Names of cases, and what their servers need.
const CASES: [(&str, Setup); 8] = [
    ("strangers", Setup::PLAIN),
    ("foreign-directory", Setup::PLAIN),
    ("nearly-full-disk", Setup::DISKS),
    ("full-disk", Setup::DISKS),
    ("read-only-disk", Setup::DISKS),
    ("failed-sync", Setup::SHIM),
    ("damaged-log", Setup::PLAIN),
    ("clock-jump", Setup::SHIM),
];

/// Runs all cases, or those whose names begin with `--case`.
pub(crate) async fn run(
    options: &Options,
    setting: &Setting,
    folder: &Path,
) -> anyhow::Result<Vec<CaseReport>> {
    let wanted = |name: &str| options.case.is_empty() || options.case.iter().any(|it| it == name);
    let mut reports = Vec::new();
    for (name, setup) in CASES.into_iter().filter(|(name, _)| wanted(name)) {
        if !setting.has_partitions() && (setup.disks || name == "strangers") {
            eprintln!("chaos: {name} left out: it needs namespaces");
            continue;
        }
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let report = one(name, setup, options, setting, &folder).await;
        let shown = folder.display().to_string();
        let mut report = report.with_context(|| format!("{name}; all is in {shown}"))?;
        if report.violations.is_empty() && !options.keep {
            std::fs::remove_dir_all(&folder)?;
        } else {
            report.kept = Some(shown);
        }
        reports.push(report);
    }
    Ok(reports)
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
        "damaged-log" => disks::damaged_log(&mut case).await?,
        _ => clock::jump(&mut case).await?,
    }
    case.end("bad-input", name, folder, began).await
}
