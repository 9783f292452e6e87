//! A replicated counter: three nodes in one process, and a state machine of one's own.

use bytes::Bytes;
use node::types::ReadFailure;
use node::{Consistency, MemoryNet, Node, StateMachine, Store, View};

/// Adds up the numbers it is sent. The sum is in the store; memory has a copy.
struct Counter {
    sum: i64,
}

impl StateMachine for Counter {
    fn open(view: &View<'_>) -> Result<Self, ReadFailure> {
        Ok(Self { sum: view.get(b"sum")?.map_or(0, |sum| number(&sum)) })
    }

    fn apply(&mut self, command: Bytes, store: &mut Store<'_>) -> Result<Bytes, ReadFailure> {
        self.sum += number(&command);
        store.put(b"sum", bytes(self.sum));
        Ok(bytes(self.sum))
    }

    fn query(&self, _question: Bytes, _view: &View<'_>) -> Result<Bytes, ReadFailure> {
        Ok(bytes(self.sum))
    }
}

fn number(bytes: &Bytes) -> i64 {
    bytes.as_ref().try_into().map_or(0, i64::from_be_bytes)
}

fn bytes(number: i64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (net, directory) = (MemoryNet::default(), tempfile::tempdir()?);
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        let node = Node::builder(directory.path().join(name)).name(name).members(["a", "b", "c"]);
        nodes.push(node.net(net.clone()).machine::<Counter>("counter").start().await?);
    }
    // Every node adds to it, and reads it as if there were one.
    for node in &nodes {
        let handle = node.handle();
        let clicks = handle.machine_keyspace("clicks", "counter").await?;
        let sum = handle.execute(clicks, bytes(7)).await?;
        let read = handle.query(clicks, "", Consistency::Linearizable).await?;
        println!("node {} made it {} and reads {}", handle.node(), number(&sum), number(&read));
    }
    for node in nodes {
        node.shutdown().await;
    }
    Ok(())
}
