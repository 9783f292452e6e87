//! What is to be done next to have one server take the place of another: it follows from what the cluster
//! says there is and from nothing that a run before has kept, so whoever begins again goes on.

use client::native::NodeInfo;

use crate::cli::admin::label;
use crate::cli::failure::Usage;

/// The two servers as the cluster knows them.
pub(super) struct Sight<'a> {
    pub(super) old: Option<&'a NodeInfo>,
    /// Whether nothing is heard of it.
    pub(super) is_lost: bool,
    pub(super) new: Option<&'a NodeInfo>,
}

/// The next step. Each leaves a mark in the directory by which the one after it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Mark the old one as going, and add the new one.
    Add {
        old: u64,
        is_marked: bool,
    },
    /// Somebody is to start the new one.
    AwaitJoin {
        new: u64,
    },
    /// Have the new one vote, which only receives so far.
    Promote {
        new: u64,
    },
    /// Have the old one give away the replicas of sharded keyspaces.
    Drain {
        old: u64,
    },
    /// So many of them are left.
    AwaitEmpty {
        old: u64,
        left: u64,
    },
    Remove {
        old: u64,
    },
    /// It was removed; replicas still go.
    AwaitGone {
        old: u64,
    },
    Done,
}

/// # Errors
/// There is no such server, or the address is that of one that did not come for this.
pub(super) fn next(sight: &Sight<'_>, name: &str, address: &str) -> Result<Step, Usage> {
    let Some(old) = sight.old else {
        return match sight.new {
            None => Err(Usage(format!("there is no server {name:?}, and none at {address}"))),
            Some(new) if new.phase == "joining" => Ok(Step::AwaitJoin { new: new.id }),
            Some(new) if new.learner => Ok(Step::Promote { new: new.id }),
            Some(_) => Ok(Step::Done),
        };
    };
    let (is_leaving, id) = (old.phase == "leaving", old.id);
    if old.peer_address == address {
        return Err(Usage(format!(
            "{address} is where {} itself is: the new server needs another address, or `etcdctl member \
             update {id}` tells the cluster where this one is",
            label(old)
        )));
    }
    let Some(new) = sight.new else {
        return Ok(Step::Add { old: id, is_marked: old.draining || is_leaving });
    };
    if new.phase == "leaving" {
        return Err(Usage(format!("{address} is {}, which was removed", label(new))));
    }
    let new_id = new.id;
    let is_coming = new.phase == "joining" || new.learner;
    if !(is_coming || old.draining || is_leaving) {
        return Err(Usage(format!(
            "{address} is the member {} already, and nobody began to replace {} with it; if it is to go \
             all the same: `hiraeth admin node remove {id}`",
            label(new),
            label(old)
        )));
    }
    Ok(match (new.phase.as_str(), new.learner) {
        ("joining", _) => Step::AwaitJoin { new: new_id },
        // One more that votes while one is lost would only be one more that can be lost.
        (_, true) if sight.is_lost && !is_leaving => Step::Remove { old: id },
        (_, true) => Step::Promote { new: new_id },
        _ if is_leaving => Step::AwaitGone { old: id },
        // It gives nothing away itself; its removal has it all made anew at once.
        _ if sight.is_lost => Step::Remove { old: id },
        _ if !old.draining => Step::Drain { old: id },
        _ if old.replicas > 0 => Step::AwaitEmpty { old: id, left: old.replicas },
        _ => Step::Remove { old: id },
    })
}

#[cfg(test)]
mod tests {
    use client::native::NodeInfo;

    use super::{Sight, Step, next};

    fn node(id: u64, phase: &str) -> NodeInfo {
        let (name, peer_address) = (format!("n{id}"), format!("h{id}:1"));
        NodeInfo { id, name, peer_address, phase: phase.to_owned(), ..NodeInfo::default() }
    }

    fn step(old: Option<&NodeInfo>, is_lost: bool, new: Option<&NodeInfo>) -> Result<Step, String> {
        next(&Sight { old, is_lost, new }, "n2", "h4:1").map_err(|usage| usage.0)
    }

    #[test]
    fn a_live_one_goes_after_the_new_one_came() {
        let (member, joining) = (node(2, "member"), node(4, "joining"));
        let draining = NodeInfo { draining: true, ..node(2, "member") };
        let full = NodeInfo { draining: true, replicas: 3, ..node(2, "member") };
        let (leaving, new) = (node(2, "leaving"), node(4, "member"));
        let steps = [
            (Some(&member), None, Step::Add { old: 2, is_marked: false }),
            (Some(&draining), None, Step::Add { old: 2, is_marked: true }),
            (Some(&draining), Some(&joining), Step::AwaitJoin { new: 4 }),
            (Some(&full), Some(&new), Step::AwaitEmpty { old: 2, left: 3 }),
            (Some(&draining), Some(&new), Step::Remove { old: 2 }),
            (Some(&leaving), Some(&new), Step::AwaitGone { old: 2 }),
            (None, Some(&new), Step::Done),
        ];
        for (old, new, wanted) in steps {
            assert_eq!(step(old, false, new), Ok(wanted));
        }
    }

    #[test]
    fn a_dead_one_goes_before_the_new_one_votes() {
        let draining = NodeInfo { draining: true, replicas: 3, ..node(2, "member") };
        let leaving = NodeInfo { replicas: 3, ..node(2, "leaving") };
        let learner = NodeInfo { learner: true, ..node(4, "member") };
        let steps = [
            (Some(&draining), Some(&learner), Step::Remove { old: 2 }),
            (Some(&leaving), Some(&learner), Step::Promote { new: 4 }),
            (Some(&leaving), None, Step::Add { old: 2, is_marked: true }),
            (None, Some(&learner), Step::Promote { new: 4 }),
            // It was there until the new one voted.
            (Some(&draining), Some(&node(4, "member")), Step::Remove { old: 2 }),
        ];
        for (old, new, wanted) in steps {
            assert_eq!(step(old, true, new), Ok(wanted));
        }
        // It came back.
        assert_eq!(step(Some(&draining), false, Some(&learner)), Ok(Step::Promote { new: 4 }));
    }

    #[test]
    fn who_was_not_added_for_it_takes_nobody_s_place() {
        let (member, new) = (node(2, "member"), node(4, "member"));
        let told = step(Some(&member), false, Some(&new)).err().unwrap_or_default();
        assert!(told.contains("h4:1 is the member n4 already"), "{told}");
        let told = step(None, false, None).err().unwrap_or_default();
        assert!(told.contains("no server \"n2\"") && told.contains("h4:1"), "{told}");
        let own = NodeInfo { peer_address: "h4:1".to_owned(), ..member };
        let told = step(Some(&own), false, Some(&own)).err().unwrap_or_default();
        assert!(told.contains("where n2 itself is"), "{told}");
        let told = step(Some(&node(2, "member")), false, Some(&node(4, "leaving")));
        assert!(told.err().unwrap_or_default().contains("which was removed"));
    }
}
