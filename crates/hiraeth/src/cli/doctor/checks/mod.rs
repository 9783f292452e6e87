//! What usually is wrong. Each check is pure: evidence in, findings out.

mod load;
mod machine;
mod members;
mod regions;

use super::evidence::Evidence;
use super::finding::Finding;

type Check = fn(&Evidence, &mut Vec<Finding>);

const CHECKS: [Check; 20] = [
    members::as_status_sees_it,
    members::number_of_voters,
    members::a_spare_one,
    members::zones,
    members::versions,
    members::learners,
    members::draining,
    regions::replicas,
    regions::votes_not_given,
    regions::history,
    regions::broken_before,
    machine::disks,
    machine::syncs,
    machine::clocks,
    machine::file_descriptors,
    machine::certificates,
    load::alarms,
    load::leaders,
    load::failures,
    load::silence,
];

/// Kinds of trouble that are looked for.
pub(super) const COUNT: usize = CHECKS.len();

/// Everything that is found, the worst first.
pub(super) fn all(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS {
        check(evidence, &mut findings);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
