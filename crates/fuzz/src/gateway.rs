//! Requests in JSON over HTTP, as etcd's gateway takes them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_types::field_descriptor_proto::Type;

use crate::calls::spoil;
use crate::input::{Call, Piece};
use crate::random::Random;
use crate::schema::{Field, Schema};
use crate::words;

/// Paths, and the messages they take.
const ROUTES: [(&str, &str); 46] = [
    ("/v3/kv/range", "etcdserverpb.RangeRequest"),
    ("/v3/kv/put", "etcdserverpb.PutRequest"),
    ("/v3/kv/deleterange", "etcdserverpb.DeleteRangeRequest"),
    ("/v3/kv/txn", "etcdserverpb.TxnRequest"),
    ("/v3/kv/txn", "etcdserverpb.TxnRequest"),
    ("/v3/kv/compaction", "etcdserverpb.CompactionRequest"),
    ("/v3/watch", "etcdserverpb.WatchRequest"),
    ("/v3/lease/grant", "etcdserverpb.LeaseGrantRequest"),
    ("/v3/lease/revoke", "etcdserverpb.LeaseRevokeRequest"),
    ("/v3/kv/lease/revoke", "etcdserverpb.LeaseRevokeRequest"),
    ("/v3/lease/keepalive", "etcdserverpb.LeaseKeepAliveRequest"),
    ("/v3/lease/timetolive", "etcdserverpb.LeaseTimeToLiveRequest"),
    ("/v3/lease/leases", "etcdserverpb.LeaseLeasesRequest"),
    ("/v3/cluster/member/add", "etcdserverpb.MemberAddRequest"),
    ("/v3/cluster/member/remove", "etcdserverpb.MemberRemoveRequest"),
    ("/v3/cluster/member/update", "etcdserverpb.MemberUpdateRequest"),
    ("/v3/cluster/member/list", "etcdserverpb.MemberListRequest"),
    ("/v3/cluster/member/promote", "etcdserverpb.MemberPromoteRequest"),
    ("/v3/maintenance/alarm", "etcdserverpb.AlarmRequest"),
    ("/v3/maintenance/status", "etcdserverpb.StatusRequest"),
    ("/v3/maintenance/defragment", "etcdserverpb.DefragmentRequest"),
    ("/v3/maintenance/hash", "etcdserverpb.HashKVRequest"),
    ("/v3/maintenance/snapshot", "etcdserverpb.SnapshotRequest"),
    ("/v3/maintenance/transfer-leadership", "etcdserverpb.MoveLeaderRequest"),
    ("/v3/maintenance/downgrade", "etcdserverpb.DowngradeRequest"),
    ("/v3/auth/enable", "etcdserverpb.AuthEnableRequest"),
    ("/v3/auth/disable", "etcdserverpb.AuthDisableRequest"),
    ("/v3/auth/status", "etcdserverpb.AuthStatusRequest"),
    ("/v3/auth/authenticate", "etcdserverpb.AuthenticateRequest"),
    ("/v3/auth/user/add", "etcdserverpb.AuthUserAddRequest"),
    ("/v3/auth/user/get", "etcdserverpb.AuthUserGetRequest"),
    ("/v3/auth/user/list", "etcdserverpb.AuthUserListRequest"),
    ("/v3/auth/user/delete", "etcdserverpb.AuthUserDeleteRequest"),
    ("/v3/auth/user/grant", "etcdserverpb.AuthUserGrantRoleRequest"),
    ("/v3/auth/user/revoke", "etcdserverpb.AuthUserRevokeRoleRequest"),
    ("/v3/auth/role/add", "etcdserverpb.AuthRoleAddRequest"),
    ("/v3/auth/role/get", "etcdserverpb.AuthRoleGetRequest"),
    ("/v3/auth/role/grant", "etcdserverpb.AuthRoleGrantPermissionRequest"),
    ("/v3/auth/role/revoke", "etcdserverpb.AuthRoleRevokePermissionRequest"),
    ("/v3/lock/lock", "v3lockpb.LockRequest"),
    ("/v3/lock/unlock", "v3lockpb.UnlockRequest"),
    ("/v3/election/campaign", "v3electionpb.CampaignRequest"),
    ("/v3/election/proclaim", "v3electionpb.ProclaimRequest"),
    ("/v3/election/observe", "v3electionpb.LeaderRequest"),
    ("/v3/election/resign", "v3electionpb.ResignRequest"),
    ("/v3/election/leader", "v3electionpb.LeaderRequest"),
];
/// What a gateway of ours and of etcd has beside it.
const PLAIN: [&str; 12] = [
    "/version",
    "/health",
    "/health?serializable=true",
    "/health?serializable=%ff&exclude=NOSPACE",
    "/livez",
    "/readyz?verbose",
    "/metrics",
    "/api/v1/get?key=a",
    "/api/v1/set?key=a&value=b",
    "/api/maintain/stats",
    "/v3/",
    "/%ff/..//v3/kv/put",
];

/// A request to the gateway, or to what is beside it.
pub(crate) fn draw(random: &mut Random, schema: &Schema, token: Option<&str>) -> Call {
    let mut headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    if let Some(token) = token {
        headers.push(("authorization".to_owned(), token.as_bytes().to_vec()));
    }
    if random.once_in(6) {
        let verb = random.pick(&["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]).to_owned();
        let path = random.pick(&PLAIN).to_owned();
        let body = object(random, schema, "etcdserverpb.PutRequest", 0);
        return Call {
            verb,
            path,
            headers,
            data: vec![Piece::once(body.into_bytes())],
            ends: true,
        };
    }
    let (path, message) = random.one(&ROUTES);
    let mut body = object(random, schema, message, 0).into_bytes();
    match random.below(40) {
        0 => body = b"[".repeat(random.one(&[100, 1_000, 100_000])),
        1 => body = br#"{"a":"#.repeat(random.one(&[100, 1_000, 100_000])),
        2 => body = br#"{"success":[{"requestTxn":"#.repeat(random.one(&[10, 60, 120, 3_000])),
        3 => body = b"null".to_vec(),
        4..=10 => spoil(random, &mut body),
        _ => {}
    }
    let verb = if random.once_in(30) { "GET" } else { "POST" };
    Call {
        verb: verb.to_owned(),
        path: path.to_owned(),
        headers,
        data: vec![Piece::once(body)],
        ends: !random.once_in(60),
    }
}

fn object(random: &mut Random, schema: &Schema, message: &str, depth: usize) -> String {
    let mut out = String::from("{");
    for field in schema.fields(message) {
        if random.once_in(2) || depth > 4 && field.kind == Type::Message {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        let name = if random.once_in(2) { &field.json } else { &field.name };
        // Writing to a string cannot fail.
        let _ = write!(out, "\"{name}\":");
        if field.repeated {
            let each: Vec<String> =
                (0..random.below(3)).map(|_| value(random, schema, field, depth)).collect();
            let _ = write!(out, "[{}]", each.join(","));
        } else {
            out.push_str(&value(random, schema, field, depth));
        }
    }
    out.push('}');
    out
}

fn value(random: &mut Random, schema: &Schema, field: &Field, depth: usize) -> String {
    if random.once_in(25) {
        // Of another kind than is wanted.
        let wrong =
            ["null", "true", "1e400", "-0", "[]", "{}", "\"\\ud800\"", "0.5", "\"x\"", "1e3"];
        return random.pick(&wrong).to_owned();
    }
    match field.kind {
        Type::Message => object(random, schema, &field.of, depth + 1),
        Type::Bytes => quoted(&STANDARD.encode(words::bytes(random, &field.name))),
        Type::String => quoted(&String::from_utf8_lossy(&words::text(random, &field.name))),
        Type::Bool => random.pick(&["true", "false"]).to_owned(),
        Type::Enum => match schema.values(&field.of) {
            [] => "0".to_owned(),
            values => {
                let (name, number) = &values[random.below(values.len())];
                if random.once_in(3) { number.to_string() } else { quoted(name) }
            }
        },
        _ => {
            let number = words::number(random, &field.name);
            if random.once_in(2) { number.to_string() } else { quoted(&number.to_string()) }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
