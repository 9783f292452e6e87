use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{CaseReport, Measured};
use crate::report::Report;
use crate::trial::Trial;

/// How long a node may take to notice and to say what happened.
const NOTICE: Duration = Duration::from_secs(20);
/// Without a majority's fault the cluster acknowledges writes again within this.
const GO_ON: Duration = Duration::from_secs(15);
/// So many acknowledged writes are no accident of what was under way.
const WRITES: usize = 100;

/// One kind of bad input, tried on servers at work.
pub(crate) struct Case {
    pub(crate) trial: Trial,
    /// What servers said of it.
    said: Vec<String>,
    wrong: Vec<String>,
    pub(crate) measured: Vec<Measured>,
}

impl Case {
    pub(crate) fn new(trial: Trial) -> Self {
        Self { trial, said: Vec::new(), wrong: Vec::new(), measured: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub(crate) fn said(&mut self, what: String) {
        self.said.push(what);
    }

    /// A fault begins; where the log of `at` ends before it.
    pub(crate) fn fault(&mut self, kind: &str, at: usize) -> u64 {
        let server = self.trial.servers.one(at);
        let (name, from) = (server.name.clone(), server.log_bytes());
        self.trial.ledger.fault(kind, &name);
        from
    }

    /// A line of the log of `at`, from byte `from` on, has all of these words.
    pub(crate) async fn says(&mut self, at: usize, from: u64, words: &[&str]) {
        let began = Instant::now();
        loop {
            let server = self.trial.servers.one(at);
            let log = server.log_since(from);
            let fits = |line: &&str| words.iter().all(|word| line.contains(word));
            if let Some(line) = log.lines().find(fits) {
                self.said.push(format!("{}: {line}", server.name));
                return;
            }
            if began.elapsed() > NOTICE {
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                let what = format!("{} does not say {words:?}; it says {last:#?}", server.name);
                return self.wrong(what);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server `at` stops by itself.
    pub(crate) async fn ends(&mut self, at: usize) {
        let began = Instant::now();
        loop {
            let server = self.trial.servers.one(at);
            if let Some(how) = server.ended() {
                self.said.push(how);
                return;
            }
            if began.elapsed() > NOTICE {
                let what = format!("{} runs on", server.name);
                return self.wrong(what);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.trial.ledger.acknowledgements.lock().len()
    }

    /// The cluster acknowledges writes.
    pub(crate) async fn goes_on(&mut self, what: &str) {
        let (began, before) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < before + WRITES {
            if began.elapsed() > GO_ON {
                let count = self.acknowledged() - before;
                return self.wrong(format!("{what}: {count} writes within {GO_ON:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The leader's place.
    pub(crate) async fn leader(&self) -> anyhow::Result<usize> {
        let found = self.trial.servers.await_leader(NOTICE).await;
        let leader = found.ok_or_else(|| anyhow::anyhow!("there is no leader for {NOTICE:?}"))?;
        Ok(leader.at)
    }

    /// A server that does not lead.
    pub(crate) async fn follower(&self) -> anyhow::Result<usize> {
        let leader = self.leader().await?;
        let mut others = self.trial.servers.here().iter().copied().cycle();
        others.by_ref().find(|at| *at == leader);
        Ok(others.next().unwrap_or(leader))
    }

    pub(crate) async fn end(
        mut self,
        scenario: &'static str,
        name: &'static str,
        folder: &Path,
        began: Instant,
    ) -> anyhow::Result<CaseReport> {
        self.trial.servers.repair()?;
        let ledger = std::sync::Arc::clone(&self.trial.ledger);
        let judged = self.trial.judge(folder).await?;
        let mut violations = self.wrong;
        violations.extend(judged.verified.violations);
        if !violations.is_empty() {
            std::fs::write(folder.join("violations.txt"), violations.join("\n"))?;
        }
        Ok(CaseReport {
            scenario,
            name,
            seconds: began.elapsed().as_secs_f64(),
            said: self.said,
            measured: self.measured,
            faults: Report::faults(&ledger).0,
            acknowledged: judged.verified.unique.acknowledged,
            missing: judged.verified.unique.missing,
            violations,
            kept: None,
        })
    }
}
