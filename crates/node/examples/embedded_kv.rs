//! A key-value store of three nodes in one process, which loses its leader and goes on.

use bytes::Bytes;
use node::state::command::Command;
use node::state::request::{PutRequest, RangeRequest};
use node::types::{Fault, KeyRange, KeyspaceId};
use node::{Consistency, Handle, MemoryNet, Node};

const KEYS: KeyspaceId = KeyspaceId::DEFAULT;

async fn put(handle: &Handle, key: &str, value: &str) -> Result<(), Fault> {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    let put = PutRequest { key, value, ..PutRequest::default() };
    handle.propose(KEYS, Command::Put(put)).await.map(drop)
}

async fn get(handle: &Handle, key: &str) -> Result<Option<Bytes>, Fault> {
    let range = KeyRange::single(&Bytes::from(key.to_owned()));
    let request = RangeRequest { range, ..RangeRequest::default() };
    let found = handle.range(KEYS, request, Consistency::Linearizable).await?;
    Ok(found.body.kvs.into_iter().next().map(|record| record.value))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (net, directory) = (MemoryNet::default(), tempfile::tempdir()?);
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        let node = Node::builder(directory.path().join(name)).name(name).members(["a", "b", "c"]);
        nodes.push(node.net(net.clone()).start().await?);
    }
    let handle = nodes[0].handle();
    handle.ready(KEYS).await;
    put(&handle, "greeting", "hello").await?;

    let leader = handle.verify_leader(KEYS).await?.body;
    let at = nodes.iter().position(|node| node.handle().node() == leader).ok_or("no leader")?;
    println!("node {leader} leads; it goes without a word");
    nodes.swap_remove(at).shutdown().await;

    // A command waits for the next leader, and is carried out once however often it is asked.
    let handle = nodes[0].handle();
    put(&handle, "name", "world").await?;
    for key in ["greeting", "name"] {
        let value = get(&handle, key).await?.ok_or("it was acknowledged")?;
        println!("node {} reads {key} = {}", handle.node(), String::from_utf8_lossy(&value));
    }
    for node in nodes {
        node.shutdown().await;
    }
    Ok(())
}
