//! Regions: where their replicas are, and what they keep.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::doctor::evidence::Evidence;
use crate::cli::doctor::finding::{Finding, Severity};

/// Revisions of a keyspace that was never compacted, from which on that was probably forgotten.
const NEVER_COMPACTED: i64 = 1_000_000;
/// Revisions that are kept behind a compaction, from which on it may be too rare.
const LONG_HISTORY: i64 = 20_000_000;

/// Regions of sharded keyspaces with fewer replicas than they are to have, or with some that do not answer.
pub(super) fn replicas(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let keyspaces = evidence.views.answers.values().flat_map(|answer| &answer.keyspaces);
    let wanted: BTreeMap<u32, usize> = keyspaces
        .filter(|keyspace| keyspace.sharded && keyspace.replicas > 0)
        .map(|keyspace| (keyspace.id, keyspace.replicas as usize))
        .collect();
    let regions = || evidence.report.regions.iter();
    let few = regions().filter(|region| {
        wanted.get(&region.keyspace).is_some_and(|it| region.replicas.len() < *it)
    });
    let few: Vec<String> = few.map(|region| region.id.to_string()).collect();
    if !few.is_empty() {
        findings.push(Finding::new(
            Severity::Warning,
            "few-replicas",
            format!("{} have fewer replicas than they are to have", listed(&few)),
            "they bear fewer losses than was wanted",
            "see that enough servers take replicas (`hiraeth admin node list`); the rest happens by itself",
        ));
    }
    let silent = regions().filter(|region| {
        let answer = region.replicas.iter().filter(|it| it.applied.is_some()).count();
        region.state != "no-quorum" && answer < region.replicas.len()
    });
    let silent: Vec<String> = silent.map(|region| region.id.to_string()).collect();
    if !silent.is_empty() {
        findings.push(Finding::new(
            Severity::Warning,
            "silent-replicas",
            format!("{} have a replica that does not answer", listed(&silent)),
            "they go on with the others, and bear one loss less",
            "bring its server back, or remove it for good: `hiraeth admin node remove NAME`; replicas of \
             sharded keyspaces are made anew after `--replace-after-s`",
        ));
    }
}

/// Replicas that receive and do not vote, though their server is to.
pub(super) fn votes_not_given(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let learners: BTreeSet<u64> =
        evidence.views.nodes().iter().filter(|node| node.learner).map(|node| node.id).collect();
    let mut waiting: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for region in evidence.closely.values().flat_map(|closely| &closely.regions) {
        for peer in region.peers.iter().filter(|it| it.learner && !learners.contains(&it.node)) {
            waiting.entry(peer.node).or_default().push(region.region.to_string());
        }
    }
    for (node, regions) in waiting {
        let name = evidence.report.name(node);
        findings.push(Finding::new(
            Severity::Warning,
            "no-vote-yet",
            format!("{name} has no vote yet in {}", listed(&regions)),
            "it is given one as soon as it caught up; until then it is no help when others are lost",
            format!("if this stays: is {name} up, and its disk and network as fast as the others'?"),
        ));
    }
}

/// Of ordered keyspaces: sharded ones keep no old versions, and the meta region's are not compacted.
pub(super) fn history(evidence: &Evidence, findings: &mut Vec<Finding>) {
    let answers = || evidence.views.answers.values();
    let keyspaces = answers().flat_map(|answer| &answer.keyspaces);
    let ordered: BTreeSet<u32> = keyspaces.filter(|it| !it.sharded).map(|it| it.id).collect();
    let mut kept: BTreeMap<u64, (i64, i64, String)> = BTreeMap::new();
    let regions = answers().flat_map(|answer| &answer.regions);
    for region in regions.filter(|region| ordered.contains(&region.keyspace)) {
        let name = evidence.report.regions.iter().find(|it| it.id == region.id);
        let name = name.and_then(|it| it.keyspace_name.clone()).unwrap_or_default();
        let known = kept.entry(region.id).or_insert((0, 0, name));
        known.0 = known.0.max(region.revision);
        known.1 = known.1.max(region.compacted);
    }
    for (revision, compacted, keyspace) in kept.into_values() {
        let never = compacted <= 1 && revision > NEVER_COMPACTED;
        if never || revision - compacted > LONG_HISTORY {
            let kept = revision - compacted;
            let seldom = if never { "was never compacted" } else { "keeps a long history" };
            findings.push(Finding::new(
                Severity::Warning,
                "history",
                format!("keyspace {keyspace} {seldom}: it keeps {kept} revisions"),
                "every old version takes room on every disk until it is compacted",
                "start all servers with `--auto-compaction-retention 1h`, or have a client compact: \
                 `etcdctl compaction REVISION`",
            ));
        }
    }
}

/// A region that was set aside comes back with a restart, and its reason is forgotten with it.
pub(super) fn broken_before(evidence: &Evidence, findings: &mut Vec<Finding>) {
    for (name, closely) in evidence.each() {
        let count = closely.series.sum("hiraeth_regions_quarantined_total");
        if count > 0.0 {
            findings.push(Finding::new(
                Severity::Problem,
                "set-aside",
                format!("{name} has set {count} regions aside since it was started"),
                "a bug was met there, and these replicas do not serve",
                format!("keep the log of {name}, restart it, and report this"),
            ));
        }
    }
}

fn listed(ids: &[String]) -> String {
    const NAMED: usize = 5;
    match ids.len() {
        1 => format!("region {}", ids[0]),
        count if count <= NAMED => format!("regions {}", ids.join(", ")),
        count => format!("{count} regions ({}, ..)", ids[..NAMED].join(", ")),
    }
}
