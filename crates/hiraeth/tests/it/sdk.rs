//! The Rust client against servers that do not behave, and what keeps leases alive.

use std::net::SocketAddr;
use std::time::Duration;

use client::{Client, Error, Get, Options, Put};
use tokio::net::{TcpListener, TcpStream};
use types::Code;

use crate::program::{tool, until};
use crate::server::Single;

/// Something that takes connections and does this with them.
async fn listen<F: Future<Output = ()> + Send + 'static>(
    then: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(then(stream));
        }
    });
    address
}

/// Reads what a client sends, and hangs up in the middle of a request.
async fn hangs_up(stream: TcpStream) {
    let mut read = 0;
    let mut bytes = [0; 4096];
    // The preface and settings are shorter than a request with this value.
    while read < 20_000 {
        stream.readable().await.unwrap();
        match stream.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(more) => read += more,
            Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_elsewhere_and_writes_are_sent_once() {
    let single = Single::start().await;
    let good = single.server.client.clone();
    let options = || Options { timeout: Duration::from_secs(3), ..Options::default() };

    // Nobody there: nothing was sent, so a write, too, goes elsewhere.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::lazy([nobody.to_string(), good.clone()], options()).unwrap();
    client.put(Put::new("a", "1")).await.unwrap();

    // Somebody who takes the request and hangs up.
    let broken = listen(hangs_up).await.to_string();
    let client = Client::lazy([broken, good.clone()], options()).unwrap();
    let large = vec![b'x'; 100_000];
    let error = client.put(Put::new("a", large.clone())).await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }) && error.outcome_unknown(), "{error:?}");
    // The client has left that endpoint.
    assert_eq!(client.get("a").await.unwrap().kvs[0].value, "1");

    // Somebody who never answers: a read gives up on it early, a write does not know.
    let silent = listen(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    });
    let silent = silent.await.to_string();
    let client = Client::lazy([silent.clone(), good.clone()], options()).unwrap();
    assert_eq!(client.get("a").await.unwrap().kvs[0].value, "1");
    let client = Client::lazy([silent, good], options()).unwrap();
    let error = client.put(Put::new("a", "2")).await.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    assert_eq!(client.get("a").await.unwrap().kvs[0].version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_lease_lives_until_it_is_revoked() {
    let single = Single::start().await;
    let client = single.client().await;
    let kept = client.grant_lease(1, 0).await.unwrap().id;
    let clock = client.grant_lease(1, 0).await.unwrap().id;
    client.put(Put::new("kept", "").lease(kept)).await.unwrap();
    let mut keeping = client.keep_lease(kept);
    // Renewals of the other lease are the clock: six of them are longer than a lease lives.
    let mut renewals = client.renewals(clock);
    for _ in 0..6 {
        assert_eq!(renewals.next().await.unwrap(), 1);
    }
    assert_eq!(client.get(Get::key("kept").count_only()).await.unwrap().count, 1);
    assert_eq!(client.lease_time_to_live(kept, true).await.unwrap().keys, ["kept"]);

    client.revoke_lease(kept).await.unwrap();
    assert_eq!(keeping.lost().await.code(), Some(Code::LeaseNotFound));
    assert_eq!(client.get("kept").await.unwrap().count, 0);

    // Nobody renews this one any more.
    drop(renewals);
    until("the lease ends", || {
        tool(&single.server.client, &["lease", "list", "--output", "json"]).well() == "[]\n"
    });
}
