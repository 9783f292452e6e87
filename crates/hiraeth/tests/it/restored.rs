//! What else comes back with a backup: users with their rights, what is registered; and one keyspace alone.

use client::{Client, Error, Get, KeyValue, Options, Put, User, Write};
use proto::authpb;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use types::Code;

use crate::program::{Ended, tool};
use crate::server::{Server, Single};

const PASSWORDS: [(&str, &str); 2] = [("root", "secret"), ("alice", "wonder")];

/// Root, and alice, who may read and write what begins with `a`; and nobody else.
async fn users(server: &Server) {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", server.client));
    let mut auth = AuthClient::new(channel.unwrap().connect().await.unwrap());
    for (user, password) in PASSWORDS {
        let (name, password) = (user.to_owned(), password.to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        auth.user_add(add).await.unwrap();
        auth.role_add(pb::AuthRoleAddRequest { name: user.to_owned() }).await.unwrap();
        let (user, role) = (user.to_owned(), user.to_owned());
        auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    }
    let perm = authpb::Permission {
        perm_type: authpb::permission::Type::Readwrite.into(),
        key: "a".into(),
        range_end: "b".into(),
    };
    let grant = pb::AuthRoleGrantPermissionRequest { name: "alice".to_owned(), perm: Some(perm) };
    auth.role_grant_permission(grant).await.unwrap();
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
}

async fn connect(server: &Server, name: &str, password: &str) -> Result<Client, Error> {
    let user = Some(User { name: name.to_owned(), password: password.to_owned() });
    Client::connect([server.client.clone()], Options { user, ..Options::default() }).await
}

fn is(error: &Error, wanted: Code) -> bool {
    error.code() == Some(wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn users_their_rights_and_what_is_registered_come_back() {
    let single = Single::start().await;
    let endpoint = single.server.client.clone();
    let as_root = |endpoint: &str, arguments: &[&str]| -> Ended {
        tool(endpoint, &[arguments, &["--user", "root:secret"]].concat())
    };
    let client = single.client().await;
    client.put(Put::new("a1", "hers")).await.unwrap();
    client.put(Put::new("k", "not hers")).await.unwrap();
    let definition = r#"{"Name":"web","ID":"web-1","Address":"10.0.0.7","Port":80,"Tags":["v1"]}"#;
    let path = "/v1/agent/service/register";
    let registered = crate::http::ask(&single.server.http, "PUT", path, "", definition).await;
    assert!(registered.starts_with("HTTP/1.1 200"), "{registered}");
    users(&single.server).await;
    let listed = as_root(&endpoint, &["service", "list", "web", "--output", "json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backup");
    let backup = path.to_str().unwrap();
    let refused = tool(&endpoint, &["admin", "backup", "--out", backup]);
    assert_ne!(refused.code, 0, "a backup is root's");
    assert!(!path.exists());
    let taken =
        as_root(&endpoint, &["admin", "backup", "--out", backup, "--output", "json"]).json();
    assert_eq!((&taken["users"], &taken["auth"]), (&2.into(), &true.into()), "{taken}");
    drop(single);

    let mut server = Server::new(directory.path(), "n1");
    let members = format!("n1={}", server.peer);
    let data = server.data.to_str().unwrap().to_owned();
    let from = ["restore", "--from", backup, "--data-dir", &data, "--name", "n1"];
    tool("", &[&from[..], &["--initial-cluster", &members]].concat()).well();
    server.start(&["serve", "--name", "n1", "--initial-cluster", &members]);
    let root = connect(&server, "root", "secret").await.unwrap();
    assert_eq!(root.get("k").await.unwrap().kvs[0].value, "not hers");
    let alice = connect(&server, "alice", "wonder").await.unwrap();
    assert_eq!(alice.get("a1").await.unwrap().kvs[0].value, "hers");
    let refused = alice.get("k").await.unwrap_err();
    assert!(is(&refused, Code::PermissionDenied), "{refused}");
    let stranger = Client::lazy([server.client.clone()], Options::default()).unwrap();
    let refused = stranger.get("a1").await.unwrap_err();
    assert!(is(&refused, Code::UserEmpty), "{refused}");
    let wrong = connect(&server, "alice", "secret").await;
    let refused = match wrong {
        Ok(client) => client.get("a1").await.unwrap_err(),
        Err(error) => error,
    };
    assert!(is(&refused, Code::AuthFailed), "{refused}");
    let again = as_root(&server.client, &["service", "list", "web", "--output", "json"]).json();
    assert_eq!(again, listed);
}

fn values(kvs: Vec<KeyValue>) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    kvs.into_iter().map(|kv| (kv.key.to_vec(), kv.value.to_vec(), kv.lease)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_keyspace_alone_comes_back_into_another() {
    let single = Single::start().await;
    let endpoint = single.server.client.clone();
    let client = single.client().await;
    client.create_keyspace("one").await.unwrap();
    client.create_sharded_keyspace("wide", vec!["m".into(), "t".into()], None).await.unwrap();
    client.put(Put::new("elsewhere", "1")).await.unwrap();
    let one = client.in_keyspace("one").unwrap();
    let lease = one.grant_lease(3_000, 9).await.unwrap().id;
    one.put(Put::new("leased", "1").lease(lease)).await.unwrap();
    for value in ["1", "2", "3"] {
        one.put(Put::new("often", value)).await.unwrap();
    }
    one.put(Put::new("gone", "1")).await.unwrap();
    one.delete(client::Delete::key("gone")).await.unwrap();
    let wide = client.in_keyspace("wide").unwrap();
    let write = |number: u32| {
        let key = format!("{}{number}", char::from(b'a' + (number % 26) as u8));
        Write::Put(Put::new(key, number.to_string()))
    };
    for part in wide.write_batch((0..300).map(write)).await {
        part.outcome.unwrap();
    }

    let directory = tempfile::tempdir().unwrap();
    let all = |client: Client| async move {
        values(client.get(Get::range(vec![0_u8], "")).await.unwrap().kvs)
    };
    for (name, sharded, keys, leases) in [("one", false, 2, 1), ("wide", true, 300, 0)] {
        let file = directory.path().join(name);
        let file = file.to_str().unwrap();
        tool(&endpoint, &["admin", "backup", "--keyspace", name, "--out", file]).well();
        let verified = tool("", &["admin", "backup", "verify", file, "--output", "json"]).json();
        let found = verified["keyspaces"].as_array().unwrap();
        assert_eq!((found.len(), &found[0]["name"]), (1, &name.into()), "{verified}");
        let copy = format!("{name}-again");
        match sharded {
            true => client.create_sharded_keyspace(&copy, vec!["f".into()], None).await.unwrap(),
            false => client.create_keyspace(&copy).await.unwrap(),
        };
        // What was written after the backup is not in it.
        let source = client.in_keyspace(name).unwrap();
        let before = all(source.clone()).await;
        source.put(Put::new("later", "1")).await.unwrap();
        let arguments = ["admin", "restore", "--from", file, "--into", &copy, "--output", "json"];
        let done = tool(&endpoint, &arguments).json();
        assert_eq!((&done["keys"], &done["leases"]), (&keys.into(), &leases.into()), "{done}");
        let copy = client.in_keyspace(&copy).unwrap();
        assert_eq!(all(copy.clone()).await, before);
        if leases > 0 {
            let left = copy.lease_time_to_live(lease, true).await.unwrap();
            assert_eq!((left.granted_seconds, left.keys.len()), (3_000, 1));
        }
    }
}
