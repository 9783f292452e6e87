//! The machines below: disks, clocks, limits, certificates.

use crate::cli::doctor::evidence::Evidence;
use crate::cli::doctor::finding::{Finding, Severity};
use crate::cli::size::bytes;

/// Free bytes that are little, if they are little of the disk, too.
const LITTLE: u64 = 10 << 30;
/// Seconds that a sync may take in 99 of 100 cases, and what is too slow for anything.
const SLOW_SYNC: f64 = 0.032;
const VERY_SLOW_SYNC: f64 = 0.256;
/// Syncs, below which nothing can be said.
const SYNCS: f64 = 100.0;
/// Seconds that clocks may differ, and what is surely wrong.
const CLOCKS: f64 = 0.5;
const CLOCKS_WRONG: f64 = 10.0;
/// File descriptors that a server with many clients needs.
const FILES: f64 = 8_192.0;
/// Days before its end that a certificate is to be renewed.
const DAYS: f64 = 14.0;

pub(super) fn disks(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for answer in evidence.views.answers.values() {
        let Some(health) = &answer.health else { continue };
        let (free, total) = (health.disk_free_bytes, health.disk_total_bytes);
        // What is worse than this is told by `status`.
        let is_told = health.read_only || free < health.disk_reserve_bytes.saturating_mul(2);
        if !is_told && free < total / 10 && free < LITTLE {
            findings.push(Finding::new(
                Severity::Warning,
                "disk",
                format!(
                    "{} has {} free of {} on the disk of {}",
                    evidence.report.name(answer.node),
                    bytes(free),
                    bytes(total),
                    health.data_dir
                ),
                "a full disk takes no writes, and an engine that merges its files needs room for both",
                "make room there, or compact",
            ));
        }
    }
}

pub(super) fn syncs(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let times = closely.series.buckets("hiraeth_log_sync_seconds");
        let Some(slow) = times.quantile(0.99).filter(|_| times.count() >= SYNCS) else { continue };
        if slow > SLOW_SYNC {
            let severity =
                if slow > VERY_SLOW_SYNC { Severity::Problem } else { Severity::Warning };
            findings.push(Finding::new(
                severity,
                "slow-disk",
                format!("one sync of the log in a hundred takes up to {:.0} ms on {name}", slow * 1e3),
                "every write waits for one, on a majority of the servers; leaders are lost over it",
                "give the data directory a disk of its own, an SSD; see who else writes there (`iotop`); \
                 `hiraeth flight --data-dir DIR` shows when it was slow",
            ));
        }
    }
}

pub(super) fn clocks(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let known: Vec<(String, f64, f64)> = evidence
        .each()
        .filter_map(|(name, closely)| closely.clock.map(|(ahead, about)| (name, ahead, about)))
        .collect();
    let by = |one: &&(String, f64, f64), other: &&(String, f64, f64)| one.1.total_cmp(&other.1);
    let (Some(last), Some(first)) = (known.iter().min_by(by), known.iter().max_by(by)) else {
        return;
    };
    let (apart, about) = (first.1 - last.1, first.2 + last.2);
    if apart > CLOCKS + about {
        let severity = if apart > CLOCKS_WRONG { Severity::Problem } else { Severity::Warning };
        findings.push(Finding::new(
            severity,
            "clocks",
            format!("the clock of {} is {apart:.1} s before that of {}", first.0, last.0),
            "leases and elections do not go by it, but certificates, logs and whoever compares times do",
            "run a time service on both: `timedatectl set-ntp true`, or chrony",
        ));
    }
}

pub(super) fn file_descriptors(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let series = &closely.series;
        let (Some(open), Some(most)) =
            (series.one("process_open_fds"), series.one("process_max_fds"))
        else {
            continue;
        };
        let next =
            "raise it: `LimitNOFILE=65536` in the unit, or `ulimit -n 65536` before the start";
        // Newer servers say so themselves, and `status` tells it.
        let is_told = evidence.views.answers.values().any(|answer| {
            evidence.report.name(answer.node) == name
                && answer.health.as_ref().is_some_and(|health| health.most_files > 0)
        });
        if open > most * 0.8 && !is_told {
            findings.push(Finding::new(
                Severity::Problem,
                "file-descriptors",
                format!("{name} has {open} of {most} file descriptors open"),
                "each connection takes one; without any left clients are not accepted",
                next,
            ));
        } else if open <= most * 0.8 && most < FILES {
            findings.push(Finding::new(
                Severity::Note,
                "file-descriptor-limit",
                format!("{name} may open {most} file descriptors"),
                "each connection takes one, and the engine some hundred",
                next,
            ));
        }
    }
}

pub(super) fn certificates(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let Some(now) = closely.series.one("hiraeth_clock_seconds") else { continue };
        for (which, end) in closely.series.by("hiraeth_tls_certificate_not_after_seconds", "use") {
            let days = (end - now) / 86_400.0;
            if days < DAYS {
                let (severity, what) = if days <= 0.0 {
                    (Severity::Problem, "has ended".to_owned())
                } else {
                    (Severity::Warning, format!("ends in {days:.1} days"))
                };
                findings.push(Finding::new(
                    severity,
                    "certificate",
                    format!("the certificate for {which} of {name} {what}"),
                    "nobody who checks it talks to this server any more from then on",
                    "make a new one and put it in the place of the old one; servers read it again by \
                     themselves",
                ));
            }
        }
    }
}
