//! What every method needs, in one table, which is held against the `.proto` files: a method that is
//! missing in it fails the tests.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_request::RequestUnion;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
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
pub(crate) fn about_key(method: &str) -> Bytes {
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
        "etcdserverpb.Auth/UserAdd" => {
            message(&pb::AuthUserAddRequest { name: "x".into(), ..Default::default() })
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
        "hiraeth.v1.Keyspaces/Routes" => Bytes::from_static(b"\x0a\x03a/1"),
        "hiraeth.v1.Registry/Drain" => {
            // Node n, back into service.
            Bytes::from_static(b"\x12\x01n\x20\x01")
        }
        "hiraeth.v1.Config/List" => Bytes::new(),
        // The configuration `a`.
        of_config if of_config.starts_with("hiraeth.v1.Config/") => {
            Bytes::from_static(b"\x0a\x03\x1a\x01a")
        }
        _ => Bytes::new(),
    }
}

/// What each method needs.
pub(crate) fn table() -> BTreeMap<&'static str, Needs> {
    let table = BTreeMap::from([
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
        ("hiraeth.v1.Keyspaces/Regions", Root),
        ("hiraeth.v1.Keyspaces/Routes", Rights),
        ("hiraeth.v1.Keyspaces/Split", Root),
        ("hiraeth.v1.Node/Status", Nothing),
        ("hiraeth.v1.Node/Stats", Nothing),
        ("hiraeth.v1.Node/Hot", Root),
        ("hiraeth.v1.Node/Flight", Root),
        ("hiraeth.v1.Node/Watches", Root),
        ("hiraeth.v1.Node/Drain", Root),
        ("hiraeth.v1.Node/Remove", Root),
        ("hiraeth.v1.Node/Replace", Root),
        ("hiraeth.v1.Node/Backup", Root),
        ("hiraeth.v1.Node/Barrier", User),
        ("hiraeth.v1.Node/VerifyLeader", User),
        // What a stream asks for is looked at message by message.
        ("hiraeth.v1.Registry/Open", User),
        // They take rights over all of the registry's keyspace, which bob has not.
        ("hiraeth.v1.Registry/Find", Root),
        ("hiraeth.v1.Registry/Services", Root),
        ("hiraeth.v1.Registry/Drain", Root),
        ("hiraeth.v1.Registry/Audit", Root),
        // Rights over keys of the keyspace `config`, of which bob has none.
        ("hiraeth.v1.Config/List", Root),
        ("hiraeth.v1.Config/Release", Root),
        ("hiraeth.v1.Config/Get", Root),
        ("hiraeth.v1.Config/GetVersion", Root),
        ("hiraeth.v1.Config/History", Root),
        ("hiraeth.v1.Config/Diff", Root),
        ("hiraeth.v1.Config/Rollback", Root),
        ("hiraeth.v1.Config/Delete", Root),
        ("hiraeth.v1.Config/Watch", Root),
        ("hiraeth.v1.Config/SetSchema", Root),
        ("hiraeth.v1.Config/GetSchema", Root),
        ("hiraeth.v1.Config/StartGray", Root),
        ("hiraeth.v1.Config/WidenGray", Root),
        ("hiraeth.v1.Config/PromoteGray", Root),
        ("hiraeth.v1.Config/AbortGray", Root),
        ("hiraeth.v1.Config/GrayStatus", Root),
        ("hiraeth.v1.Config/Report", Root),
        ("v3lockpb.Lock/Lock", Rights),
        ("v3lockpb.Lock/Unlock", Rights),
        ("v3electionpb.Election/Campaign", Rights),
        ("v3electionpb.Election/Proclaim", Rights),
        ("v3electionpb.Election/Leader", Rights),
        ("v3electionpb.Election/Observe", Rights),
        ("v3electionpb.Election/Resign", Rights),
    ]);
    let methods = methods();
    let missing: Vec<_> = methods.iter().filter(|it| !table.contains_key(it.as_str())).collect();
    assert!(missing.is_empty(), "methods whose rights nobody has thought about: {missing:?}");
    let gone: Vec<_> =
        table.keys().filter(|it| !methods.iter().any(|known| known == *it)).collect();
    assert!(gone.is_empty(), "methods that are nowhere: {gone:?}");
    table
}

/// Whoever asks of the tests.
pub(super) const ASKERS: [&str; 4] = ["nobody", "forged", "eve", "bob"];

impl Needs {
    /// In which words `who` is refused: `bob` has the rights over `a/`, `eve` has none.
    pub(crate) fn refusal(self, who: &str) -> Option<&'static str> {
        match (self, who) {
            (Nothing, _) => None,
            (_, "nobody") => Some("user name is empty"),
            (_, "forged") => Some("invalid auth token"),
            (Root, _) | (Rights, "eve") => Some("permission denied"),
            (User | Rights, _) => None,
        }
    }
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
