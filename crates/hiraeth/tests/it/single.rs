//! One server.

use client::{Get, Put};

use crate::program::tool;
use crate::server::Single;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_settings_serves_and_keeps_what_it_acknowledged() {
    let mut single = Single::start().await;
    let client = single.client().await;
    for number in 0..50 {
        client.put(Put::new(format!("key/{number:03}"), format!("{number}"))).await.unwrap();
    }
    // The command without a name serves; its log says what it does.
    assert!(single.server.log().contains("ready"), "{}", single.server.log());

    single.server.kill();
    single.server.start(&["serve"]);
    single.server.serves().await;
    let records = client.get(Get::prefix("key/")).await.unwrap();
    assert_eq!(records.count, 50);
    assert!((0..).zip(&records.kvs).all(|(number, kv)| kv.value == number.to_string()));

    single.server.stop();
    single.server.start(&[]);
    single.server.serves().await;
    let scanned = tool(&single.server.client, &["kv", "scan", "key/", "--keys-only"]).well();
    assert_eq!(scanned.lines().count(), 51, "{scanned}");
}
