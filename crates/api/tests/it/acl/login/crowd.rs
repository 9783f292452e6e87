//! Many who log in at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use state::auth::AuthCommand;
use state::auth::acl::AclCommand;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use types::KeyspaceId;

use super::super::ask::{ROOT, do_it, start};
use super::sign::login;

/// So many may at once, through one server.
const AT_ONCE: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_so_many_at_once_are_told_to_come_again() {
    let server = Arc::new(start(1).await.remove(0));
    let cluster = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = json!({
        "Host": format!("http://{}", cluster.local_addr().unwrap()),
        "CACert": include_str!("../../../../../jwt/testdata/certificate.pem"),
        "ServiceAccountJWT": "own.service.account",
    });
    let method = json!({ "Name": "pods", "Type": "kubernetes", "Config": config });
    do_it(&server, "PUT /v1/acl/auth-method", method).await;
    let mut all = JoinSet::new();
    for _ in 0..AT_ONCE {
        let server = Arc::clone(&server);
        all.spawn(async move { login(&server, "pods", "a").await.status });
    }
    // The cluster takes all of them, and answers none.
    let mut streams = Vec::new();
    while streams.len() < AT_ONCE {
        let (stream, _) =
            timeout(Duration::from_secs(20), cluster.accept()).await.unwrap().unwrap();
        streams.push(stream);
    }
    let one_more = async || login(&server, "pods", "a").await;
    let busy = one_more().await;
    assert_eq!((busy.status, busy.body.contains("try again")), (429, true), "{busy:?}");
    // Before anything else is looked at, whatever that would wait for.
    let handle = server.handle();
    let caller = handle.caller(KeyspaceId::DEFAULT, Some(ROOT.into()));
    caller.change_auth(AuthCommand::Acl(Box::new(AclCommand::Disable))).await.unwrap();
    assert_eq!(one_more().await.status, 429);
    assert!(all.try_join_next().is_none(), "one of the first is not waiting any more");

    drop(streams);
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), 403);
    }
    assert_eq!(one_more().await.status, 401);
    Arc::into_inner(server).unwrap().stop().await;
}
