//! The home of a sharded registry tells shards of its nodes. Whoever changes a node has done so before it is
//! answered; this is for what nobody asked for (a check that fell silent), and for those who were cut off in
//! between. The leader of the home does it, by its copies: what they do not show yet comes with the next
//! change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use state::registry::{Changes, MACHINE, Name};
use tokio::sync::Notify;
use tokio::time::sleep;
use types::Fault;

use super::Parts;
use crate::Handle;
use crate::shard::Shard;
use crate::shared::Shared;

/// Nodes that are noted one by one; where more change, all are looked at.
const NOTED: usize = 4_096;
/// How long to wait before what could not be told is told again.
const AGAIN: Duration = Duration::from_secs(1);

/// Which nodes somebody has to look at, on the node that leads the home. One for each part.
#[derive(Default)]
pub(crate) struct Mirrors {
    noted: Mutex<Noted>,
    /// Rung where something is noted: the same bell for all parts.
    bell: Mutex<Option<Arc<Notify>>>,
}

#[derive(Default)]
struct Noted {
    of: Option<Part>,
    names: BTreeSet<Name>,
    is_more: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Home,
    Shard,
}

impl Mirrors {
    /// Takes in what was applied; called with the machine held.
    pub(super) fn note(&self, changes: &Changes) {
        if changes.nodes.is_empty() && changes.mirrored.is_empty() {
            return;
        }
        let mut noted = self.noted.lock();
        let names = match noted.of {
            None => return,
            Some(Part::Home) => &changes.nodes,
            Some(Part::Shard) => &changes.mirrored,
        };
        if names.is_empty() {
            return;
        }
        noted.names.extend(names.iter().cloned());
        if noted.names.len() > NOTED {
            noted.names.clear();
            noted.is_more = true;
        }
        drop(noted);
        if let Some(bell) = &*self.bell.lock() {
            bell.notify_one();
        }
    }

    fn begin(&self, of: Part, bell: &Arc<Notify>) {
        *self.bell.lock() = Some(Arc::clone(bell));
        *self.noted.lock() = Noted { of: Some(of), names: BTreeSet::new(), is_more: false };
    }

    fn end(&self) {
        *self.noted.lock() = Noted::default();
        *self.bell.lock() = None;
    }

    /// What was noted; `None` where it was too much.
    fn take(&self) -> Option<BTreeSet<Name>> {
        let mut noted = self.noted.lock();
        if std::mem::take(&mut noted.is_more) {
            noted.names.clear();
            return None;
        }
        Some(std::mem::take(&mut noted.names))
    }
}

/// Runs as long as the node.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let handle = Handle::new(Arc::clone(&shared));
    let mut directory = shared.watch_directory();
    let is_made = directory.wait_for(|directory| directory.keyspace_named(MACHINE).is_some());
    if is_made.await.is_err() {
        return;
    }
    let Some(parts) = shared.registry_parts() else { return };
    let (set, made) = (shared.config.registry_shards, parts.shards.len());
    if usize::try_from(set).is_ok_and(|set| set != made && set > 0) {
        tracing::warn!(
            set,
            made,
            "the registry was made with another number of shards, and keeps them"
        );
    }
    while parts.is_sharded() && !shared.has_ended() {
        let Ok(home) = shared.keyspace_shard(parts.home) else {
            // It is being started here, or leaves.
            sleep(AGAIN).await;
            continue;
        };
        let mut leadership = home.watch_leadership();
        if leadership.wait_for(|now| now.here).await.is_err() {
            // This replica is gone; there may be another one.
            sleep(AGAIN).await;
            continue;
        }
        let lost = async { drop(leadership.wait_for(|now| !now.here).await) };
        tokio::select! {
            () = lost => {}
            () = tell(&handle, &parts) => {}
        }
        for shard in shards(&shared, &parts) {
            if let Some(share) = &shard.registry {
                share.mirrors.end();
            }
        }
    }
}

fn shards(shared: &Shared, parts: &Parts) -> Vec<Arc<Shard>> {
    parts.all().filter_map(|part| shared.keyspace_shard(part).ok()).collect()
}

/// While this node leads the home.
async fn tell(handle: &Handle, parts: &Parts) {
    // Those that were just made, or of a node that just started, are waited for.
    let shards = loop {
        match handle.registry_shards(parts.home).await {
            Ok(shards) => break shards,
            Err(_) => sleep(AGAIN).await,
        }
    };
    let bell = Arc::new(Notify::new());
    for (number, shard) in shards.iter().enumerate() {
        let of = if number == 0 { Part::Home } else { Part::Shard };
        if let Some(share) = &shard.registry {
            share.mirrors.begin(of, &bell);
        }
    }
    let mut all = true;
    loop {
        if let Err(fault) = tell_noted(handle, parts, &shards, all).await {
            tracing::debug!(%fault, "shards of the registry are not told of nodes yet");
            all = true;
            sleep(AGAIN).await;
            continue;
        }
        all = false;
        bell.notified().await;
    }
}

async fn tell_noted(
    handle: &Handle,
    parts: &Parts,
    shards: &[Arc<Shard>],
    mut all: bool,
) -> Result<(), Fault> {
    let mut names = BTreeSet::new();
    for share in shards.iter().filter_map(|shard| shard.registry.as_ref()) {
        match share.mirrors.take() {
            Some(noted) => names.extend(noted),
            None => all = true,
        }
    }
    if all {
        names.extend(handle.told_otherwise(parts).await?);
    }
    let names: Vec<Name> = names.into_iter().collect();
    handle.tell_shards(parts, &names).await
}
