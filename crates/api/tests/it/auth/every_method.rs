//! Every method of every service, with no rights, wrong ones and right ones. What each needs is in one
//! table, which is held against the `.proto` files: a method that is missing in it fails the test.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_request::RequestUnion;
use tonic::{Code, Status};

use super::raw::{call, token, users};
use crate::server::Server;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    /// It is served to everybody.
    Nothing,
    /// A user.
    User,
    /// Rights over the key `a/1`.
    Rights,
    Root,
}
use Needs::{Nothing, Rights, Root, User};

fn message(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// A request about `a/1`, where that means something, and nothing else.
fn about_key(method: &str) -> Bytes {
    let key = || Bytes::from_static(b"a/1");
    match method {
        "etcdserverpb.KV/Range" => message(&pb::RangeRequest { key: key(), ..Default::default() }),
        "etcdserverpb.KV/Put" => message(&pb::PutRequest { key: key(), ..Default::default() }),
        "etcdserverpb.KV/DeleteRange" => {
            message(&pb::DeleteRangeRequest { key: key(), ..Default::default() })
        }
        "etcdserverpb.KV/Txn" => {
            let compare = vec![pb::Compare { key: key(), ..Default::default() }];
            message(&pb::TxnRequest { compare, ..Default::default() })
        }
        "etcdserverpb.KV/Compact" => {
            message(&pb::CompactionRequest { revision: 1, physical: false })
        }
        "etcdserverpb.Watch/Watch" => {
            let create = pb::WatchCreateRequest { key: key(), ..Default::default() };
            let request_union = Some(RequestUnion::CreateRequest(create));
            message(&pb::WatchRequest { request_union })
        }
        "etcdserverpb.Auth/UserGet" => message(&pb::AuthUserGetRequest { name: "bob".into() }),
        "etcdserverpb.Auth/RoleGet" => message(&pb::AuthRoleGetRequest { role: "app".into() }),
        "etcdserverpb.Auth/UserDelete" => message(&pb::AuthUserDeleteRequest { name: "x".into() }),
        "etcdserverpb.Auth/RoleGrantPermission" => {
            let perm = Some(proto::authpb::Permission { key: key(), ..Default::default() });
            message(&pb::AuthRoleGrantPermissionRequest { name: "none".into(), perm })
        }
        // Raises the alarm that there is no space; nothing else is asked of whoever asks.
        "etcdserverpb.Maintenance/Alarm" => {
            message(&pb::AlarmRequest { action: 2, alarm: 1, ..Default::default() })
        }
        "v3lockpb.Lock/Lock" | "v3electionpb.Election/Campaign" => {
            // `name` is the first field of both; `lease` 7 there is none.
            Bytes::from_static(b"\x0a\x03a/1\x10\x07")
        }
        "v3lockpb.Lock/Unlock"
        | "v3electionpb.Election/Leader"
        | "v3electionpb.Election/Observe" => Bytes::from_static(b"\x0a\x03a/1"),
        "v3electionpb.Election/Proclaim" | "v3electionpb.Election/Resign" => {
            // A leader key: name, key, rev 7, lease 7.
            Bytes::from_static(b"\x0a\x0e\x0a\x03a/1\x12\x03a/1\x18\x07\x20\x07")
        }
        _ => Bytes::new(),
    }
}

fn table() -> BTreeMap<&'static str, Needs> {
    BTreeMap::from([
        ("etcdserverpb.KV/Range", Rights),
        ("etcdserverpb.KV/Put", Rights),
        ("etcdserverpb.KV/DeleteRange", Rights),
        ("etcdserverpb.KV/Txn", Rights),
        // It takes the past of every key.
        ("etcdserverpb.KV/Compact", Root),
        ("etcdserverpb.Watch/Watch", Rights),
        ("etcdserverpb.Lease/LeaseGrant", User),
        ("etcdserverpb.Lease/LeaseRevoke", User),
        ("etcdserverpb.Lease/LeaseKeepAlive", User),
        ("etcdserverpb.Lease/LeaseTimeToLive", User),
        ("etcdserverpb.Lease/LeaseLeases", User),
        ("etcdserverpb.Cluster/MemberAdd", Root),
        ("etcdserverpb.Cluster/MemberRemove", Root),
        ("etcdserverpb.Cluster/MemberUpdate", Root),
        ("etcdserverpb.Cluster/MemberList", Nothing),
        ("etcdserverpb.Cluster/MemberPromote", Root),
        ("etcdserverpb.Maintenance/Alarm", Root),
        ("etcdserverpb.Maintenance/Status", Nothing),
        ("etcdserverpb.Maintenance/Defragment", Root),
        ("etcdserverpb.Maintenance/Hash", Root),
        ("etcdserverpb.Maintenance/HashKV", Root),
        ("etcdserverpb.Maintenance/Snapshot", Root),
        ("etcdserverpb.Maintenance/MoveLeader", Root),
        ("etcdserverpb.Maintenance/Downgrade", Root),
        ("etcdserverpb.Auth/AuthEnable", Root),
        ("etcdserverpb.Auth/AuthDisable", Root),
        ("etcdserverpb.Auth/AuthStatus", Root),
        ("etcdserverpb.Auth/Authenticate", Nothing),
        ("etcdserverpb.Auth/UserAdd", Root),
        // Everybody may look at oneself and one's roles: here that is bob.
        ("etcdserverpb.Auth/UserGet", Rights),
        ("etcdserverpb.Auth/UserList", Root),
        ("etcdserverpb.Auth/UserDelete", Root),
        ("etcdserverpb.Auth/UserChangePassword", Root),
        ("etcdserverpb.Auth/UserGrantRole", Root),
        ("etcdserverpb.Auth/UserRevokeRole", Root),
        ("etcdserverpb.Auth/RoleAdd", Root),
        ("etcdserverpb.Auth/RoleGet", Rights),
        ("etcdserverpb.Auth/RoleList", Root),
        ("etcdserverpb.Auth/RoleDelete", Root),
        ("etcdserverpb.Auth/RoleGrantPermission", Root),
        ("etcdserverpb.Auth/RoleRevokePermission", Root),
        ("hiraeth.v1.Keyspaces/Create", Root),
        ("hiraeth.v1.Keyspaces/List", User),
        ("hiraeth.v1.Node/Status", Nothing),
        ("hiraeth.v1.Node/Stats", Nothing),
        ("hiraeth.v1.Node/Barrier", User),
        ("hiraeth.v1.Node/VerifyLeader", User),
        ("v3lockpb.Lock/Lock", Rights),
        ("v3lockpb.Lock/Unlock", Rights),
        ("v3electionpb.Election/Campaign", Rights),
        ("v3electionpb.Election/Proclaim", Rights),
        ("v3electionpb.Election/Leader", Rights),
        ("v3electionpb.Election/Observe", Rights),
        ("v3electionpb.Election/Resign", Rights),
    ])
}

/// Every method in the `.proto` files of the client port.
fn methods() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto");
    let mut methods = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let after = |line: &str, word: &str| {
                let rest = line.trim().strip_prefix(word)?.trim();
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_'));
                Some(rest[..end.unwrap_or(rest.len())].to_owned())
            };
            let (mut package, mut service) = (String::new(), String::new());
            for line in text.lines() {
                package = after(line, "package ").unwrap_or(package);
                service = after(line, "service ").unwrap_or(service);
                if let Some(method) = after(line, "rpc ") {
                    methods.push(format!("{package}.{service}/{method}"));
                }
            }
        }
    }
    // Links between nodes have a port of their own; health and reflection tell nothing of anybody's.
    methods.retain(|method| {
        !["hiraeth.peer", "grpc."].iter().any(|prefix| method.starts_with(prefix))
    });
    methods.sort();
    methods
}

/// Whether it was refused for who asked, and how.
fn refusal(answer: Result<Option<Bytes>, Status>, method: &str) -> Option<String> {
    let words = match answer {
        Err(status) => {
            // Locks and elections tell most errors as etcd's do: by the words alone.
            let known = [
                Code::InvalidArgument,
                Code::PermissionDenied,
                Code::Unauthenticated,
                Code::Unknown,
            ];
            if !known.contains(&status.code()) {
                return None;
            }
            status.message().to_owned()
        }
        // Watches are refused inside the stream, in the words of Go.
        Ok(Some(bytes)) if method == "etcdserverpb.Watch/Watch" => {
            let response = pb::WatchResponse::decode(bytes).unwrap();
            let words = response.cancel_reason;
            words.rsplit_once("desc = ").map_or("", |(_, words)| words).to_owned()
        }
        Ok(_) => return None,
    };
    let refusals = ["user name is empty", "permission denied", "invalid auth token"];
    let words = words.strip_prefix("etcdserver: ")?;
    refusals.contains(&words).then(|| words.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_for_the_rights_it_needs() {
    let table = table();
    let methods = methods();
    let missing: Vec<_> = methods.iter().filter(|it| !table.contains_key(it.as_str())).collect();
    assert!(missing.is_empty(), "methods whose rights nobody has thought about: {missing:?}");
    let gone: Vec<_> =
        table.keys().filter(|it| !methods.iter().any(|known| known == *it)).collect();
    assert!(gone.is_empty(), "methods that are nowhere: {gone:?}");

    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let (bob, eve) = (token(&mut auth, "bob").await, token(&mut auth, "eve").await);
    let root = token(&mut auth, "root").await;
    let forged = format!("{}AAAA", &bob[..bob.len() - 4]);
    let mut wrong = Vec::new();
    // What root does ends with switching auth off.
    for (method, needs) in &table {
        for who in ["nobody", "forged", "eve", "bob"] {
            let token = match who {
                "nobody" => None,
                "forged" => Some(forged.as_str()),
                "eve" => Some(eve.as_str()),
                _ => Some(bob.as_str()),
            };
            let answer = call(&server.channel, method, about_key(method), token).await;
            let told = format!("{answer:?}");
            if answer.as_ref().is_err_and(|status| status.code() == Code::Unimplemented) {
                wrong.push(format!("{method} is not served: {told}"));
                continue;
            }
            let expected = match (needs, who) {
                (Nothing, _) => None,
                (_, "nobody") => Some("user name is empty"),
                (_, "forged") => Some("invalid auth token"),
                (Root, _) | (Rights, "eve") => Some("permission denied"),
                (User, _) | (Rights, _) => None,
            };
            if refusal(answer, method).as_deref() != expected {
                wrong.push(format!("{method} as {who}: {told}, and not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let last = "etcdserverpb.Auth/AuthDisable";
    for method in table.keys().filter(|method| **method != last).chain([&last]) {
        let answer = call(&server.channel, method, about_key(method), Some(&root)).await;
        let told = format!("{answer:?}");
        assert_eq!(refusal(answer, method), None, "{method} as root: {told}");
    }
    // It is off again: a token that means nothing any more does no harm, and neither does none.
    for token in [Some(bob.as_str()), None] {
        let method = "etcdserverpb.KV/Put";
        assert!(call(&server.channel, method, about_key(method), token).await.is_ok());
    }
    server.stop().await;
}
