//! Another client, which must not notice: it writes and reads, and knows what it has to read.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;

use crate::input::{Call, Piece};
use crate::send::{Answer, Connection, End};

/// Beyond this, others suffer.
const SLOW: Duration = Duration::from_secs(10);
const NO_SPACE: &str = "etcdserver: mvcc: database space exceeded";

/// A well-behaved client.
pub(crate) struct Probe {
    connection: Connection,
    key: String,
    token: Option<String>,
    count: u64,
}

/// Alarms in a row that are taken back.
const ALARMS: usize = 20;

impl Probe {
    pub(crate) fn new(address: &str, key: String, token: Option<String>) -> Self {
        Self { connection: Connection::new(address), key, token, count: 0 }
    }

    /// Writes and reads once.
    pub(crate) async fn check(&mut self) -> anyhow::Result<()> {
        self.count += 1;
        let value = self.count.to_string();
        let put = pb::PutRequest {
            key: self.key.clone().into(),
            value: value.clone().into(),
            ..Default::default()
        };
        let range = pb::RangeRequest { key: self.key.clone().into(), ..Default::default() };
        let operation = |request| pb::RequestOp { request: Some(request) };
        // In one transaction: whatever others do to the key is done before or after.
        let success =
            vec![operation(Request::RequestPut(put)), operation(Request::RequestRange(range))];
        let txn = pb::TxnRequest { success, ..Default::default() };
        let began = Instant::now();
        let mut tries = 0;
        let answer: pb::TxnResponse = loop {
            match self.ask("/etcdserverpb.KV/Txn", &txn).await {
                // The others may raise the next one at once.
                Err(error) if tries < ALARMS && is_alarm(&format!("{error:#}")) => {
                    tries += 1;
                    self.disarm().await?;
                }
                answered => break answered?,
            }
        };
        let took = began.elapsed();
        ensure!(took < SLOW, "another client waited {took:?}");
        match answer.responses.get(1).and_then(|it| it.response.as_ref()) {
            Some(Response::ResponseRange(range)) if range.kvs.len() == 1 => {
                ensure!(range.kvs[0].value == value, "another value than was written");
                Ok(())
            }
            other => bail!("what was written is not there: {other:?}"),
        }
    }

    /// An alarm is a client's to raise, and to take back.
    async fn disarm(&mut self) -> anyhow::Result<()> {
        const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";
        let all: pb::AlarmResponse = self.ask(ALARM, &pb::AlarmRequest::default()).await?;
        for raised in all.alarms {
            let action = pb::alarm_request::AlarmAction::Deactivate.into();
            let (member_id, alarm) = (raised.member_id, raised.alarm);
            let off = pb::AlarmRequest { action, member_id, alarm };
            self.ask::<pb::AlarmResponse>(ALARM, &off).await?;
        }
        Ok(())
    }

    /// One unary request.
    pub(crate) async fn ask<A: Message + Default>(
        &mut self,
        path: &str,
        message: &impl Message,
    ) -> anyhow::Result<A> {
        let answer =
            self.connection.call(&unary(path, message, self.token.as_deref()), true).await?;
        read(&answer).with_context(|| path.to_owned())
    }
}

/// Whether it is what an alarm refuses. Damage that is real stays when the alarm is taken back.
fn is_alarm(words: &str) -> bool {
    words.contains(NO_SPACE) || words.contains("etcdserver: corrupt cluster")
}

fn unary(path: &str, message: &impl Message, token: Option<&str>) -> Call {
    let mut headers = vec![
        ("content-type".to_owned(), b"application/grpc".to_vec()),
        ("te".to_owned(), b"trailers".to_vec()),
    ];
    headers.extend(token.map(|token| ("token".to_owned(), token.as_bytes().to_vec())));
    let body = message.encode_to_vec();
    let mut data = vec![0];
    data.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    data.extend(body);
    Call {
        verb: "POST".to_owned(),
        path: path.to_owned(),
        headers,
        data: vec![Piece::once(data)],
        ends: true,
    }
}

fn read<A: Message + Default>(answer: &Answer) -> anyhow::Result<A> {
    ensure!(answer.end == End::Whole, "it ended by {:?}", answer.end);
    let status = answer.text("grpc-status").unwrap_or_default();
    let told = answer.text("grpc-message").unwrap_or_default().replace("%20", " ");
    ensure!(status == "0", "status {status}: {told}");
    let message = answer.body.get(5..).context("there is no message")?;
    Ok(A::decode(message)?)
}
