//! What an answer may look like.

use types::Code;

use crate::input::Call;
use crate::send::{Answer, End};

/// Methods that wait for something to happen, and may do so for ever.
const WAIT: [&str; 11] = [
    "/hiraeth.v1.Registry/Open",
    "/hiraeth.v1.Config/Watch",
    "/etcdserverpb.Watch/Watch",
    "/v3lockpb.Lock/Lock",
    "/v3electionpb.Election/Campaign",
    "/v3electionpb.Election/Observe",
    "/grpc.",
    "/v3/watch",
    "/v3/lock/lock",
    "/v3/election/campaign",
    "/v3/election/observe",
];

/// Where Consul's routes are.
const CONSUL: &str = "/v1/";
/// What Consul, too, answers with a status of 500.
const CONSUL_FAILURES: [&str; 7] = [
    "No path to datacenter",
    "invalid session",
    "Missing node registration",
    "was not found in the Raft configuration",
    "aliases an existing query name",
    "the query was changed by somebody else",
    "there are 1024 queries already",
];

/// Words that are not in the table of codes, with what they begin with: those of gRPC itself, which no
/// client compares.
const TRANSPORT: [(i32, &str); 23] = [
    (5, "hiraeth: the registry has no node "),
    // Of Lock and Election, where etcd has no codes.
    (2, "mutex: session is expired"),
    (2, "election: "),
    (2, "\"leader\" field must be provided"),
    (2, "hiraeth: the metadata"),
    // The fuzzer raises this alarm itself.
    (15, "etcdserver: corrupt cluster"),
    (3, "etcdserver: invalid downgrade target version"),
    (3, "etcdserver: wrong downgrade target version format"),
    (9, "etcdserver: no inflight downgrade job"),
    // Of calls that the connection sees through.
    (13, "hiraeth: the request "),
    (4, "hiraeth: the request did not come to its end"),
    (5, "unknown service"),
    (9, "etcdserver: authentication is not enabled"),
    // Of services other than KV; grpc-go says it as above.
    (11, "Error, decoded message length too large"),
    (3, "hiraeth: the metadata"),
    (8, "grpc: received message larger than max"),
    (12, "unknown "),
    (12, "hiraeth: "),
    (12, "Content is compressed with"),
    (13, "failed to decode Protobuf message"),
    (13, "protocol error: received message with"),
    (13, "Missing request message."),
    (13, "Unexpected EOF decoding stream."),
];

/// Whether the request has to be answered, rather than wait.
pub(crate) fn has_to_answer(call: &Call) -> bool {
    let waits = call.path.starts_with(CONSUL) && call.path.contains("index=");
    call.ends && !waits && !WAIT.iter().any(|path| call.path.starts_with(path))
}

/// `Err` says what is wrong with an answer.
pub(crate) fn judge(call: &Call, answer: &Answer) -> Result<(), String> {
    match &answer.end {
        End::Unsent | End::Quiet => return Ok(()),
        End::Late => return Err("it was not answered".to_owned()),
        End::Reset(reason) if !is_rude(call) => return Err(format!("reset: {reason}")),
        End::Broken(error) if !is_rude(call) => return Err(format!("connection ended: {error}")),
        End::Reset(_) | End::Broken(_) => return Ok(()),
        End::Whole => {}
    }
    let is_grpc = call
        .headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .is_some_and(|(_, value)| value.starts_with(b"application/grpc"));
    match answer.status {
        500 if call.path.starts_with(CONSUL) && call.verb != "HEAD" => {
            let body = String::from_utf8_lossy(&answer.body);
            let is_known = CONSUL_FAILURES.iter().any(|words| body.contains(words));
            if is_known { Ok(()) } else { Err(format!("500: {body:.300}")) }
        }
        500 if call.path.starts_with(CONSUL) => Ok(()),
        _ if is_grpc && call.verb == "POST" => grpc(answer),
        _ => plain(answer),
    }
}

/// Whether HTTP itself is broken, so that a server may end the stream or the connection.
fn is_rude(call: &Call) -> bool {
    let bytes: usize = call.headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    let named = |wanted: &str| call.headers.iter().any(|(name, _)| name == wanted);
    let odd = |(name, value): &(String, Vec<u8>)| name == "te" && value != b"trailers";
    bytes + call.path.len() > 8_000 || named("content-length") || call.headers.iter().any(odd)
}

fn grpc(answer: &Answer) -> Result<(), String> {
    if answer.status != 200 {
        // As grpc-go, for what is no gRPC at all.
        return match answer.status {
            400..=499 => Ok(()),
            status => Err(format!("HTTP status {status}")),
        };
    }
    let Some(code) = answer.text("grpc-status") else {
        return Err("there is no grpc-status".to_owned());
    };
    let Ok(code @ 0..=16) = code.parse::<i32>() else {
        return Err(format!("the grpc-status is {code}"));
    };
    if code == 0 {
        return Ok(());
    }
    let status = tonic::Status::from_header_map(&answer.headers);
    let message = status.as_ref().map(tonic::Status::message).unwrap_or_default();
    known(code, message).then_some(()).ok_or_else(|| format!("status {code}: {message}"))
}

/// Whether a status is out of the table.
fn known(code: i32, message: &str) -> bool {
    let table = Code::ALL.iter().filter(|it| !matches!(it, Code::Internal | Code::Corrupt));
    let mut rows = table.map(|code| api::error::of(*code));
    rows.any(|row| {
        let ours = row.text.starts_with("hiraeth:");
        // 2 as well: Lock and Election hand on what KV told them, without its code.
        (i32::from(row.grpc) == code || code == 2)
            && (message == row.text || ours && message.starts_with(row.text))
    }) || code == 12 && message.is_empty()
        || TRANSPORT.iter().any(|(its, words)| *its == code && message.starts_with(words))
}

fn plain(answer: &Answer) -> Result<(), String> {
    match answer.status {
        200..=499 | 501 | 503 | 504 => Ok(()),
        500 if is_known_as_json(&answer.body) => Ok(()),
        status => {
            let body = String::from_utf8_lossy(&answer.body);
            Err(format!("HTTP status {status}: {}", body.chars().take(300).collect::<String>()))
        }
    }
}

/// Whether the gateway tells a status without a code, as those of Lock and Election are, or the loss of
/// data of which the fuzzer's own alarm speaks.
fn is_known_as_json(body: &[u8]) -> bool {
    let Ok(told) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let words = told["message"].as_str().unwrap_or_default();
    [2, 15].into_iter().any(|code| told["code"] == code && known(code, words))
}
