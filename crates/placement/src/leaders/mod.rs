//! Who should lead which region. Pure, and without memory, as a plan of moves is.
//!
//! What clients ask for goes before numbers: first regions change hands so that no node is asked for much
//! more than another, then others so that every node leads about as many. The two cannot work against each
//! other: a handover for load makes the sum of the squares of the nodes' loads smaller, and one for numbers
//! never makes it larger, but brings nodes nearer to the band their numbers are to be in. What only goes
//! down comes to an end.

mod count;
mod load;

use std::collections::{BTreeMap, BTreeSet};

use types::{NodeId, RegionId};

pub(crate) use load::Field;

/// More than this no region is asked for: requests per second.
const MOST_LOAD: u64 = 1 << 40;

/// Who leads what, and what is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leaders {
    /// The nodes that may lead, each with what it is asked for beside the regions here, in requests per
    /// second.
    pub nodes: BTreeMap<NodeId, u64>,
    /// The regions whose leaders may change.
    pub regions: BTreeMap<RegionId, LedView>,
    /// What is asked of regions that nobody said to lead. While that is much, nothing is handed over for
    /// load: they are on their way from one node to another, and count for none of the two.
    pub unled: u64,
}

/// A region that somebody leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedView {
    /// Who. One that is not among the nodes may not lead; what it leads counts for nobody.
    pub leader: NodeId,
    /// The nodes it can be led from.
    pub homes: BTreeSet<NodeId>,
    /// What clients ask for, of all nodes together, in requests per second.
    pub load: u64,
}

/// A region that another node is to lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handover {
    /// Which.
    pub region: RegionId,
    /// Who leads it.
    pub from: NodeId,
    /// Who is to.
    pub to: NodeId,
}

/// When loads are so uneven that something is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadLimits {
    /// Percent of the average a node may be asked for more or less before anything is handed over.
    pub tolerance: u64,
    /// Requests per second below which a node is never asked for too much.
    pub least: u64,
    /// Requests per second that are worth a handover. A region that is asked for less counts as asked for
    /// nothing.
    pub least_step: u64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self { tolerance: 20, least: 100, least_step: 10 }
    }
}

/// Which regions should be led by another node, about `most`, and no region twice.
///
/// Without load none of the nodes leads two more than another afterwards, as far as that can be. With load,
/// who is asked for more than the tolerance above the average leads nothing that a node below it could
/// lead, unless that is more than four fifths of the difference between the two; and each leads within a
/// tenth of the average, or one more or less, as far as that takes nothing which would make loads less
/// even.
#[must_use]
pub fn handovers(view: &Leaders, limits: &LoadLimits, most: usize) -> Vec<Handover> {
    let mut led: BTreeMap<_, _> =
        view.regions.iter().map(|(region, known)| (*region, known.leader)).collect();
    let nodes: BTreeSet<NodeId> = view.nodes.keys().copied().collect();
    let mut homes: BTreeMap<_, _> =
        view.regions.iter().map(|(region, known)| (*region, &known.homes)).collect();
    let Some(mut field) = Field::new(view, limits) else {
        return count::handovers(&led, &homes, &nodes, None, most);
    };
    let mut plan = field.plan(most);
    led.extend(plan.iter().map(|handover| (handover.region, handover.to)));
    for handover in &plan {
        homes.remove(&handover.region);
    }
    // Numbers are evened out by what makes no difference to loads, as long as there is any.
    homes.retain(|region, _| view.regions[region].load < limits.least_step);
    let rest = most.saturating_sub(plan.len());
    let idle = count::handovers(&led, &homes, &nodes, Some(field.band()), rest);
    idle.iter().for_each(|handover| field.note(*handover));
    plan.extend(idle);
    plan.extend(field.even_numbers(most.saturating_sub(plan.len())));
    plan
}
