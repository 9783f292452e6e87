//! What goes wrong is told, with what to do about it, and harms nothing.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use client::{Error, Operation, Put, Txn, Watch};
use types::Code;

use crate::program::{program, tool, tool_with};
use crate::server::{Server, Single};

/// Runs a server that cannot start; answers what it says.
fn refused(server: &Server, arguments: &[&str]) -> String {
    let output = program()
        .args(["serve", "--data-dir", server.data.to_str().unwrap()])
        .args(["--listen-client", &server.client, "--listen-peer", &server.peer])
        .args(["--listen-http", &server.http])
        .args(arguments)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_cannot_start_say_why() {
    let mut single = Single::start().await;
    let other = || Server::new(single.directory.path(), "other");

    let mut client = other();
    client.client.clone_from(&single.server.client);
    let mut http = other();
    http.http.clone_from(&single.server.http);
    for (server, what, taken) in
        [(client, "client", &single.server.client), (http, "HTTP", &single.server.http)]
    {
        let told = refused(&server, &[]);
        let words = format!("the {what} address {taken} cannot be listened on");
        assert!(told.contains(&words) && told.contains("in use"), "{told}");
    }
    let mut peer = other();
    peer.peer.clone_from(&single.server.peer);
    let told = refused(&peer, &[]);
    assert!(told.contains(&single.server.peer) && told.contains("in use"), "{told}");

    let mut same = other();
    same.data.clone_from(&single.server.data);
    let told = refused(&same, &[]);
    assert!(told.contains("is in use by another process"), "{told}");

    single.server.stop();
    let told = refused(&same, &["--name", "somebody"]);
    assert!(told.contains("belongs to node n1, not to somebody"), "{told}");

    // All that harmed nothing.
    single.server.start(&[]);
    single.server.serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_wrong_are_answered_so() {
    let single = Single::start().await;
    let client = single.client().await;
    let at = single.server.client.as_str();
    for number in 0..5 {
        client.put(Put::new("a", number.to_string())).await.unwrap();
    }
    client.compact(4, true).await.unwrap();
    let failed = |code: i32, arguments: &[&str], words: &[&str]| {
        let told = tool(at, arguments).failed(code);
        assert!(words.iter().all(|word| told.contains(word)), "{arguments:?}: {told}");
    };

    failed(2, &["kv", "get", ""], &["etcdserver: key is not provided", "kv scan"]);
    failed(3, &["kv", "get", "b"], &["key not found: b"]);
    failed(3, &["kv", "put", "b", "1", "--lease", "7b"], &["requested lease not found", "grant"]);
    failed(3, &["lease", "revoke", "7b"], &["requested lease not found"]);
    failed(3, &["lease", "ttl", "7b"], &["requested lease not found"]);
    failed(3, &["lease", "keep-alive", "7b"], &["requested lease not found"]);
    failed(3, &["kv", "scan", "--keyspace", "x"], &["keyspace not found: x", "keyspace create x"]);
    failed(3, &["kv", "watch", "a", "--keyspace", "x"], &["keyspace not found: x"]);
    failed(4, &["kv", "get", "a", "--rev", "2"], &["required revision has been compacted"]);
    failed(4, &["kv", "get", "a", "--rev", "99"], &["is a future revision", "--rev"]);
    failed(4, &["kv", "watch", "a", "--rev", "2"], &["compacted away", "--rev 4"]);
    failed(4, &["keyspace", "create", "default"], &["keyspace already exists", "keyspace list"]);
    failed(2, &["keyspace", "create", ""], &["hiraeth: invalid request"]);
    failed(2, &["lease", "grant", "9000000001"], &["too large lease TTL"]);
    failed(2, &["kv", "txn", "--then", "put a 1", "--then", "put a 2"], &["duplicate key given"]);
    failed(2, &["kv", "txn", "--if", "mod(a)"], &["=, !=, < or >"]);
    failed(2, &["kv", "get", "a", "--endpoints", "here"], &["say host:port"]);
    failed(2, &["kv", "get", "a", "--timeout", "soon"], &["500ms"]);
    failed(5, &["kv", "get", "a", "--endpoints", "127.0.0.1:1"], &["127.0.0.1:1", "serve"]);

    for (bytes, words) in [(1_572_864, "request is too large"), (4 << 20, "too large")] {
        let told = tool_with(at, &["kv", "put", "big", "-"], &vec![b'x'; bytes]).failed(2);
        assert!(told.contains(words) || told.contains("larger than max"), "{told}");
    }
    let many = (0..129).map(|number| Operation::Put(Put::new(format!("{number}"), "")));
    let error = client.txn(Txn::new().then(many)).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::TooManyOperations));
    let mut watcher = client.watch(Watch::key("a").from_revision(1)).await.unwrap();
    assert!(matches!(watcher.next().await, Err(Error::Compacted { oldest: 4 })));

    assert_eq!(client.get("a").await.unwrap().kvs[0].value, "4");
}

/// Scripts go by the exit code: whether nothing was begun, something was refused, or nobody knows.
#[test]
fn an_import_from_consul_that_fails_says_how() {
    let directory = tempfile::tempdir().unwrap();
    let export = directory.path().join("export.json");
    std::fs::write(&export, r#"[{"key":"a","flags":0,"value":"MQ=="}]"#).unwrap();
    let import = |http: &str, more: &[&str]| {
        let base = ["import", "consul", export.to_str().unwrap(), "--http", http];
        tool("", &[&base[..], &["--timeout", "1s"], more].concat())
    };
    // What is said to the first who comes; who is told nothing waits.
    let says = |said: Option<&'static str>| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = [0; 4096];
            let mut request = Vec::new();
            let ends = |request: &[u8]| match request.starts_with(b"GET") {
                true => request.ends_with(b"\r\n\r\n"),
                false => request.ends_with(b"]"),
            };
            while !ends(&request) {
                let count = stream.read(&mut read).unwrap();
                request.extend_from_slice(&read[..count]);
            }
            match said {
                Some(said) => stream.write_all(said.as_bytes()).unwrap(),
                None => drop(stream.read(&mut read)),
            }
        });
        address
    };
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    for (said, code) in [
        (None, 6),
        (Some("HTTP/1.1 200 OK"), 6),
        (Some("HTTP/1.1 400 Bad\r\n\r\nno"), 2),
        (Some("HTTP/1.1 403 Forbidden\r\n\r\nno"), 4),
        (Some("HTTP/1.1 429 Many\r\n\r\nlater"), 7),
        (Some("HTTP/1.1 500 Error\r\n\r\nNo cluster leader"), 5),
        (Some("HTTP/1.1 500 Error\r\n\r\nthe outcome is unknown: rpc error"), 6),
        (Some("HTTP/1.1 500 Error\r\n\r\nelse"), 1),
        (Some("HTTP/1.1 200 OK\r\n\r\n{}"), 0),
    ] {
        let ended = import(&says(said), &["--overwrite"]);
        assert_eq!(ended.code, code, "{said:?}: {}", ended.stderr);
    }
    // Nothing was written where it was only asked what is there.
    import(&nobody, &["--overwrite"]).failed(5);
    import(&says(None), &[]).failed(5);
    import(&says(Some("HTTP/1.1 200 OK\r\n\r\n[\"a\"]")), &[]).failed(4);
}
