use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use state::registry::ServiceName;
use types::{Code, Fault, Revision};

use super::delta::Delta;
use super::feeds::{Feed, Mailbox, Subscription};
use crate::registry::number_of;
use crate::shard::Shard;
use crate::shared::Shared;

/// Subscriptions of one client.
const OF_A_CLIENT: usize = 16_384;

/// What one client wants to be told of. However slow it reads, there is at most one piece of news for each
/// service waiting for it, and that is the newest.
pub struct Subscriptions {
    shared: Arc<Shared>,
    /// Home and shards of the registry, counted as for [`state::registry::TimerId::of_part`].
    shards: Vec<Arc<Shard>>,
    label: Arc<str>,
    mailbox: Arc<Mailbox>,
    all: BTreeMap<u64, Entry>,
    /// Found already, for one after the other.
    ready: VecDeque<(u64, Arc<Delta>)>,
}

struct Entry {
    shard: Arc<Shard>,
    feed: Arc<Feed>,
    subscription: Arc<Subscription>,
    have: Revision,
    confirmed: bool,
}

impl Subscriptions {
    pub(crate) fn new(shared: Arc<Shared>, shards: Vec<Arc<Shard>>, label: &str) -> Self {
        let (mailbox, all, ready) = Default::default();
        Self { shared, shards, label: label.into(), mailbox, all, ready }
    }

    /// Subscribes to a service, under a number of the caller's. `have` is the version it knows already, 0
    /// for none. The first it is told is what leads from there to here, if only that it is the same.
    ///
    /// # Errors
    /// `InvalidArgument` for a number that is in use; `LimitReached`.
    pub fn add(&mut self, number: u64, service: ServiceName, have: Revision) -> Result<(), Fault> {
        if self.all.contains_key(&number) {
            let detail = format!("the subscription {number} is there already");
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        if self.all.len() >= OF_A_CLIENT {
            let detail = format!("a client has at most {OF_A_CLIENT} subscriptions");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        let (label, mailbox) = (Arc::clone(&self.label), Arc::clone(&self.mailbox));
        let subscription = Arc::new(Subscription::new(number, label, mailbox));
        let shard = self.shard_of(&service)?;
        let feeds = &shard.registry()?.feeds;
        let feed = feeds.join(&self.shared, &shard, service, Arc::clone(&subscription))?;
        self.all.insert(number, Entry { shard, feed, subscription, have, confirmed: false });
        Ok(())
    }

    fn shard_of(&self, service: &ServiceName) -> Result<Arc<Shard>, Fault> {
        let number = number_of(service, self.shards.len().saturating_sub(1));
        self.shards.get(number).cloned().ok_or_else(|| Code::Internal.into())
    }

    /// Ends a subscription.
    pub fn remove(&mut self, number: u64) {
        self.ready.retain(|(of, _)| *of != number);
        if let Some(entry) = self.all.remove(&number) {
            self.leave(&entry);
        }
    }

    fn leave(&self, entry: &Entry) {
        if let Ok(share) = entry.shard.registry() {
            share.feeds.leave(&entry.feed, &entry.subscription);
        }
    }

    /// The client says that it has a version of a service.
    pub fn acknowledge(&self, number: u64, version: Revision) {
        let Some(entry) = self.all.get(&number) else { return };
        if let Some(took) = entry.feed.acknowledge(&entry.subscription, version) {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.shared.meters.pushes.add(micros);
        }
    }

    /// The next news: the number of its subscription, and what became of the service.
    ///
    /// # Errors
    /// The registry cannot be followed here any more.
    pub async fn next(&mut self) -> Result<(u64, Arc<Delta>), Fault> {
        loop {
            if let Some((number, delta)) = self.ready.pop_front() {
                if let Some(entry) = self.all.get(&number) {
                    entry.feed.sent(&entry.subscription, delta.to);
                }
                return Ok((number, delta));
            }
            let news = self.mailbox.news.lock().pop_front();
            match news {
                Some(number) => self.look(number)?,
                None => self.mailbox.bell.notified().await,
            }
        }
    }

    fn look(&mut self, number: u64) -> Result<(), Fault> {
        let Some(entry) = self.all.get_mut(&number) else { return Ok(()) };
        // First, so that what comes from here on is told again.
        entry.subscription.taken();
        for delta in entry.feed.since(entry.have, !entry.confirmed)? {
            entry.have = delta.to;
            entry.confirmed = true;
            self.ready.push_back((number, delta));
        }
        Ok(())
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for entry in std::mem::take(&mut self.all).into_values() {
            self.leave(&entry);
        }
    }
}
