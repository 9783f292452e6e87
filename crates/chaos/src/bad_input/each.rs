use std::path::Path;

use anyhow::Context;

use super::CaseReport;
use crate::options::Options;
use crate::place::Setting;
use crate::servers::Setup;

/// Plays all cases, or those named by `--case`, each in a folder of its own, which is kept if something was
/// wrong. What needs network namespaces is left out where there are none.
pub(crate) async fn each(
    cases: &[(&'static str, Setup)],
    needs_namespaces: impl Fn(&str, Setup) -> bool,
    (options, setting, folder): (&Options, &Setting, &Path),
    one: impl AsyncFn(&'static str, Setup, &Options, &Setting, &Path) -> anyhow::Result<CaseReport>,
) -> anyhow::Result<Vec<CaseReport>> {
    let wanted = |name: &str| options.case.is_empty() || options.case.iter().any(|it| it == name);
    let mut reports = Vec::new();
    for (name, setup) in cases.iter().copied().filter(|(name, _)| wanted(name)) {
        if !setting.has_partitions() && needs_namespaces(name, setup) {
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
