//! Whoever follows a configuration that is removed and made anew, and one whose file takes long.

use std::time::Duration;

use client::FollowOptions;

use crate::configuration::{Watching, text};
use crate::program::{tool, tool_with};
use crate::server::Single;

/// The versions of what is made anew count from 1: it is another one with the same number.
#[tokio::test(flavor = "multi_thread")]
async fn the_tool_tells_what_was_made_anew() {
    let single = Single::start().await;
    let at = single.server.client.as_str();
    let [seen, go] = ["seen", "go"].map(|name| single.directory.path().join(name));
    let script = format!(
        "cat >> {seen}; while [ ! -e {go} ]; do sleep 0.05; done",
        seen = seen.display(),
        go = go.display()
    );
    let watching = Watching::start(at, &script, seen);
    tool_with(at, &["config", "put", "a"], b"one\n").well();
    watching.until_seen(|text| text == "one\n");
    // While the command is at it.
    tool(at, &["config", "delete", "a"]).well();
    assert_eq!(tool_with(at, &["config", "put", "a"], b"two\n").well(), "version 1 is released\n");
    std::fs::write(&go, "").unwrap();
    watching.until_seen(|text| text == "one\ntwo\n");
    watching.ends();
}

/// What a server told is not given up for what was kept before, when keeping it takes longer than there is
/// time for a beginning.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_not_replaced_by_an_older_file() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let single = Single::start().await;
    let file = single.directory.path().join("kept");
    let options = || FollowOptions {
        snapshot: Some(file.clone()),
        patience: Duration::from_secs(2),
        ..Default::default()
    };
    let configuration = single.client().await.configuration("a");
    configuration.release(&text("old")).await.unwrap();
    drop(configuration.follow(options()).await.unwrap());
    assert!(std::fs::read_to_string(&file).unwrap().ends_with("\nold"));
    configuration.release(&text("new")).await.unwrap();
    // Opened for writing this waits for somebody who reads.
    let pipe = single.directory.path().join(format!("kept.{}.new", std::process::id()));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let followed = configuration.follow(options()).await.unwrap();
    let sight = followed.sight();
    assert_eq!((sight.held.unwrap().content.text(), sight.is_stale), ("new", false));
    // Whoever waits there may go on.
    let mut reader = std::fs::File::open(&pipe).unwrap();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
}
