//! What is written is read, everywhere.

use node::Consistency;
use state::command::Command;
use types::{Code, Revision};

use super::world::{Cluster, DEFAULT, one, put, read, value};

#[tokio::test(flavor = "multi_thread")]
async fn what_any_node_wrote_every_node_reads() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    for round in 0..20 {
        for writer in &handles {
            let text = format!("{round}-{}", writer.node());
            let wrote = writer.propose(DEFAULT, put("key", text.clone())).await.unwrap();
            // The node that told it shows it without asking anybody.
            let own = writer.range(DEFAULT, one("key"), Consistency::Stale).await.unwrap();
            assert_eq!(own.body.kvs[0].value, text);
            assert!(own.header.revision >= wrote.header.revision);
            for reader in &handles {
                let answer = read(reader, one("key")).await.unwrap();
                assert_eq!(answer.body.kvs[0].value, text, "through {}", reader.node());
                assert_eq!(answer.body.kvs[0].mod_revision, wrote.header.revision);
            }
        }
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_while_history_is_dropped_under_them() {
    let cluster = Cluster::start(1, |_| ()).await;
    let handle = cluster.handle(0);
    handle.propose(DEFAULT, put("key", "0")).await.unwrap();
    let reader = handle.clone();
    let reading = tokio::spawn(async move {
        let (mut newest, mut reads) = (0, 0);
        while newest < 600 {
            let text = value(&reader, "key").await.unwrap();
            let number: i64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            assert!(number >= newest, "{number} after {newest}");
            newest = number;
            reads += 1;
        }
        reads
    });
    for number in 1..=600 {
        let wrote = handle.propose(DEFAULT, put("key", number.to_string())).await.unwrap();
        if number % 5 == 0 {
            let revision = wrote.header.revision;
            handle.propose(DEFAULT, Command::Compact { revision }).await.unwrap();
        }
    }
    assert!(reading.await.unwrap() > 20);
    let mut old = one("key");
    old.revision = Revision(3);
    let answer = handle.range(DEFAULT, old, Consistency::Stale).await;
    assert_eq!(answer.unwrap_err().code, Code::Compacted);
    drop(handle);
    cluster.stop_all().await;
}
