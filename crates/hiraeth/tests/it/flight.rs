//! The flight recorder, read from outside.

use serde_json::Value;

use crate::program::{Ended, program, tool, until};
use crate::server::Single;

fn flight(data: &std::path::Path, arguments: &[&str]) -> Ended {
    let mut command = program();
    let output =
        command.arg("flight").args(arguments).arg("--data-dir").arg(data).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    Ended { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn records(data: &std::path::Path) -> Vec<Value> {
    let lines = flight(data, &["--output", "json"]).well();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seconds_of_a_killed_node_can_be_read() {
    let mut single = Single::start().await;
    let data = single.server.data.clone();
    tool(&single.server.client, &["kv", "put", "a", "1"]).well();
    // While it runs.
    until("the put is in a sample", || {
        records(&data).iter().any(|record| record["proposed"].as_u64() > Some(0))
    });
    single.server.kill();
    let before = records(&data);
    let told = kinds(&before);
    assert_eq!(told[0], "start");
    assert!(told.contains(&"leader"), "{told:?}");
    let sample = before.iter().find(|record| record["proposed"].as_u64() > Some(0)).unwrap();
    for (name, least) in [("rss", 1 << 20), ("disk_free", 1), ("syncs", 1), ("leading", 2)] {
        assert!(sample[name].as_u64() >= Some(least), "{name}: {sample}");
    }

    single.server.start(&[]);
    single.server.serves().await;
    single.server.stop();
    let after = records(&data);
    assert_eq!(after[..before.len()], before);
    let told = kinds(&after[before.len()..]);
    assert_eq!((told[0], told[told.len() - 1]), ("start", "stop"), "{told:?}");
    let screen = flight(&data, &["--events"]).well();
    assert_eq!(screen.matches("START").count(), 2, "{screen}");
    assert!(screen.contains("node 1 leads in term") && !screen.contains("cpu"), "{screen}");
    let nothing = flight(&data.join("log"), &[]).failed(3);
    assert!(nothing.contains("no flight record"), "{nothing}");
}
