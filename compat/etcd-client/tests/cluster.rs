//! What the shipped tests leave out: errors, word for word, and one client over all nodes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use etcd_client::{
    Client, Compare, CompareOp, ConnectOptions, DeleteOptions, Error, EventType, GetOptions,
    PutOptions, Txn, TxnOp, WatchOptions,
};
use serial_test::serial;

type Result<T> = std::result::Result<T, Error>;

fn endpoints() -> Vec<String> {
    std::env::var("ENDPOINTS").expect("ENDPOINTS").split(',').map(str::to_owned).collect()
}

/// One client that spreads its requests over every node.
async fn all() -> Result<Client> {
    Client::connect(endpoints(), Some(ConnectOptions::new().with_require_leader(true))).await
}

/// One client for each node.
async fn each() -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for endpoint in endpoints() {
        clients.push(Client::connect([endpoint], None).await?);
    }
    Ok(clients)
}

fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
    format!("compat/rust/{now:x}/{}/", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The gRPC code, as its number, and the words of a refused request.
fn refused<T: std::fmt::Debug>(answer: Result<T>) -> (i32, String) {
    match answer {
        Err(Error::GRpcStatus(status)) => (status.code() as i32, status.message().to_owned()),
        other => panic!("not refused: {other:?}"),
    }
}

fn error(code: i32, words: &str) -> (i32, String) {
    (code, format!("etcdserver: {words}"))
}

const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const OUT_OF_RANGE: i32 = 11;
const NO_LEASE: i64 = 0x7ead_beef;

// One at a time: a compaction ends the past for all.
#[tokio::test]
#[serial]
async fn errors_carry_code_and_words() -> Result<()> {
    for mut client in each().await? {
        let p = unique();
        let old = client.put(p.as_str(), "1", None).await?.header().expect("header").revision();
        let kept = client.put(p.as_str(), "2", None).await?.header().expect("header").revision();

        let answer = refused(client.put("", "v", None).await);
        assert_eq!(answer, error(INVALID_ARGUMENT, "key is not provided"));
        let lease = PutOptions::new().with_lease(NO_LEASE);
        let answer = refused(client.put(p.as_str(), "v", Some(lease)).await);
        assert_eq!(answer, error(NOT_FOUND, "requested lease not found"));
        let answer = refused(client.lease_revoke(NO_LEASE).await);
        assert_eq!(answer, error(NOT_FOUND, "requested lease not found"));
        let answer = refused(client.put(p.as_str(), vec![0; 1_600_000], None).await);
        assert_eq!(answer, error(INVALID_ARGUMENT, "request is too large"));

        let future = GetOptions::new().with_revision(kept + 1_000_000);
        let answer = refused(client.get(p.as_str(), Some(future)).await);
        assert_eq!(answer, error(OUT_OF_RANGE, "mvcc: required revision is a future revision"));
        client.compact(kept, None).await?;
        let past = GetOptions::new().with_revision(old);
        let answer = refused(client.get(p.as_str(), Some(past)).await);
        assert_eq!(answer, error(OUT_OF_RANGE, "mvcc: required revision has been compacted"));

        let put = TxnOp::put(p.as_str(), "3", None);
        let answer = refused(client.txn(Txn::new().and_then([put.clone(), put.clone()])).await);
        assert_eq!(answer, error(INVALID_ARGUMENT, "duplicate key given in txn request"));
        let many: Vec<_> = (0..129).map(|i| TxnOp::put(format!("{p}{i}"), "", None)).collect();
        let answer = refused(client.txn(Txn::new().and_then(many)).await);
        assert_eq!(answer, error(INVALID_ARGUMENT, "too many operations in txn request"));

        let got = client.get(p.as_str(), Some(GetOptions::new().with_prefix())).await?;
        assert_eq!((got.count(), got.kvs()[0].value()), (1, &b"2"[..]), "nothing was changed");
    }
    Ok(())
}

#[tokio::test]
#[serial]
async fn a_write_through_one_node_is_read_through_the_others() -> Result<()> {
    let p = unique();
    let mut clients = each().await?;
    for round in 0..30 {
        clients[round % 3].put(p.as_str(), round.to_string(), None).await?;
        for reader in &mut clients {
            let got = reader.get(p.as_str(), None).await?;
            assert_eq!(got.kvs()[0].value(), round.to_string().as_bytes());
        }
    }
    Ok(())
}

#[tokio::test]
#[serial]
async fn one_client_over_all_nodes_counts_by_compare_and_swap() -> Result<()> {
    let p = unique();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (mut client, p) = (all().await?, p.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                while !increment(&mut client, &p).await? {}
            }
            Ok::<_, Error>(())
        }));
    }
    for task in tasks {
        task.await.expect("a task")?;
    }
    let got = all().await?.get(p.as_str(), None).await?;
    assert_eq!((got.kvs()[0].value(), got.kvs()[0].version()), (&b"40"[..], 40));
    Ok(())
}

async fn increment(client: &mut Client, key: &str) -> Result<bool> {
    let got = client.get(key, None).await?;
    let (value, revision) = got.kvs().first().map_or((0, 0), |kv| {
        (kv.value_str().expect("text").parse::<u32>().expect("a number"), kv.mod_revision())
    });
    let txn = Txn::new()
        .when([Compare::mod_revision(key, CompareOp::Equal, revision)])
        .and_then([TxnOp::put(key, (value + 1).to_string(), None)]);
    Ok(client.txn(txn).await?.succeeded())
}

#[tokio::test]
#[serial]
async fn a_watch_brings_history_whole_and_in_order_and_tells_of_compaction() -> Result<()> {
    let p = unique();
    let mut client = all().await?;
    let first = client.put(format!("{p}a"), "1", None).await?.header().expect("header").revision();
    client.put(format!("{p}b"), "2", None).await?;
    client.delete(p.as_str(), Some(DeleteOptions::new().with_prefix())).await?;

    let options = WatchOptions::new().with_prefix().with_start_revision(first).with_prev_key();
    let mut stream = client.watch(p.as_str(), Some(options)).await?;
    let mut events = Vec::new();
    while events.len() < 4 {
        let answer = stream.message().await?.expect("an answer");
        events.extend(answer.events().iter().map(|event| {
            let kv = event.kv().expect("a key");
            let previous = event.prev_kv().map_or("", |kv| kv.value_str().expect("text"));
            let kind = if event.event_type() == EventType::Put { "put" } else { "delete" };
            let key = kv.key_str().expect("text").trim_start_matches(&p).to_owned();
            format!("{kind} {key} +{} {previous}", kv.mod_revision() - first)
        }));
    }
    assert_eq!(events, ["put a +0 ", "put b +1 ", "delete a +2 1", "delete b +2 2"]);

    let kept = client.put(format!("{p}a"), "3", None).await?.header().expect("header").revision();
    client.compact(kept, None).await?;
    let past = WatchOptions::new().with_start_revision(first);
    let mut stream = client.watch(p.as_str(), Some(past)).await?;
    let answer = loop {
        let answer = stream.message().await?.expect("an answer");
        if answer.canceled() {
            break answer;
        }
    };
    assert_eq!(answer.compact_revision(), kept);
    Ok(())
}
