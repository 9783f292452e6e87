use std::fmt;

use serde::Serialize;

use crate::report::Faults;

/// What one case showed.
#[derive(Debug, Serialize)]
pub(crate) struct CaseReport {
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    /// Lines of logs, and how servers ended.
    pub(crate) said: Vec<String>,
    pub(crate) faults: Vec<Faults>,
    /// Unique keys.
    pub(crate) acknowledged: u64,
    pub(crate) missing: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) kept: Option<String>,
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.violations.is_empty() { "all promises kept" } else { "FAILED" };
        writeln!(f, "bad-input {}: {verdict}, {:.0} s", self.name, self.seconds)?;
        let (acknowledged, missing) = (self.acknowledged, self.missing);
        writeln!(f, "  unique keys acknowledged {acknowledged}, missing {missing}")?;
        for faults in &self.faults {
            writeln!(f, "  {faults}")?;
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
