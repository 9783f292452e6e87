//! What is to be done next to have one server take the place of another: it follows from what the cluster
//! says there is and from nothing that a run before has kept, so whoever begins again goes on.

use client::native::NodeInfo;

use crate::cli::admin::label;
use crate::cli::failure::Usage;

/// The two servers as the cluster knows them.
pub(super) struct Sight<'a> {
    pub(super) old: Option<&'a NodeInfo>,
    pub(super) heard: Heard,
    pub(super) new: Option<&'a NodeInfo>,
    /// Whether the new one is known to have come for this: this run added it or saw it join, or whoever gave
    /// the command says so. The directory does not tell what a server came for.
    pub(super) is_known: bool,
    /// Whether the new one is to vote, as the old one did.
    pub(super) votes: bool,
}

/// What is heard of the old one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Well,
    /// Nothing, but not for long: it may be starting again.
    NotNow,
    /// Nothing for so long that it counts as lost.
    Lost,
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
    /// Whether the old one is lost shows in a moment.
    AwaitWord {
        old: u64,
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
/// There is no such server, or the address is that of one that is not known to have come for this.
pub(super) fn next(sight: &Sight<'_>, name: &str, address: &str) -> Result<Step, Usage> {
    let unknown = |new: &NodeInfo| {
        Usage(format!(
            "{address} is {} already; if that came to take the place of {name}, and an earlier run began it: \
             the same once more with --go-on",
            label(new)
        ))
    };
    let Some(old) = sight.old else {
        return match sight.new {
            None => Err(Usage(format!("there is no server {name:?}, and none at {address}"))),
            Some(new) if new.phase == "joining" => Ok(Step::AwaitJoin { new: new.id }),
            Some(new) if new.learner && sight.votes => match sight.is_known {
                true => Ok(Step::Promote { new: new.id }),
                false => Err(unknown(new)),
            },
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
    if new.phase == "joining" {
        return Ok(Step::AwaitJoin { new: new.id });
    }
    if !sight.is_known {
        return Err(unknown(new));
    }
    Ok(match (new.learner && sight.votes, sight.heard) {
        (_, Heard::NotNow) if !is_leaving => Step::AwaitWord { old: id },
        // One more that votes while one is lost would only be one more that can be lost.
        (true, Heard::Lost) if !is_leaving => Step::Remove { old: id },
        (true, _) => Step::Promote { new: new.id },
        _ if is_leaving => Step::AwaitGone { old: id },
        // It gives nothing away itself; its removal has it all made anew at once.
        (_, Heard::Lost) => Step::Remove { old: id },
        _ if !old.draining => Step::Drain { old: id },
        _ if old.replicas > 0 => Step::AwaitEmpty { old: id, left: old.replicas },
        _ => Step::Remove { old: id },
    })
}

#[cfg(test)]
mod tests {
    use client::native::NodeInfo;

    use super::{Heard, Sight, Step, next};

    fn node(id: u64, phase: &str) -> NodeInfo {
        let (name, peer_address) = (format!("n{id}"), format!("h{id}:1"));
        NodeInfo { id, name, peer_address, phase: phase.to_owned(), ..NodeInfo::default() }
    }

    fn sight<'a>(old: Option<&'a NodeInfo>, heard: Heard, new: Option<&'a NodeInfo>) -> Sight<'a> {
        Sight { old, heard, new, is_known: true, votes: true }
    }

    fn step_of(sight: &Sight<'_>) -> Result<Step, String> {
        next(sight, "n2", "h4:1").map_err(|usage| usage.0)
    }

    fn step(old: Option<&NodeInfo>, is_lost: bool, new: Option<&NodeInfo>) -> Result<Step, String> {
        let heard = if is_lost { Heard::Lost } else { Heard::Well };
        step_of(&sight(old, heard, new))
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
    fn who_is_not_known_to_have_come_for_it_takes_nobody_s_place() {
        let draining = NodeInfo { draining: true, ..node(2, "member") };
        let learner = NodeInfo { learner: true, ..node(4, "member") };
        for old in [Some(&node(2, "member")), Some(&draining)] {
            for new in [&node(4, "member"), &learner] {
                let unknown = Sight { is_known: false, ..sight(old, Heard::Lost, Some(new)) };
                let told = step_of(&unknown).err().unwrap_or_default();
                assert!(told.contains("h4:1 is n4") && told.contains("--go-on"), "{told}");
            }
        }
        // Nor is a learner promoted for a name that is nobody's.
        let unknown = Sight { is_known: false, ..sight(None, Heard::Well, Some(&learner)) };
        assert!(step_of(&unknown).is_err());
        let told = step(None, false, None).err().unwrap_or_default();
        assert!(told.contains("no server \"n2\"") && told.contains("h4:1"), "{told}");
        let own = NodeInfo { peer_address: "h4:1".to_owned(), ..node(2, "member") };
        let told = step(Some(&own), false, Some(&own)).err().unwrap_or_default();
        assert!(told.contains("where n2 itself is"), "{told}");
        let told = step(Some(&node(2, "member")), false, Some(&node(4, "leaving")));
        assert!(told.err().unwrap_or_default().contains("which was removed"));
    }

    #[test]
    fn who_is_silent_for_a_moment_only_is_not_lost() {
        let draining = NodeInfo { draining: true, replicas: 3, ..node(2, "member") };
        let learner = NodeInfo { learner: true, ..node(4, "member") };
        for new in [&learner, &node(4, "member")] {
            let silent = sight(Some(&draining), Heard::NotNow, Some(new));
            assert_eq!(step_of(&silent), Ok(Step::AwaitWord { old: 2 }));
        }
    }

    #[test]
    fn who_takes_the_place_of_a_learner_does_not_vote() {
        let learner = NodeInfo { learner: true, ..node(4, "member") };
        let old = NodeInfo { draining: true, learner: true, ..node(2, "member") };
        for (old, heard, wanted) in [
            (Some(&old), Heard::Well, Step::Remove { old: 2 }),
            (Some(&old), Heard::Lost, Step::Remove { old: 2 }),
            (None, Heard::Well, Step::Done),
        ] {
            let seen = Sight { votes: false, ..sight(old, heard, Some(&learner)) };
            assert_eq!(step_of(&seen), Ok(wanted));
        }
    }
}
