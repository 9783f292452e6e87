use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use state::registry::query::InstanceFilter;
use tokio::time::{Instant, sleep};
use types::{Code, Fault, Revision};

use super::delta::{Members, Seen, place};
use super::feeds::Feed;
use crate::registry::Topic;
use crate::shard::Shard;
use crate::shared::Shared;

/// How much longer to rest after a push than it took, so that a storm takes up a share of the node and
/// no more.
const REST: u32 = 4;
/// The longest rest: a change waits for no longer than this.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// What one subscriber costs after it is woken, about: to be written to.
const PER_READER: Duration = Duration::from_micros(5);

/// Pushes what changes of a service until nobody subscribes to it any more. What changes while nothing
/// was pushed for a while goes at once; in a storm what comes together goes together.
pub(super) async fn run(shared: Arc<Shared>, shard: Arc<Shard>, feed: Arc<Feed>) {
    let over = match follow(&shared, &shard, &feed).await {
        Ok(()) => Code::ShuttingDown.into(),
        Err(fault) => fault,
    };
    feed.end(over);
}

async fn follow(shared: &Shared, shard: &Shard, feed: &Feed) -> Result<(), Fault> {
    let share = shard.registry()?;
    let listener = share.waits.listen(Topic::Service(feed.service.clone()))?;
    let mut since = Instant::now();
    loop {
        let mut next = pin!(listener.next());
        next.as_mut().enable();
        shard.broken()?;
        let began = Instant::now();
        let (version, members) = read(shard, feed)?;
        let pushed = feed.push(version, members, since);
        let took = began.elapsed().min(LONGEST_REST);
        tokio::select! {
            biased;
            () = next => {}
            () = feed.left.notified() => return Ok(()),
            () = shared.ended() => return Ok(()),
        }
        if listener.is_closed() {
            return Ok(());
        }
        since = Instant::now();
        if pushed {
            let readers = u32::try_from(feed.readers()).unwrap_or(u32::MAX);
            let cost = took * REST + PER_READER.saturating_mul(readers);
            let until = began + took + cost.min(LONGEST_REST);
            if let Some(rest) = until.checked_duration_since(Instant::now()) {
                sleep(rest).await;
            }
        }
    }
}

fn read(shard: &Shard, feed: &Feed) -> Result<(Revision, Members), Fault> {
    let found = {
        let machine = shard.machine.read();
        let Some(registry) = machine.registry() else {
            shard.broken()?;
            return Err(Code::Unsupported.into());
        };
        registry.service(&feed.service, &InstanceFilter::default())
    };
    let members = found.value.into_iter().map(|member| {
        let seen = Seen::from(member);
        (place(&seen), seen)
    });
    Ok((found.index, members.collect()))
}
