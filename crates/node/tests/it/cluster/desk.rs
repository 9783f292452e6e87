//! Requests that no task waits for.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use node::{Desk, Handle, News, Orders, Stuck, Submission, Unsent};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::world::{Cluster, DEFAULT, all, put, read, within};

const COMMANDS: usize = 600;

/// One connection's commands, as its front door has them under way.
struct Connection {
    handle: Handle,
    desk: Arc<Desk>,
    orders: Orders,
    pending: Vec<Option<Submission>>,
    pursued: JoinSet<bool>,
    acknowledged: usize,
}

impl Connection {
    fn submit(&mut self, number: usize) {
        let (handle, command) = (self.handle.clone(), put(&format!("{number}"), "x"));
        let submitted = handle.submit(DEFAULT, command, &mut self.orders, number as u64, None);
        self.pending.push(None);
        match submitted {
            Ok(submission) => self.pending[number] = Some(submission),
            Err(Unsent::NotNow(command)) => {
                let work = async move { handle.propose(DEFAULT, command).await.is_ok() };
                self.pursued.spawn(work);
            }
            Err(Unsent::Refused(fault)) => panic!("{fault}"),
        }
    }

    /// Takes what is on the desk; without anything for a while, pursues what is left.
    async fn work(&mut self) {
        let mut news = Vec::new();
        let desk = Arc::clone(&self.desk);
        let looked = poll_fn(|context| desk.poll(context, &mut news));
        let quiet = timeout(Duration::from_millis(250), looked).await.is_err();
        for (ticket, news) in news {
            let place = &mut self.pending[usize::try_from(ticket).unwrap()];
            let submission = place.take().expect("news of what is under way");
            match news {
                News::Done(done) => {
                    assert!(submission.answer(&self.handle, done).is_ok());
                    self.acknowledged += 1;
                }
                News::Stuck(fault) => {
                    let stuck = submission.stuck(Some(&fault));
                    *place = pursue(&self.handle, &mut self.pursued, stuck);
                }
                News::Ready => panic!("nothing was read"),
            }
        }
        if quiet {
            for place in &mut self.pending {
                if let Some(submission) = place.take() {
                    *place = pursue(&self.handle, &mut self.pursued, submission.stuck(None));
                }
            }
        }
    }
}

fn pursue(handle: &Handle, pursued: &mut JoinSet<bool>, stuck: Stuck) -> Option<Submission> {
    match stuck {
        Stuck::OnDesk(submission) => return Some(submission),
        Stuck::Refused(fault) => panic!("{fault}"),
        Stuck::Pursue(pursuit) => {
            let handle = handle.clone();
            pursued.spawn(async move { handle.pursue(pursuit).await.is_ok() });
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_a_task_are_carried_out_once_though_their_leader_goes() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let other = (leader + 1) % 3;
    let desk = Desk::new();
    let mut connection = Connection {
        handle: cluster.handle(other),
        orders: Orders::new(Arc::clone(&desk)),
        desk,
        pending: Vec::new(),
        pursued: JoinSet::new(),
        acknowledged: 0,
    };
    for number in 0..COMMANDS {
        connection.submit(number);
        if number % 20 == 19 {
            connection.handle.send(&mut connection.orders);
            connection.work().await;
        }
        if number == COMMANDS / 2 {
            cluster.abandon(leader);
        }
    }
    connection.handle.send(&mut connection.orders);
    let end = async {
        while connection.pending.iter().any(Option::is_some) {
            connection.work().await;
        }
        std::mem::take(&mut connection.pursued).join_all().await
    };
    let pursued = within("every command's end", end).await;
    assert!(!pursued.is_empty(), "some lost their leader");
    assert!(pursued.iter().all(|done| *done), "and were brought to their end");
    assert_eq!(connection.acknowledged + pursued.len(), COMMANDS);
    let found = read(&cluster.handle(other), all()).await.unwrap().body.kvs;
    assert_eq!(found.len(), COMMANDS);
    for record in found {
        assert_eq!(record.version, 1, "{:?} was carried out twice", record.key);
    }
    drop(connection);
    cluster.stop_all().await;
}
