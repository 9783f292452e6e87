//! One scenario from the first start of its servers to its report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::nemesis::{self, Nemesis};
use crate::options::{Options, Output, Scenario};
use crate::place::Setting;
use crate::progress::Progress;
use crate::random::Random;
use crate::report::Report;
use crate::trial::Trial;

/// Runs what the options ask for.
pub(crate) fn run_all(options: &Options, setting: &Setting) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // On this thread, as the servers end with the thread that started them.
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
            all = every(options, setting) => all,
        }
    })
}

async fn every(options: &Options, setting: &Setting) -> anyhow::Result<ExitCode> {
    let mut all_good = true;
    for scenario in options.scenarios() {
        if scenario == Scenario::Partition && !setting.has_partitions() {
            eprintln!("chaos: {} left out: it needs network namespaces", scenario.name());
            continue;
        }
        if matches!(scenario, Scenario::BadInput | Scenario::Neighbours) {
            all_good &= cases(options, setting, scenario).await?;
            continue;
        }
        if scenario == Scenario::Life {
            let folder = folder(options, scenario);
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            let is_good = crate::life::run(options, setting, &folder).await?;
            all_good &= is_good;
            match is_good && !options.keep {
                true => std::fs::remove_dir_all(folder)?,
                false => println!("all is in {}", folder.display()),
            }
            continue;
        }
        all_good &= rounds(options, setting, scenario).await?;
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all cases went well.
async fn cases(options: &Options, setting: &Setting, scenario: Scenario) -> anyhow::Result<bool> {
    let folder = folder(options, scenario);
    let reports = match scenario {
        Scenario::Neighbours => crate::neighbours::run(options, setting, &folder).await?,
        _ => crate::bad_input::run(options, setting, &folder).await?,
    };
    for report in &reports {
        match options.output {
            Output::Text => println!("{report}"),
            Output::Json => println!("{}", serde_json::to_string(report)?),
        }
    }
    let is_good = reports.iter().all(|report| report.violations.is_empty());
    if is_good && !options.keep {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(is_good)
}

/// The load of the machine over the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn folder(options: &Options, scenario: Scenario) -> PathBuf {
    let name = format!("{}-{}-{}", scenario.name(), options.seed, std::process::id());
    let base = options.folder.clone();
    base.unwrap_or_else(|| std::env::temp_dir().join("hiraeth-chaos")).join(name)
}

/// Plays a scenario's rounds until one breaks a promise; whether none did. What is remembered of a round goes
/// with its report, so a run may take as long as it likes.
async fn rounds(options: &Options, setting: &Setting, scenario: Scenario) -> anyhow::Result<bool> {
    let (count, long) = options.rounds(scenario);
    let mut progress = Progress::of(scenario.name(), count);
    for round in 0..count {
        let seed = options.seed.wrapping_add(u64::from(round));
        let options = Options { seed, ..options.clone() };
        let report = one(&options, setting, (scenario, long), &mut progress).await?;
        match options.output {
            Output::Text => println!("{report}\n"),
            Output::Json => println!("{}", serde_json::to_string(&report)?),
        }
        if !report.is_good() {
            return Ok(false);
        }
    }
    if count > 1 {
        eprintln!("chaos: {progress}");
    }
    Ok(true)
}

async fn one(
    options: &Options,
    setting: &Setting,
    (scenario, long): (Scenario, Duration),
    progress: &mut Progress,
) -> anyhow::Result<Report> {
    let folder = folder(options, scenario);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let shown = folder.display().to_string();
    let ran = run(options, setting, (scenario, long), (&folder, progress)).await;
    let mut report = ran.with_context(|| format!("{}; all is in {shown}", scenario.name()))?;
    if report.is_good() && !options.keep {
        std::fs::remove_dir_all(&folder).with_context(|| shown)?;
    } else {
        report.kept = Some(shown);
    }
    Ok(report)
}

async fn run(
    options: &Options,
    setting: &Setting,
    (scenario, long): (Scenario, Duration),
    (folder, progress): (&Path, &mut Progress),
) -> anyhow::Result<Report> {
    let load_of = (options.clients, options.seed);
    let setup = options.setup(scenario);
    let mut trial = Trial::begin(setting, &options.binary, folder, setup, load_of).await?;
    if options.lying_syncs && !setup.shim {
        bail!("--lying-syncs is for scenarios with power cuts, and {} has none", scenario.name());
    }
    if options.lying_syncs {
        (0..trial.servers.places()).try_for_each(|at| trial.servers.one(at).order("lies", ""))?;
    }
    let told = progress.begin(&trial.ledger);
    let until = Instant::now() + long;
    let random = Random::new(options.seed ^ scenario as u64);
    let (servers, ledger) = (&mut trial.servers, &*trial.ledger);
    let upgrade_to = options.upgrade_to.as_ref().map(std::path::absolute).transpose()?;
    Nemesis::new(servers, ledger, random, until, upgrade_to).run(scenario).await?;
    let load = load();
    let ledger = Arc::clone(&trial.ledger);
    if scenario == Scenario::Rolling
        && let Some(failed) = nemesis::failed(&ledger)
    {
        ledger.violation(failed);
    }
    let lost = *ledger.lost.lock();
    if lost.power_cuts >= 3 && lost.is_nothing() {
        ledger
            .violation("no power cut lost anything: the preloaded library does nothing".to_owned());
    }
    let judged = trial.judge(folder).await?;
    progress.end(told, &ledger, judged.verified.violations.len());
    let (faults, all_faults) = Report::faults(&ledger);
    let seconds = judged.seconds;
    let written = ledger.acknowledgements.lock().len();
    Ok(Report {
        scenario: scenario.name(),
        seed: options.seed,
        place: setting.describe(),
        seconds,
        load,
        acknowledged_per_second: written as f64 / seconds,
        requests: Report::requests(&ledger),
        errors: ledger.errors.lock().clone(),
        faults,
        all_faults,
        lost: *ledger.lost.lock(),
        healthy_after_ms: judged.healthy_after.as_millis(),
        verified: judged.verified,
        kept: None,
    })
}
