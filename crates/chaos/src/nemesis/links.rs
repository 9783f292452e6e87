//! Partitions. Clients reach every node all the while.

use super::Nemesis;
/// Of fewer, whoever does not reach one reaches no majority, or all.
const RING: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The leader's link is down.
    LeaderOff,
    /// What the leader sends does not arrive.
    LeaderMute,
    /// What others send to the leader does not arrive.
    LeaderDeaf,
    /// A follower's link is down.
    FollowerOff,
    /// What a follower sends does not arrive.
    FollowerMute,
    /// The leader and one follower do not reach each other; both reach the others.
    Bridge,
    /// No node reaches another.
    Apart,
    /// Each reaches a majority, and none the same one: only its neighbours in a ring. For five and more.
    MajorityRing,
}

impl Cut {
    const ALL: [Self; 8] = [
        Self::LeaderOff,
        Self::LeaderMute,
        Self::LeaderDeaf,
        Self::FollowerOff,
        Self::FollowerMute,
        Self::Bridge,
        Self::Apart,
        Self::MajorityRing,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::LeaderOff => "leader cut off",
            Self::LeaderMute => "leader not heard",
            Self::LeaderDeaf => "leader does not hear",
            Self::FollowerOff => "follower cut off",
            Self::FollowerMute => "follower not heard",
            Self::Bridge => "bridge",
            Self::Apart => "all apart",
            Self::MajorityRing => "majority ring",
        }
    }
}

/// Every cut once, in an order of the seed, before any comes again.
#[derive(Default)]
pub(crate) struct Deck(Vec<Cut>);

impl Nemesis<'_> {
    fn next_cut(&mut self) -> Cut {
        if self.deck.0.is_empty() {
            let is_ring = self.servers.here().len() >= RING;
            let fits = |cut: &Cut| is_ring || !matches!(cut, Cut::MajorityRing);
            self.deck.0.extend(Cut::ALL.into_iter().filter(fits));
        }
        let at = usize::try_from(self.random.below(self.deck.0.len() as u64)).unwrap_or(0);
        self.deck.0.swap_remove(at)
    }

    /// One partition, from its beginning to its end.
    pub(super) async fn partition(&mut self) -> anyhow::Result<()> {
        self.rest(2_000, 4_000).await;
        let leader = self.leader().await;
        let follower = self.any_but(leader);
        let cut = self.next_cut();
        let at = match cut {
            Cut::FollowerOff | Cut::FollowerMute => follower,
            _ => leader,
        };
        self.ledger.fault(cut.name(), self.servers.name(at));
        let setting = &self.servers.setting;
        let here = self.servers.here();
        let others = here.iter().copied().filter(|other| *other != at);
        match cut {
            Cut::LeaderOff | Cut::FollowerOff => setting.link(at, false)?,
            Cut::LeaderMute | Cut::FollowerMute => {
                others.into_iter().try_for_each(|other| setting.cut(at, other))?;
            }
            Cut::LeaderDeaf => others.into_iter().try_for_each(|other| setting.cut(other, at))?,
            Cut::Bridge => {
                setting.cut(leader, follower)?;
                setting.cut(follower, leader)?;
            }
            Cut::Apart => here.iter().try_for_each(|each| setting.link(*each, false))?,
            Cut::MajorityRing => {
                let count = here.len();
                for (one, two) in (0..count).flat_map(|one| (0..count).map(move |two| (one, two))) {
                    let apart = one.abs_diff(two).min(count - one.abs_diff(two));
                    // So many to each side that each reaches a majority with itself.
                    if apart > (count / 2).div_ceil(2) {
                        setting.cut(here[one], here[two])?;
                    }
                }
            }
        }
        self.rest(1_000, 7_000).await;
        self.servers.setting.heal(self.servers.places())
    }
}
