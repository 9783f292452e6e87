//! How a member is known to be ready.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use prost::Message;
use proto::etcdserverpb::RangeRequest;
use tokio::time::{sleep, timeout};

use super::member::{Member, Standing};
use crate::passing::{Kind, Outgoing};

/// How often a member is looked at; one that was lost is looked at right away.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often one is tried that is not reached.
const TRY: Duration = Duration::from_millis(300);
/// The pause after a connection was lost.
const AGAIN: Duration = Duration::from_millis(50);
/// How long its answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
const UNAVAILABLE: &[u8] = b"14";

/// Looks after a member for as long as it is wanted.
pub(super) async fn watch(member: Weak<Member>) {
    while let Some(member) = member.upgrade() {
        let mut lost = pin!(member.lost());
        // What is lost from here on is not missed.
        let looking = async {
            let (standing, why) = look(&member).await;
            member.stands(standing, &why);
            sleep(if standing == Standing::Gone { TRY } else { INTERVAL }).await;
        };
        tokio::select! {
            () = looking => {}
            // Not at once: it may close what it accepts.
            () = &mut lost => sleep(AGAIN).await,
        }
    }
}

/// Asks it for something that needs nobody else: a read of its own copy that is to fail while it knows no
/// leader. Whatever else is said to that (rights are missing, say), it is ready.
async fn look(member: &Arc<Member>) -> (Standing, String) {
    let seat = match member.seat(Kind::Unary).await {
        Ok(seat) => seat,
        Err(why) => return (Standing::Gone, why),
    };
    let uri = format!("http://{}/etcdserverpb.KV/Range", member.address);
    let request = Request::post(uri)
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .header("hasleader", "true")
        .body(Outgoing::whole(question()));
    let Ok(request) = request else { return (Standing::Gone, "its address is wrong".to_owned()) };
    let asking = async {
        let answer =
            seat.sender().send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        let told = head.headers.get("grpc-status");
        let told = told.or_else(|| body.trailers().and_then(|it| it.get("grpc-status")));
        match told.map(|status| status.as_bytes()) {
            Some(UNAVAILABLE) => Err("it knows no leader".to_owned()),
            Some(_) => Ok(()),
            None => Err(format!("it answers {} to etcd's calls", head.status)),
        }
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(())) => (Standing::Ready, String::new()),
        Ok(Err(why)) => (Standing::Doubtful, why),
        Err(_) => (Standing::Doubtful, "it does not answer".to_owned()),
    }
}

fn question() -> Bytes {
    let range = RangeRequest {
        key: Bytes::from_static(b"health"),
        serializable: true,
        count_only: true,
        ..RangeRequest::default()
    };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(range.encoded_len()).unwrap_or(0));
    // A buffer that grows takes everything.
    let _ = range.encode(&mut framed);
    framed.freeze()
}
