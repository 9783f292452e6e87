use std::sync::Arc;
use std::time::Duration;

use super::Room;
use crate::flight::Event;
use crate::shared::Shared;

/// Between two looks at the disk. A disk that is written at full speed loses less than the reserve
/// meanwhile.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks at the disk for as long as the node runs.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut blind = false;
    loop {
        interval.tick().await;
        let looking = Arc::clone(&shared);
        let look = move || looking.space.look(looking.disk.as_ref());
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok((room, changed))) => {
                blind = false;
                if changed {
                    tell(&shared, room);
                }
                if room.read_only {
                    // One full disk must not stop the writes of a cluster that has room elsewhere.
                    crate::node::hand_over_to_room(&shared).await;
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
