//! Who belongs to the cluster, and how many may go missing.

use std::collections::{BTreeMap, BTreeSet};

use client::native::NodeInfo;

use crate::cli::doctor::evidence::Evidence;
use crate::cli::doctor::finding::{Finding, Severity};
use crate::cli::status::report::Condition;

/// What `hiraeth status` would say.
pub(super) fn as_status_sees_it(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let severity = match evidence.report.state {
        Condition::NoQuorum => Severity::Problem,
        Condition::Healthy | Condition::Degraded => Severity::Warning,
    };
    for warning in &evidence.report.warnings {
        let (what, next) = warning.split_once("; ").unwrap_or((warning, "see `hiraeth status`"));
        findings.push(Finding::new(severity, "status", what, "", next));
    }
}

fn voters(evidence: &Evidence) -> Vec<&NodeInfo> {
    let nodes = evidence.views.nodes().iter();
    nodes.filter(|node| !node.learner && node.phase != "leaving").collect()
}

pub(super) fn number_of_voters(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let count = voters(evidence).len();
    if count == 1 {
        findings.push(Finding::new(
            Severity::Note,
            "single",
            "the cluster has one server",
            "when it is down nothing is served, and when its disk is lost everything is",
            "run three: `hiraeth admin node add HOST:PORT`, then `hiraeth serve --join`, twice",
        ));
    } else if count > 0 && count.is_multiple_of(2) {
        findings.push(Finding::new(
            Severity::Warning,
            "even-voters",
            format!("{count} servers vote"),
            "an even number bears no more losses than one less, and has more to lose",
            format!(
                "add one (`hiraeth admin node add HOST:PORT`), or remove one (`hiraeth admin node \
                 remove NAME`): {} or {}",
                count + 1,
                count - 1
            ),
        ));
    }
}

pub(super) fn a_spare_one(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let voters = voters(evidence);
    let needed = voters.len() / 2 + 1;
    let there = voters.iter().filter(|node| evidence.views.answers.contains_key(&node.id)).count();
    // What is missing already is told by `status`.
    if voters.len() > 2 && there == needed {
        findings.push(Finding::new(
            Severity::Problem,
            "no-spare",
            format!("{there} of {} voting servers answer, and {needed} are needed", voters.len()),
            "with one more gone nothing can be written",
            "bring back those that are missing before you stop anything else: `hiraeth status`",
        ));
    }
}

pub(super) fn zones(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let voters = voters(evidence);
    let mut by_zone: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &voters {
        *by_zone.entry(node.zone.as_str()).or_default() += 1;
    }
    let why = "what a zone's servers share fails for all of them at once";
    let told = by_zone.keys().any(|zone| !zone.is_empty());
    if voters.len() < 3 || !told {
        return;
    }
    if let Some(count) = by_zone.get("") {
        findings.push(Finding::new(
            Severity::Note,
            "zone-unknown",
            format!("{count} servers do not say which zone they are in, and others do"),
            "replicas are kept apart by zones, as far as these are known",
            "start them with `--zone NAME`",
        ));
    }
    let needed = voters.len() / 2 + 1;
    if let Some((zone, count)) =
        by_zone.iter().find(|(zone, count)| !zone.is_empty() && **count >= needed)
    {
        findings.push(Finding::new(
            Severity::Warning,
            "one-zone",
            format!("{count} of {} voting servers are in zone {zone}", voters.len()),
            why,
            "move servers to other zones, so that none has a majority of them",
        ));
    }
}

pub(super) fn versions(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let all: BTreeSet<&str> =
        evidence.views.answers.values().map(|answer| answer.version.as_str()).collect();
    if all.len() > 1 {
        let all: Vec<&str> = all.into_iter().collect();
        findings.push(Finding::new(
            Severity::Warning,
            "versions",
            format!("versions {} run together", all.join(" and ")),
            "that is for the time of an upgrade; what is new serves when all have it",
            "go on with the upgrade, one server at a time: docs/operations.md#upgrade",
        ));
    }
    let nodes = evidence.views.nodes();
    let most = nodes.iter().map(|node| node.level).max().unwrap_or(0);
    let holds = nodes.iter().filter(|node| node.level < most && node.phase != "joining");
    let holds: Vec<String> = holds.map(|node| evidence.report.name(node.id)).collect();
    if !holds.is_empty() {
        findings.push(Finding::new(
            Severity::Note,
            "level",
            format!("{} knows less than level {most}", holds.join(", ")),
            "what came with that level is refused, or not used, until all know it",
            "install the build of the others there: docs/operations.md#upgrade",
        ));
    }
}

pub(super) fn learners(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for node in evidence.views.nodes().iter().filter(|node| node.learner && node.phase == "member")
    {
        let name = evidence.report.name(node.id);
        let next = match evidence.views.answers.contains_key(&node.id) {
            true => format!("`etcdctl member promote {:x}`, or remove it", node.id),
            false => "start it, or remove it".to_owned(),
        };
        findings.push(Finding::new(
            Severity::Note,
            "learner",
            format!("{name} is a learner"),
            "it receives everything and does not vote: it is no help when others are lost",
            next,
        ));
    }
}

pub(super) fn draining(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for node in evidence.views.nodes().iter().filter(|node| node.draining && node.replicas == 0) {
        let name = evidence.report.name(node.id);
        findings.push(Finding::new(
            Severity::Note,
            "drained",
            format!("{name} is drained: it has no replicas of sharded keyspaces and is given none"),
            "the others carry its share",
            format!("work on it, then `hiraeth admin node fill {name}`, or remove it"),
        ));
    }
}
