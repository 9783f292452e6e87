//! `hiraeth admin doctor`.

mod checks;
mod evidence;
mod finding;
#[cfg(test)]
mod tests;

use std::io::Write;

use serde::Serialize;

use super::failure::Done;
use super::output::{Format, line, out};
use super::remote::Remote;
use finding::{Finding, Severity, show};

#[derive(Serialize)]
struct JsonReport<'a> {
    cluster: &'a str,
    nodes: usize,
    answered: usize,
    /// Kinds of trouble that were looked for.
    looked_for: usize,
    findings: &'a [Finding],
}

/// Exit code: 0 without a warning, 1 with some, 2 with a problem or if nobody answers.
pub(super) async fn run(remote: &Remote) -> anyhow::Result<Done> {
    let evidence = match evidence::collect(remote).await {
        Ok(evidence) => evidence,
        Err(error) => {
            eprintln!("error: {error}");
            eprintln!(
                "hint: is a server running there? --endpoints or HIRAETH_ENDPOINTS say where to ask"
            );
            return Ok(Done::Code(2));
        }
    };
    let findings = checks::all(&evidence);
    let (nodes, answered) = (evidence.report.nodes.len(), evidence.views.answers.len());
    let looked_for = checks::COUNT;
    let mut out = out();
    match remote.output {
        Format::Json => {
            let cluster = evidence.report.cluster.as_str();
            let findings = &findings;
            line(&mut out, &JsonReport { cluster, nodes, answered, looked_for, findings })?;
        }
        Format::Table => {
            show(&mut out, &findings)?;
            let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
            writeln!(
                out,
                "{answered} of {nodes} servers answered; looked for {looked_for} kinds of trouble: {}, \
                 {}, {}",
                some(count(Severity::Problem), "problem"),
                some(count(Severity::Warning), "warning"),
                some(count(Severity::Note), "note"),
            )?;
        }
    }
    out.flush()?;
    Ok(Done::Code(exit(&findings)))
}

fn exit(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Problem) => 2,
        Some(Severity::Warning) => 1,
        Some(Severity::Note) | None => 0,
    }
}

fn some(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
