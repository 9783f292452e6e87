//! What servers went through since they were started.

use crate::cli::doctor::evidence::Evidence;
use crate::cli::doctor::finding::{Finding, Severity};

/// Outcomes that say that the cluster failed its client, and not the other way round.
const FAILED: [&str; 6] =
    ["NoLeader", "LeaderChanged", "Timeout", "TooManyRequests", "Internal", "Corrupt"];
/// Commands, below which a share means nothing.
const COMMANDS: f64 = 1_000.0;
/// Leaders of a region in an hour, above which they do not stay.
const LEADERS: f64 = 6.0;

/// Those that etcd's clients see. What is told of full disks otherwise is not repeated.
pub(super) fn alarms(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        for alarm in closely.alarms() {
            findings.push(Finding::new(
                Severity::Problem,
                "alarm",
                format!("the alarm {alarm:?} is on at {name}"),
                "puts are refused while it is",
                "remove the cause (docs/operations.md#when-the-disk-fills), then `etcdctl alarm disarm`",
            ));
        }
    }
}

pub(super) fn leaders(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let series = &closely.series;
        let (now, began) =
            (series.one("hiraeth_clock_seconds"), series.one("process_start_time_seconds"));
        let (Some(now), Some(began)) = (now, began) else { continue };
        // In the first hour each start of the others counts.
        let hours = ((now - began) / 3_600.0).max(1.0);
        let regions = series.sum("hiraeth_regions").max(1.0);
        let each = series.sum("hiraeth_leader_changes_total") / regions / hours;
        if each > LEADERS {
            findings.push(Finding::new(
                Severity::Warning,
                "leaders",
                format!("a region had {each:.0} leaders an hour, as {name} saw it"),
                "each change is a pause of the writes to it",
                "look for slow disks, busy processors and lost packets: `hiraeth flight --data-dir DIR \
                 --events` says when and around what",
            ));
        }
    }
}

pub(super) fn failures(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let outcomes = closely.series.by("hiraeth_proposals_total", "outcome");
        let all: f64 = outcomes.values().sum();
        let failed = outcomes.iter().filter(|(outcome, _)| FAILED.contains(outcome));
        let (worst, count) = failed.fold(("", 0.0), |(worst, sum), (outcome, count)| {
            let most = outcomes.get(worst).copied().unwrap_or(0.0);
            (if *count > most { *outcome } else { worst }, sum + count)
        });
        if all >= COMMANDS && count > all / 50.0 {
            findings.push(Finding::new(
                Severity::Warning,
                "failures",
                format!(
                    "{:.0} % of the writes through {name} failed since it was started, mostly {worst}",
                    count * 100.0 / all
                ),
                "clients that do not try again have lost them",
                format!("docs/operations.md#errors says what {worst} means"),
            ));
        }
    }
}

/// Checks of the registry that are held back.
pub(super) fn silence(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let count = closely.series.sum("hiraeth_registry_held_back");
        if count > 0.0 {
            findings.push(Finding::new(
                Severity::Problem,
                "held-back",
                format!("{count} checks fell silent at once, and {name} holds them back"),
                "instances that may be gone are still told of, since too many of a service are",
                "see whether the network to them is down: `hiraeth service list SERVICE`",
            ));
        }
    }
}
