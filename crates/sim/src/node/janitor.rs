//! What `node::janitor` does from time to time.

use state::Applied;
use state::command::{Command, Envelope};
use storage::engine::Engine;
use types::{Code, Index, LeaseId, RegionId};

use super::Running;
use super::poller::ToPoller;
use crate::event::{Asked, Event};
use crate::mutant::Mutant;
use crate::sky::Sky;

const EXPIRE_AT_ONCE: usize = 8;

impl Running {
    pub(crate) fn cut_logs(&mut self, sky: &mut Sky) {
        let again = sky.settings.cut_interval_micros;
        sky.after(again, Event::CutLogs { node: self.at, life: self.life });
        self.tidy_log(sky);
        self.sweep_regions(sky);
        self.drive_splits(sky);
        self.drive_places(sky);
        let (keep, slack) = (sky.settings.log_keep_entries, sky.settings.log_slack_entries);
        let due: Vec<(RegionId, Index)> = self
            .shards
            .iter()
            .filter_map(|(region, shard)| {
                let applied = shard.machine.applied().index.get();
                let held = (applied + 1).saturating_sub(shard.log_first);
                (held > keep + slack).then(|| (*region, Index(applied - keep)))
            })
            .collect();
        if due.is_empty() {
            return;
        }
        let durable = self.engine.durable();
        for (region, to) in due {
            let safe = match Applied::stored(region, &*durable) {
                Ok(applied) => applied.index,
                Err(error) => {
                    self.broke(sky, "engine", format!("the durable state cannot be read: {error}"));
                    return;
                }
            };
            let to = if sky.mutant == Some(Mutant::CutBeforePersist) {
                to
            } else {
                if safe < to {
                    self.engine.flush_soon();
                }
                to.min(safe)
            };
            if self.shard(region).is_none_or(|shard| to.get() < shard.log_first) {
                continue;
            }
            let Ok(entries) = self.log.entries(region, to, to.next(), 1) else { continue };
            let Some(term) = entries.first().map(|entry| entry.term) else { continue };
            if let Some(shard) = self.shard(region) {
                shard.log_first = to.get() + 1;
            }
            sky.counts.log_cuts += 1;
            sky.note(self.node, "cuts log", [region.get(), to.get(), 0, 0]);
            self.tell(sky, ToPoller::Compact { region, to, term });
        }
    }

    pub(crate) fn expire_leases(&mut self, sky: &mut Sky) {
        let again = self.real(100_000);
        sky.after(again, Event::ExpireLeases { node: self.at, life: self.life });
        if sky.atlas.lying.is_some_and(|it| it.successor.is_some()) {
            // While nodes come and go, `node::membership` looks more often than logs are cut, and more often
            // than a group that was kept awake for it falls asleep.
            self.drive_members(sky);
            self.reconcile_led(sky);
        }
        let now = self.clock(sky);
        let leading: Vec<RegionId> = self
            .shards
            .iter()
            .filter(|(_, shard)| shard.leadership.here)
            .map(|(region, _)| *region)
            .collect();
        for region in leading {
            let Some(shard) = self.shards.get_mut(&region) else { continue };
            let ids = shard.leases.expired(now, EXPIRE_AT_ONCE);
            if !ids.is_empty() {
                self.expire(sky, region, ids);
            }
            self.expire_registry(sky, region);
        }
    }

    fn expire(&mut self, sky: &mut Sky, region: RegionId, ids: Vec<LeaseId>) {
        let Some(shard) = self.shards.get(&region) else { return };
        let command = Command::LeaseExpire { ids: ids.clone() };
        let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
        let data = envelope.encode();
        self.last_question += 1;
        let expiry = self.last_question;
        self.expiries.insert(expiry, ids);
        self.tell(sky, ToPoller::Propose { region, data, asked: Asked::Expiry { region, expiry } });
    }

    /// An expiry was not proposed, or not knowingly carried out. Only what is certainly not in the
    /// log is due again: a lease that could be renewed meanwhile would still die by it.
    pub(super) fn expiry_failed(&mut self, region: RegionId, expiry: u64, code: Code) {
        let ids = self.expiries.remove(&expiry).unwrap_or_default();
        if code != Code::LeaderChanged
            && let Some(shard) = self.shard(region)
        {
            shard.leases.retry(ids);
        }
    }
}
