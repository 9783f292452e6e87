//! A client of Consul's asks its agent to leave: one of ours serves others too, and stops for that only if it
//! was told to.

use client::{Client, Options};

use crate::program::tool;
use crate::server::Three;

async fn ask(server: &str) -> (u16, String) {
    let client = Client::connect([server], Options::default()).await.unwrap();
    let came = client.http(server, "PUT", "/v1/agent/leave", Vec::new()).await.unwrap();
    (came.status, came.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_leaves_when_asked_only_if_it_was_told_to() {
    let mut three = Three::start().await;
    let (status, words) = ask(&three.servers[0].client).await;
    assert_eq!(status, 500, "{words}");
    assert!(words.contains("SIGTERM") && words.contains("--leave-when-asked"), "{words}");

    let initial = three.initial.clone();
    let leader = three.leader().await;
    let server = &mut three.servers[leader];
    server.stop();
    let name = server.name.clone();
    let settings = ["serve", "--name", &name, "--initial-cluster", &initial, "--leave-when-asked"];
    server.start(&settings);
    server.serves().await;
    tool(&server.client, &["kv", "put", "a", "1"]).well();
    assert_eq!(ask(&server.client).await.0, 200);
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    assert!(server.log().contains("a client asked this server to leave"), "{}", server.log());

    // It is a member as before, and all goes on with it and without it.
    let other = three.servers[(leader + 1) % 3].client.clone();
    assert_eq!(tool(&other, &["kv", "get", "a", "--value-only"]).well().trim(), "1");
    three.start_one(leader);
    three.serve().await;
    let members = tool(&other, &["admin", "node", "list", "--output", "json"]).json();
    assert_eq!(members.as_array().unwrap().len(), 3);
}
