//! Alarms: those raised in a keyspace, and nodes whose disk is full.

use std::collections::BTreeSet;

use state::alarms::{Alarm, AlarmKind};
use state::command::Command;
use state::response::Response;
use types::{Code, Fault, KeyspaceId};

use super::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::read;
use crate::shard::Shard;
use crate::shared::Shared;

impl Handle {
    /// The alarms that stand in a keyspace, those of no room first. A node that has no room is among
    /// them by itself, as far as it is heard, until it has.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn alarms(&self, keyspace: KeyspaceId) -> Result<Answer<Vec<Alarm>>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.keys_only()?;
        let age = read::confirm(&self.shared, &shard, Consistency::Linearizable).await?;
        let body = standing(&self.shared, &shard);
        Ok(Answer { header: Header { age, ..self.header_of(&shard) }, body })
    }

    /// Raises an alarm in a keyspace, or puts it down; answers it if it stands or stood.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn set_alarm(
        &self,
        keyspace: KeyspaceId,
        alarm: Alarm,
        raise: bool,
    ) -> Result<Answer<Vec<Alarm>>, Fault> {
        let Answer { header, body } =
            self.propose(keyspace, Command::Alarm { alarm, raise }).await?;
        match body {
            Response::Alarms(body) => Ok(Answer { header, body }),
            _ => Err(Fault::new(Code::Internal, "an alarm was set")),
        }
    }
}

pub(super) fn standing(shared: &Shared, shard: &Shard) -> Vec<Alarm> {
    let mut alarms: BTreeSet<Alarm> = match shard.custom {
        // A machine of others may be busy for any time, and has none.
        Some(_) => BTreeSet::new(),
        None => shard.machine.read().alarms().collect(),
    };
    let own = shared.space.is_read_only().then(|| shared.node());
    let full = shared.live.liveness.lock().read_only().into_iter().chain(own);
    alarms.extend(full.map(|node| Alarm { kind: AlarmKind::NoSpace, node }));
    alarms.into_iter().collect()
}
