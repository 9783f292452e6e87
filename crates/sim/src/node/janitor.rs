//! What `node::janitor` does from time to time.

use state::command::{Command, Envelope};
use storage::engine::Engine;
use types::{Index, LeaseId, RegionId};

use super::Running;
use super::poller::ToPoller;
use crate::event::{Asked, Event};
use crate::mutant::Mutant;
use crate::sky::Sky;

const EXPIRE_AT_ONCE: usize = 8;
const EXPIRE_AGAIN_MICROS: u64 = 600_000;

impl Running {
    pub(crate) fn cut_logs(&mut self, sky: &mut Sky) {
        let again = sky.settings.cut_interval_micros;
        sky.after(again, Event::CutLogs { node: self.at, life: self.life });
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
        if sky.mutant != Some(Mutant::CutBeforePersist)
            && let Err(error) = self.engine.persist()
        {
            self.fail(format!("the engine could not be made durable: {error}"));
            return;
        }
        for (region, to) in due {
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
        }
    }

    fn expire(&mut self, sky: &mut Sky, region: RegionId, ids: Vec<LeaseId>) {
        let Some(shard) = self.shards.get(&region) else { return };
        let command = Command::LeaseExpire { ids: ids.clone() };
        let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
        let data = envelope.encode();
        self.tell(sky, ToPoller::Propose { region, data, asked: Asked::Nobody });
        let again = Event::RetryLeases { node: self.at, life: self.life, region, ids };
        sky.after(EXPIRE_AGAIN_MICROS, again);
    }

    pub(crate) fn retry_leases(&mut self, region: RegionId, ids: Vec<LeaseId>) {
        if let Some(shard) = self.shard(region) {
            shard.leases.retry(ids);
        }
    }
}
