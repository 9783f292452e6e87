use std::fmt;

use serde::Serialize;

use crate::report::Faults;

/// Acknowledged writes around one fault.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) what: String,
    /// A second: before it, while it lasted (its first seconds left out), and when it was over.
    pub(crate) before: f64,
    pub(crate) during: f64,
    pub(crate) after: f64,
    /// The longest time without one from the fault on.
    pub(crate) gap_ms: u128,
    /// After which time another server led, if it had to.
    pub(crate) moved_ms: Option<u128>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, during, after, gap_ms, moved_ms } = self;
        write!(
            f,
            "{what}: {before:.0} writes/s before, {during:.0} meanwhile, {after:.0} after; "
        )?;
        write!(f, "without a write {gap_ms} ms at most")?;
        moved_ms.map_or(Ok(()), |ms| write!(f, "; another leader after {ms} ms"))
    }
}

/// What one case showed.
#[derive(Debug, Serialize)]
pub(crate) struct CaseReport {
    pub(crate) scenario: &'static str,
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    /// Lines of logs, and how servers ended.
    pub(crate) said: Vec<String>,
    pub(crate) faults: Vec<Faults>,
    pub(crate) measured: Vec<Measured>,
    /// Unique keys.
    pub(crate) acknowledged: u64,
    pub(crate) missing: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) kept: Option<String>,
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.violations.is_empty() { "all promises kept" } else { "FAILED" };
        writeln!(f, "{} {}: {verdict}, {:.0} s", self.scenario, self.name, self.seconds)?;
        let (acknowledged, missing) = (self.acknowledged, self.missing);
        writeln!(f, "  unique keys acknowledged {acknowledged}, missing {missing}")?;
        for faults in &self.faults {
            writeln!(f, "  {faults}")?;
        }
        for measured in &self.measured {
            writeln!(f, "  {measured}")?;
        }
        for line in &self.said {
            writeln!(f, "  said: {line}")?;
        }
        for violation in self.violations.iter().take(20) {
            writeln!(f, "  VIOLATION {violation}")?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "  data, logs and history are in {kept}")?;
        }
        Ok(())
    }
}
