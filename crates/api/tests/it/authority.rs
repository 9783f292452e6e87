use std::process::Command;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::raw::{bytes, frame};
use crate::server::Server;

/// All that etcdctl 3.4.23 sent to `http://127.0.0.1:27100` for `endpoint status`, in hexadecimal.
const ETCDCTL: &str = "\
505249202a20485454502f322e300d0a0d0a534d0d0a0d0a00000004000000000000000004010000\
00000000770104000000018386459760a924882d9dcb6571afa066a925a87510ac6e48d36a3f4190\
9d29aee30c044eae05c0b86e09d0801f5f8b1d75d0620d263d4c4d65647a8b9acac8b4c7602bb2ca\
ecff40027465864d833505b11f40899acac8b24d494f6a7f8669f7de1381b7408d25062d49587599\
6ee5b1063d5f03332e340000050001000000010000000000";
/// The same request once more on stream 3, each header by its place in the table: 2 static ones, and
/// the 7 the first request left there, the oldest first.
const AGAIN: &str = "0000090104000000038386c4c3c2c1c0bfbe0000050001000000030000000000";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_authority_is_a_url_is_served() {
    const HEADERS: u8 = 1;
    const STATUS_200: u8 = 0x88;
    let server = Server::start().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    for (number, request) in [(1, ETCDCTL), (3, AGAIN)] {
        stream.write_all(&bytes(request)).await.unwrap();
        let (kind, payload) = loop {
            let (kind, of, payload) = frame(&mut stream).await;
            if of == number {
                break (kind, payload);
            }
        };
        assert_eq!((kind, payload[0]), (HEADERS, STATUS_200), "stream {number}: {payload:x?}");
    }
    drop(stream);
    server.stop().await;
}

/// The client that needs it; the bytes above stand for it where it is not installed.
#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_asks_every_member_for_its_status() {
    let mut cluster = Server::start_cluster(3).await;
    // Until then it asks fewer.
    let handle = cluster[0].handle();
    while handle.directory().nodes.len() < cluster.len() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(handle);
    let endpoint = cluster[0].address.clone();
    let run = move || {
        let arguments = ["--endpoints", &endpoint, "endpoint", "status", "--cluster"];
        Command::new("etcdctl").env("ETCDCTL_API", "3").args(arguments).output()
    };
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Err(error) => eprintln!("NOT TESTED with etcdctl, it cannot be run: {error}"),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{output:?}");
            for server in &cluster {
                assert!(told.contains(&server.address), "{} is not in {told}", server.address);
            }
        }
    }
    while let Some(server) = cluster.pop() {
        server.stop().await;
    }
}
