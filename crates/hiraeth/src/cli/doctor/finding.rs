use std::io::Write;

use serde::Serialize;

use crate::cli::text;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Worth to know.
    Note,
    /// It will be trouble when something else happens.
    Warning,
    /// It is trouble now.
    Problem,
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Its kind, for programs.
    pub(super) kind: &'static str,
    /// What was found, and where.
    pub(super) what: String,
    /// Why that is trouble.
    pub(super) why: &'static str,
    /// What to do.
    pub(super) next: String,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        kind: &'static str,
        what: impl Into<String>,
        why: &'static str,
        next: impl Into<String>,
    ) -> Self {
        Self { severity, kind, what: what.into(), why, next: next.into() }
    }
}

/// The worst first.
pub(super) fn show(out: &mut impl Write, findings: &[Finding]) -> std::io::Result<()> {
    for finding in findings {
        let word = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "WARNING",
            Severity::Problem => "PROBLEM",
        };
        writeln!(out, "{word}  {}", text::shown(finding.what.as_bytes()))?;
        if !finding.why.is_empty() {
            writeln!(out, "  why: {}", finding.why)?;
        }
        writeln!(out, "  do:  {}\n", text::shown(finding.next.as_bytes()))?;
    }
    Ok(())
}
