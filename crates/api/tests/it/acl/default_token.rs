//! The token in whose name a server asks for those that bring none: it gives them its rights, and nothing of
//! itself.

use serde_json::json;

use super::ask::{ROOT, ask, do_it, fill, start, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_default_token_gives_its_rights_and_never_its_secret() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    let rules = "key_prefix \"mine\" { policy = \"read\" }\nacl = \"write\"";
    let (id, secret) = token(&server, "default", rules).await;
    server.handle().set_default_token(Some(secret.as_str().into()));
    let read = ask(&server, "GET /v1/kv/mine/key?raw", None, "").await;
    assert_eq!((read.status, &*read.body), (200, "seen"));
    assert_eq!(ask(&server, "GET /v1/kv/other/key?raw", None, "").await.status, 403);

    let own = ask(&server, "GET /v1/acl/token/self", None, "").await;
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(own.json()["SecretID"], "anonymous");
    let description = json!({ "Description": "another", "Policies": [{ "Name": "default" }] });
    let described = description.to_string();
    for (line, body) in [
        ("GET /v1/acl/token/self?expanded=true".to_owned(), ""),
        ("GET /v1/acl/tokens".to_owned(), ""),
        (format!("GET /v1/acl/token/{id}"), ""),
        (format!("PUT /v1/acl/token/{id}"), &*described),
        ("GET /v1/agent/self".to_owned(), ""),
    ] {
        let came = ask(&server, &line, None, body).await;
        assert!(!came.body.contains(&secret), "{line}: {came:?}");
    }
    // Who brings it knows it.
    let own = ask(&server, "GET /v1/acl/token/self", Some(&secret), "").await;
    assert_eq!((&own.json()["AccessorID"], &own.json()["SecretID"]), (&json!(id), &json!(secret)));
    server.stop().await;
}

/// An agent's token of Consul's may do this to its own agent; here it is said for all clients of a server.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_everything_says_which_token_is_the_default_one() {
    let server = start(1).await.remove(0);
    let (_, agent) = token(&server, "agent", "agent_prefix \"\" { policy = \"write\" }").await;
    let body = json!({ "Token": "x" }).to_string();
    let line = "PUT /v1/agent/token/default";
    for who in [None, Some(&*agent)] {
        assert_eq!(ask(&server, line, who, &body).await.status, 403, "{who:?}");
    }
    assert!(server.handle().default_token().is_none());
    assert_eq!(ask(&server, line, Some(ROOT), &body).await.status, 200);
    assert_eq!(server.handle().default_token().as_deref(), Some("x"));
    server.stop().await;
}

/// An id on several nodes: which nodes is told to who may read them.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_nodes_are_not_told_by_way_of_an_id() {
    let server = start(1).await.remove(0);
    for node in ["seen-1", "seen-2", "hidden-1"] {
        let id = if node == "seen-1" { "both" } else { "far" };
        for id in [id, "both"] {
            let service = json!({ "ID": id, "Service": "web" });
            let body = json!({ "Node": node, "Address": "10.0.0.1", "Service": service });
            do_it(&server, "PUT /v1/catalog/register", body).await;
        }
    }
    let service = "service_prefix \"\" { policy = \"write\" }";
    let (_, blind) = token(&server, "blind", service).await;
    let some = format!("{service}\nnode_prefix \"seen\" {{ policy = \"read\" }}");
    let (_, some) = token(&server, "some", &some).await;
    for line in ["GET /v1/agent/service/far", "PUT /v1/agent/service/deregister/far"] {
        let told = ask(&server, line, Some(&blind), "").await;
        assert!(told.body.contains("on several nodes"), "{told:?}");
        assert!(!told.body.contains("seen") && !told.body.contains("hidden"), "{told:?}");
        let told = ask(&server, line, Some(&some), "").await;
        assert!(told.body.contains("\"seen-2\"") && !told.body.contains("hidden"), "{told:?}");
        let told = ask(&server, line, Some(ROOT), "").await;
        assert!(told.body.contains("hidden-1") && told.body.contains("seen-2"), "{told:?}");
    }
    server.stop().await;
}
