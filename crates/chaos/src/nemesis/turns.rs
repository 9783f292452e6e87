//! Everything by turns: every kind of fault once, in an order of the seed, before any comes again.

use super::Nemesis;

#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    KillLeader,
    KillAll,
    Pause,
    Partition,
    PowerOfOne,
    PowerOfLeader,
    PowerOfAll,
    ClockJump,
    SlowDisk,
    FailedSync,
    Members,
    HandOver,
}

impl Turn {
    const ALL: [Self; 12] = [
        Self::KillLeader,
        Self::KillAll,
        Self::Pause,
        Self::Partition,
        Self::PowerOfOne,
        Self::PowerOfLeader,
        Self::PowerOfAll,
        Self::ClockJump,
        Self::SlowDisk,
        Self::FailedSync,
        Self::Members,
        Self::HandOver,
    ];
    const POWER: [Self; 3] = [Self::PowerOfOne, Self::PowerOfLeader, Self::PowerOfAll];
}

impl Nemesis<'_> {
    pub(super) async fn mixed(&mut self) -> anyhow::Result<()> {
        let turn = self.next_turn(&Turn::ALL);
        self.bring(turn).await?;
        self.rest(500, 4_000).await;
        Ok(())
    }

    /// The power goes, and nothing else.
    pub(super) async fn power(&mut self) -> anyhow::Result<()> {
        self.rest(1_000, 4_000).await;
        let turn = self.next_turn(&Turn::POWER);
        self.bring(turn).await
    }

    fn next_turn(&mut self, all: &[Turn]) -> Turn {
        if self.turns.is_empty() {
            self.turns.extend(all);
        }
        let at = usize::try_from(self.random.below(self.turns.len() as u64)).unwrap_or(0);
        self.turns.swap_remove(at)
    }

    async fn bring(&mut self, turn: Turn) -> anyhow::Result<()> {
        match turn {
            Turn::KillLeader => self.kill_leader().await,
            Turn::KillAll => self.kill_all().await,
            Turn::Pause => self.pause().await,
            Turn::Partition if self.servers.setting.has_partitions() => self.partition().await,
            Turn::Partition => {
                eprintln!("chaos: a partition left out: it needs network namespaces");
                Ok(())
            }
            Turn::PowerOfOne => {
                let at = self.any_but(usize::MAX);
                self.cut_power("power cut of one", &[at]).await
            }
            Turn::PowerOfLeader => {
                let at = self.leader().await;
                self.cut_power("power cut of the leader", &[at]).await
            }
            Turn::PowerOfAll => {
                let all = self.servers.here().to_vec();
                self.cut_power("power cut of all", &all).await
            }
            Turn::ClockJump => self.clock().await,
            Turn::SlowDisk => self.slow_disk().await,
            Turn::FailedSync => self.failed_sync().await,
            Turn::Members => self.members().await,
            Turn::HandOver => self.hand_over().await,
        }
    }
}
