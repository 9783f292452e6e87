use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::OptionFuture;

use super::Room;
use crate::flight::Event;
use crate::shared::Shared;

/// Between two looks at the disk. A disk that is written at full speed loses less than the reserve
/// meanwhile.
const INTERVAL: Duration = Duration::from_millis(500);
/// Between two attempts to give away what this node leads without room: one that fails costs its region
/// its proposals for an election timeout.
const HAND_OVER_AGAIN: Duration = Duration::from_secs(5);

/// Between two flushes while keyspaces in memory are full.
const FLUSH_AGAIN: Duration = Duration::from_secs(2);

/// Looks at the disk for as long as the node runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut blind = false;
    let mut handing_over = None;
    let mut not_before = shared.clock.now();
    let mut flush_not_before = shared.clock.now();
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = OptionFuture::from(handing_over.as_mut()).map(drop), if handing_over.is_some() => {
                handing_over = None;
                not_before = shared.clock.now().after(HAND_OVER_AGAIN);
                continue;
            }
        }
        if shared.space.is_memory_full() && shared.clock.now() >= flush_not_before {
            // What is deleted leaves memory with the next flush, and little else may come.
            shared.engine.flush_soon();
            flush_not_before = shared.clock.now().after(FLUSH_AGAIN);
        }
        let looking = Arc::clone(&shared);
        let look = move || {
            if looking.space.look_at_memory(looking.engine.stats().resident_bytes) {
                tell_of_memory(&looking);
            }
            looking.space.look(looking.disk.as_ref())
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok((room, changed))) => {
                blind = false;
                if changed {
                    tell(&shared, room);
                }
                let is_due = handing_over.is_none() && shared.clock.now() >= not_before;
                if room.read_only && is_due {
                    // One full disk must not stop the writes of a cluster that has room elsewhere.
                    handing_over = Some(Box::pin(crate::node::hand_over_to_room(&shared)));
                }
            }
            Ok(Err(error)) => {
                if !std::mem::replace(&mut blind, true) {
                    let path = shared.space.path().display();
                    tracing::warn!(%path, %error, "cannot tell how much room the disk has");
                }
            }
            Err(_) => return,
        }
    }
}

fn tell(shared: &Shared, room: Room) {
    let Room { free: free_bytes, reserve: reserve_bytes, .. } = room;
    if room.read_only {
        shared.flight.note(Event::ReadOnly { free_bytes, reserve_bytes });
        tracing::error!("read-only: {}. Reads and deletes go on", shared.space.shortage());
    } else {
        shared.flight.note(Event::Writable { free_bytes });
        tracing::info!(free_mib = room.free >> 20, "writes are taken again: the disk has room");
    }
}

fn tell_of_memory(shared: &Shared) {
    if shared.space.is_memory_full() {
        tracing::error!("{}. Reads and deletes go on", shared.space.memory_shortage());
    } else {
        tracing::info!("keyspaces in memory take writes again");
    }
}
