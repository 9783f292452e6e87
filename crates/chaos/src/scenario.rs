//! One scenario from the first start of its servers to its report.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::ledger::Ledger;
use crate::nemesis::Nemesis;
use crate::options::{Options, Output, Scenario};
use crate::place::Setting;
use crate::random::Random;
use crate::report::Report;
use crate::servers::Servers;
use crate::verify::{Verified, verify};
use crate::work::Work;

/// How long clients work before the first fault, and after the last one.
const QUIET: Duration = Duration::from_secs(3);

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
        let report = one(options, setting, scenario).await?;
        all_good &= report.is_good();
        match options.output {
            Output::Text => println!("{report}\n"),
            Output::Json => println!("{}", serde_json::to_string(&report)?),
        }
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

async fn one(options: &Options, setting: &Setting, scenario: Scenario) -> anyhow::Result<Report> {
    let folder = folder(options, scenario);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let shown = folder.display().to_string();
    let ran = run(options, setting, scenario, &folder).await;
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
    scenario: Scenario,
    folder: &Path,
) -> anyhow::Result<Report> {
    let mut servers = Servers::start(setting, &options.binary, folder)?;
    servers.await_health().await?;
    let ledger = Arc::new(Ledger::new());
    let work = Work::begin(&servers, &ledger, (options.clients, options.seed))?;
    sleep(QUIET).await;
    let until = Instant::now() + options.duration(scenario);
    let random = Random::new(options.seed ^ scenario as u64);
    let mut nemesis = Nemesis { servers: &mut servers, ledger: &ledger, random, until };
    nemesis.run(scenario).await?;
    let load = load();
    let healthy = servers.await_health().await;
    sleep(QUIET).await;
    ledger.stop();
    let (seconds, (faults, all_faults)) = (ledger.now().as_secs_f64(), Report::faults(&ledger));
    let judged = async {
        let done = work.end(&servers, &ledger).await?;
        servers.await_health().await?;
        verify(&servers, &ledger, &done).await
    };
    let mut verified = judged.await.unwrap_or_else(|error| Verified {
        violations: vec![format!("the run cannot be judged: {error:#}")],
        ..Verified::default()
    });
    let healthy_after = healthy.unwrap_or_else(|error| {
        verified.violations.push(format!("{error:#}"));
        Duration::MAX
    });
    verified.violations.extend(servers.findings());
    if !verified.violations.is_empty() {
        keep_history(&ledger, folder)?;
        std::fs::write(folder.join("violations.txt"), verified.violations.join("\n"))?;
    }
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
        healthy_after_ms: healthy_after.as_millis(),
        verified,
        kept: None,
    })
}

/// Writes what clients did next to the servers' logs.
fn keep_history(ledger: &Ledger, folder: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(folder.join("history.txt"))?);
    for fault in ledger.faults.lock().iter() {
        writeln!(file, "fault {:.3} {} {}", fault.at.as_secs_f64(), fault.kind, fault.node)?;
    }
    for write in ledger.writes.lock().iter() {
        writeln!(file, "{write:?}")?;
    }
    for (key, history) in ledger.histories.lock().iter() {
        for operation in history {
            writeln!(file, "{key} {operation:?}")?;
        }
    }
    Ok(file.flush()?)
}
