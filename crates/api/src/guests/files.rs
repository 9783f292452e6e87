use std::sync::atomic::{AtomicU64, Ordering};

/// Clients that may come before file descriptors are counted again: that walks over all of them before Linux
/// 6.2, which would be a walk over ten thousand for each of ten thousand that come back at once.
static UNCOUNTED: AtomicU64 = AtomicU64::new(0);

/// Whether a client that came has to go: what is left of the file descriptors is for links to other nodes,
/// the log and the engine. A node that clients keep from these would stop over its clients.
pub(crate) fn turned_away(peer: &str) -> bool {
    // Its own is among those that are open.
    let crowded = !may_stay(&UNCOUNTED, || node::client_descriptors_left(1));
    if crowded {
        super::complaint::CROWDED.about(peer, 1);
    }
    crowded
}

/// Half of what was left at the last count is given away without another one: the log and the engine take
/// some meanwhile, too, and there is what is kept for them.
fn may_stay(uncounted: &AtomicU64, left: impl FnOnce() -> u64) -> bool {
    let take = |count: u64| count.checked_sub(1);
    if uncounted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        return true;
    }
    let left = left();
    uncounted.store(left / 2, Ordering::Relaxed);
    left > 0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::may_stay;

    #[test]
    fn as_many_stay_as_there_is_room_for_and_few_of_them_cost_a_count() {
        let (uncounted, room) = (AtomicU64::new(0), 1_000);
        let (mut there, mut counts) = (0, 0);
        let mut comes = |there: &mut u64| {
            let stays = may_stay(&uncounted, || {
                counts += 1;
                room - *there
            });
            *there += u64::from(stays);
            stays
        };
        while comes(&mut there) {}
        assert_eq!(there, room);
        assert!(!comes(&mut there), "nor the next one");
        there -= 1;
        assert!(comes(&mut there) && !comes(&mut there), "one left, so one more may come");
        assert!(counts <= 16, "{counts}");
    }
}
