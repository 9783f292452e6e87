//! Feeds against what subscribers make of what they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use state::registry::{Instance, Node, ServiceName, Status, Weights};
use tokio::time::Instant;
use types::Revision;

use super::delta::{Delta, Members, Seen, place};
use super::feeds::{Feed, Mailbox, Subscription};

fn seen(id: u8, modified: i64, status: Status) -> Seen {
    let pairs = || Arc::from([]);
    let node = Node {
        name: "n".into(),
        id: "".into(),
        address: "".into(),
        tagged_addresses: pairs(),
        meta: pairs(),
        created: Revision(1),
        modified: Revision(1),
    };
    let instance = Instance {
        node: "n".into(),
        namespace: "default".into(),
        id: format!("i{id}").into(),
        service: "web".into(),
        tags: Arc::from([]),
        address: "".into(),
        port: 0,
        meta: pairs(),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: "".into(),
        extra: Box::default(),
        created: Revision(1),
        modified: Revision(modified),
    };
    Seen { node: Arc::new(node), instance: Arc::new(instance), status }
}

/// What a service looks like: by instance, when it was changed and whether it passes.
type Looks = BTreeMap<u8, (i64, bool)>;

fn members(looks: &Looks) -> Members {
    let all = looks.iter().map(|(id, (modified, passes))| {
        let seen = seen(*id, *modified, if *passes { Status::Passing } else { Status::Critical });
        (place(&seen), seen)
    });
    all.collect()
}

/// A subscriber that does as it is told.
struct Client {
    have: Revision,
    confirmed: bool,
    knows: Looks,
    /// Which copy it follows.
    follows: usize,
}

impl Client {
    fn take(&mut self, deltas: Vec<Arc<Delta>>) {
        for delta in deltas {
            if delta.from == Revision(0) {
                self.knows.clear();
            } else {
                assert!(delta.from >= self.have, "{:?} after {:?}", delta.from, self.have);
            }
            let number = |id: &str| id[1..].parse::<u8>().unwrap();
            for seen in &delta.changed {
                let looks = (seen.instance.modified.get(), seen.status == Status::Passing);
                self.knows.insert(number(&seen.instance.id), looks);
            }
            for (_, id) in &delta.gone {
                assert!(self.knows.remove(&number(id)).is_some(), "only what was there goes");
            }
            (self.have, self.confirmed) = (delta.to, true);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// An instance changes, or comes.
    Change(u8, bool),
    Remove(u8),
    /// The version moves, and nothing is seen of it.
    Nothing,
    /// A client looks.
    Look(usize),
    /// A client loses the connection, and subscribes anew with what it has, at the other copy.
    Again(usize),
}

/// With whether the second copy looks, too: else it sees later what came together.
fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let step = prop_oneof![
        4 => (0_u8..6, any::<bool>()).prop_map(|(id, passes)| Step::Change(id, passes)),
        2 => (0_u8..6).prop_map(Step::Remove),
        2 => Just(Step::Nothing),
        3 => (0_usize..3).prop_map(Step::Look),
        1 => (0_usize..3).prop_map(Step::Again),
    ];
    prop::collection::vec((step, any::<bool>()), 1..200)
}

proptest! {
    #[test]
    fn who_looks_knows_what_is_there(steps in steps()) {
        let service = ServiceName::new("default", "web");
        let feeds = [(); 2].map(|()| {
            let first = Subscription::new(1, "test".into(), Arc::new(Mailbox::default()));
            Feed::new(service.clone(), Arc::new(first))
        });
        let client =
            || Client { have: Revision(0), confirmed: false, knows: Looks::new(), follows: 0 };
        let mut clients = [client(), client(), client()];
        let mut now = Looks::new();
        let mut version = 1;
        for feed in &feeds {
            feed.push(Revision(version), Members::new(), Instant::now());
        }
        for (step, both) in steps {
            version += 1;
            match step {
                Step::Change(id, passes) => {
                    now.insert(id, (version, passes));
                }
                Step::Remove(id) => {
                    now.remove(&id);
                }
                Step::Nothing => {}
                Step::Look(at) => {
                    let client = &mut clients[at];
                    let feed = &feeds[client.follows];
                    feed.push(Revision(version - 1), members(&now), Instant::now());
                    client.take(feed.since(client.have, !client.confirmed).unwrap());
                    prop_assert!(client.confirmed);
                    prop_assert_eq!(&client.knows, &now);
                    continue;
                }
                Step::Again(at) => {
                    clients[at].confirmed = false;
                    clients[at].follows = 1 - clients[at].follows;
                    continue;
                }
            }
            for feed in &feeds[..1 + usize::from(both)] {
                feed.push(Revision(version), members(&now), Instant::now());
            }
        }
    }
}

#[test]
fn who_saw_what_came_and_went_unseen_here_is_told_that_it_is_gone() {
    let service = ServiceName::new("default", "web");
    let first = Subscription::new(1, "test".into(), Arc::new(Mailbox::default()));
    let feed = Feed::new(service, Arc::new(first));
    let looks = Looks::from([(1, (5, true))]);
    feed.push(Revision(5), members(&looks), Instant::now());
    // At 6 another one came, and at 7 it went; of both nothing is seen here.
    feed.push(Revision(7), members(&looks), Instant::now());
    for have in [5, 7] {
        let told = feed.since(Revision(have), true).unwrap();
        assert_eq!((told.len(), told[0].len(), told[0].to), (1, 0, Revision(7)), "{have}");
        assert!(feed.since(Revision(have), false).unwrap().is_empty());
    }
    let told = feed.since(Revision(6), true).unwrap();
    assert_eq!((told.len(), told[0].from, told[0].to), (1, Revision(0), Revision(7)));
}

#[test]
fn who_is_ahead_of_this_copy_is_told_nothing_old() {
    let service = ServiceName::new("default", "web");
    let first = Subscription::new(1, "test".into(), Arc::new(Mailbox::default()));
    let feed = Feed::new(service, Arc::new(first));
    let mut looks = Looks::from([(1, (5, true))]);
    assert!(feed.since(Revision(0), true).unwrap().is_empty(), "nothing is known yet");
    feed.push(Revision(5), members(&looks), Instant::now());
    assert!(feed.since(Revision(9), true).unwrap().is_empty());
    looks.insert(1, (10, false));
    feed.push(Revision(10), members(&looks), Instant::now());
    let told = feed.since(Revision(9), true).unwrap();
    assert_eq!((told.len(), told[0].from, told[0].to), (1, Revision(0), Revision(10)));
}
