//! Every method of every service while the ACL is on, with etcd's Auth beside it and without: as nobody, as
//! who says that it is nobody, with a token that nobody has, with one that has every rule but those about the
//! cluster, and as users. A method that is in no table, or asks for nothing where the table says something,
//! fails.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::lease_client::LeaseClient;
use serde_json::json;
use state::auth::AuthCommand;
use state::auth::acl::AclCommand;
use tonic::Code;
use types::KeyspaceId;

use super::ask::{ROOT, ask, start, token};
use super::doors::request;
use crate::auth::{Needs, Tokens, Way, about_key, call, refusal, table, users};
use crate::server::Server;

const NARROW: &str = r#"
key_prefix "" { policy = "write" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
session_prefix "" { policy = "write" }
event_prefix "" { policy = "write" }
query_prefix "" { policy = "write" }
agent_prefix "" { policy = "write" }
"#;

const EMPTY: Option<&str> = Some("user name is empty");
const DENIED: Option<&str> = Some("permission denied");
const INVALID: Option<&str> = Some("invalid auth token");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Nobody,
    /// With a token that there is not.
    Forged,
    /// With a token that may not run the cluster.
    Narrow,
    /// One of etcd's users, of this name.
    User(&'static str),
    /// Who may do everything.
    Manager,
}

/// What the registry's own methods say to tokens and to nobody, who has one, too: what is shown goes by
/// rules, and may be nothing.
fn of_registry(method: &str, who: Who) -> Option<Option<&'static str>> {
    let told = match method {
        "hiraeth.v1.Registry/Open"
        | "hiraeth.v1.Registry/Find"
        | "hiraeth.v1.Registry/Services" => None,
        // Of a service that the narrow one may read.
        "hiraeth.v1.Registry/Audit" if who == Who::Narrow => None,
        "hiraeth.v1.Registry/Drain" | "hiraeth.v1.Registry/Audit" => DENIED,
        other if other.starts_with("hiraeth.v1.Registry/") => {
            panic!("a method whose rights of tokens nobody has thought about: {other}")
        }
        _ => return None,
    };
    match who {
        Who::Nobody | Who::Narrow => Some(told),
        Who::Forged => Some(INVALID),
        Who::User(_) | Who::Manager => None,
    }
}

/// In which words it is refused with both on: keys are for users, and a token is none.
fn with_both(method: &str, needs: Needs, who: Who) -> Option<&'static str> {
    if let Some(told) = of_registry(method, who) {
        return told;
    }
    match who {
        Who::Manager => None,
        Who::User(name) => needs.refusal(name),
        _ if needs == Needs::Nothing => None,
        Who::Nobody => EMPTY,
        Who::Forged => INVALID,
        Who::Narrow => DENIED,
    }
}

/// The same with the ACL alone: keys of etcd's clients are everybody's, and the cluster is not.
fn with_acl(method: &str, needs: Needs, who: Who) -> Option<&'static str> {
    if let Some(told) = of_registry(method, who) {
        return told;
    }
    let of_cluster = match method {
        // A thing of those who write there.
        "etcdserverpb.KV/Compact" => false,
        // Of users, of whom none is known by name.
        "etcdserverpb.Auth/UserGet" | "etcdserverpb.Auth/RoleGet" => true,
        _ => needs == Needs::Root,
    };
    match who {
        Who::Manager => None,
        Who::Forged if method.starts_with("hiraeth.v1.Config/") => INVALID,
        _ if of_cluster => DENIED,
        _ => None,
    }
}

async fn walk(
    server: &Server,
    askers: &[(Who, Option<&str>)],
    expected: fn(&str, Needs, Who) -> Option<&'static str>,
) {
    let mut wrong = Vec::new();
    for (method, needs) in &table() {
        for (who, token) in askers {
            // What managers do changes what others are told; that they may is shown elsewhere.
            if *who == Who::Manager && *needs == Needs::Root {
                continue;
            }
            for way in [Way::Usual, Way::Service] {
                let answer = call(&server.channel, method, about_key(method), *token, way).await;
                let told = format!("{answer:?}");
                let expected = expected(method, *needs, *who);
                if refusal(answer, method).as_deref() != expected {
                    wrong.push(format!("{method} as {who:?}, {way:?}: {told}, not {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `about_key` has taken back into service.
async fn drained(server: &Server, manager: &str) {
    let check =
        json!({ "CheckID": "_node_maintenance", "Name": "Maintenance", "Status": "critical" });
    let node = json!({ "Node": "n", "Address": "10.0.0.1", "Check": check }).to_string();
    let made = ask(server, "PUT /v1/catalog/register", Some(manager), &node).await;
    assert_eq!(made.status, 200, "{made:?}");
}

/// Leases of the registry's keyspace, of which no rule speaks.
async fn leases(server: &Server, token: Option<&str>) {
    let mut leases = LeaseClient::new(server.channel.clone());
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 0 };
    let left = pb::LeaseTimeToLiveRequest { id: 7, keys: false };
    let renew = futures::stream::iter([pb::LeaseKeepAliveRequest { id: 7 }]);
    for status in [
        leases.lease_grant(request(grant, token)).await.unwrap_err(),
        leases.lease_leases(request(pb::LeaseLeasesRequest {}, token)).await.unwrap_err(),
        leases.lease_time_to_live(request(left, token)).await.unwrap_err(),
        leases.lease_keep_alive(request(renew, token)).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::PermissionDenied, "{token:?}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_tokens_for_what_it_needs() {
    let server = start(1).await.remove(0);
    let (_, narrow) = token(&server, "narrow", NARROW).await;
    drained(&server, ROOT).await;
    let askers = [
        (Who::Nobody, None),
        (Who::Nobody, Some("anonymous")),
        (Who::Forged, Some("nobody's")),
        (Who::Narrow, Some(&*narrow)),
        (Who::Manager, Some(ROOT)),
    ];
    walk(&server, &askers, with_acl).await;
    for who in [None, Some("anonymous"), Some(&*narrow)] {
        leases(&server, who).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_users_and_tokens_for_what_it_needs() {
    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let tokens = Tokens::get(&mut auth).await;
    let root = tokens.of("root").unwrap();
    let handle = server.handle();
    let on = AclCommand::Enable { allows_by_default: false };
    let root_word: Option<Box<str>> = Some(root.into());
    let caller = handle.caller(KeyspaceId::DEFAULT, root_word);
    caller.change_auth(AuthCommand::Acl(Box::new(on))).await.unwrap();
    let make = async |path: &str, body: serde_json::Value| {
        let made =
            ask(&server, &format!("PUT /v1/acl/{path}"), Some(root), &body.to_string()).await;
        assert_eq!(made.status, 200, "{made:?}");
        made.json()["SecretID"].as_str().unwrap_or_default().to_owned()
    };
    let manager = make("bootstrap", json!({})).await;
    make("policy", json!({ "Name": "narrow", "Rules": NARROW })).await;
    let narrow = make("token", json!({ "Policies": [{ "Name": "narrow" }] })).await;
    drained(&server, &manager).await;
    let askers = [
        (Who::Nobody, None),
        (Who::Nobody, Some("anonymous")),
        (Who::Forged, tokens.of("forged")),
        (Who::Forged, Some("nobody's")),
        (Who::Narrow, Some(&*narrow)),
        (Who::User("eve"), tokens.of("eve")),
        (Who::User("bob"), tokens.of("bob")),
        (Who::Manager, Some(&*manager)),
    ];
    walk(&server, &askers, with_both).await;
    for who in [None, Some("anonymous"), Some(&*narrow)] {
        leases(&server, who).await;
    }
    server.stop().await;
}
