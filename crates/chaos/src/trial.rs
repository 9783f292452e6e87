//! Servers and clients at work, from their start to the judgement; the faults come from outside.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::ledger::Ledger;
use crate::place::Setting;
use crate::servers::{Servers, Setup};
use crate::verify::{Verified, verify};
use crate::work::Work;

/// How long clients work before the first fault, and after the last one.
const QUIET: Duration = Duration::from_secs(3);

pub(crate) struct Trial {
    pub(crate) servers: Servers,
    pub(crate) ledger: Arc<Ledger>,
    work: Work,
}

pub(crate) struct Judged {
    pub(crate) verified: Verified,
    /// How long clients were at work.
    pub(crate) seconds: f64,
    /// From the end of the faults until every server serves.
    pub(crate) healthy_after: Duration,
}

impl Trial {
    /// Starts servers and then so many clients, whose requests are drawn from a seed.
    pub(crate) async fn begin(
        setting: &Setting,
        binary: &Path,
        folder: &Path,
        setup: Setup,
        load: (u64, u64),
    ) -> anyhow::Result<Self> {
        let mut servers = Servers::start(setting, binary, folder, setup)?;
        servers.await_health().await?;
        let ledger = Arc::new(Ledger::new());
        let work = Work::begin(&servers, &ledger, load).await?;
        sleep(QUIET).await;
        Ok(Self { servers, ledger, work })
    }

    /// Ends the clients and judges, once all faults are over; what is found stays in `folder`.
    pub(crate) async fn judge(mut self, folder: &Path) -> anyhow::Result<Judged> {
        let healthy = self.servers.await_health().await;
        sleep(QUIET).await;
        self.ledger.stop();
        let seconds = self.ledger.now().as_secs_f64();
        // What the nemesis found counts also where nothing else can be judged.
        let found = std::mem::take(&mut *self.ledger.violations.lock());
        let judged = async {
            let done = self.work.end(&self.servers, &self.ledger).await?;
            self.servers.await_health().await?;
            verify(&self.servers, &self.ledger, &done).await
        };
        let mut verified = judged.await.unwrap_or_else(|error| Verified {
            violations: vec![format!("the run cannot be judged: {error:#}")],
            ..Verified::default()
        });
        verified.violations.splice(0..0, found);
        let healthy_after = healthy.unwrap_or_else(|error| {
            verified.violations.push(format!("{error:#}"));
            Duration::MAX
        });
        verified.violations.extend(self.servers.findings());
        if !verified.violations.is_empty() {
            keep_history(&self.ledger, folder)?;
            std::fs::write(folder.join("violations.txt"), verified.violations.join("\n"))?;
        }
        Ok(Judged { verified, seconds, healthy_after })
    }
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
    for (key, steps) in ledger.lists.lock().iter() {
        for step in steps {
            writeln!(file, "{key} {step:?}")?;
        }
    }
    for (key, history) in ledger.histories.lock().iter() {
        for operation in history {
            writeln!(file, "{key} {operation:?}")?;
        }
    }
    Ok(file.flush()?)
}
