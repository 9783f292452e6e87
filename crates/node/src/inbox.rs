//! Frames from other nodes, taken apart and handed on.

use std::sync::Arc;

use bytes::Bytes;
use env::Inbox;
use types::{Code, NodeId, RegionId};

use crate::forward;
use crate::frame::{self, Frames, Item, Question};
use crate::poller::{Asked, ToPoller};
use crate::read;
use crate::shared::Shared;
use crate::space::needs_room;

/// What the transport delivers to.
pub(crate) struct NodeInbox(pub(crate) Arc<Shared>);

impl Inbox for NodeInbox {
    fn deliver(&self, from: NodeId, frame: Bytes) {
        let shared = &self.0;
        let mut replies = Frames::default();
        let mut orders: Vec<Vec<ToPoller>> = Vec::new();
        orders.resize_with(shared.pollers.len(), Vec::new);
        let result = frame::decode(frame, |item| match item {
            Item::Raft(message, bytes) => {
                if shared.take_raft(bytes) {
                    let slot = usize::try_from(message.region.get()).unwrap_or(0) % orders.len();
                    orders[slot].push(ToPoller::Message(from, message, bytes));
                }
            }
            Item::Request { id, region, question: Question::Propose, body } => {
                let asked = Asked::There { node: from, request: id };
                if shared.space.is_read_only() && needs_room(&body) {
                    return replies.reply(from, id, Err(&shared.space.refusal()));
                }
                match shared.admit_bytes(body.len()) {
                    Ok(()) => {
                        let slot = usize::try_from(region.get()).unwrap_or(0) % orders.len();
                        orders[slot].push(ToPoller::Propose { region, data: body, asked });
                    }
                    Err(code) => replies.reply(from, id, Err(&code.into())),
                }
            }
            Item::Request { id, region, question, body } => {
                answer(shared, &mut replies, (from, id), region, question, body);
            }
            Item::Reply { id, result } => shared.answer(from, id, result),
        });
        if let Err(reason) = result {
            tracing::warn!(%from, %reason, "a frame made no sense and was dropped");
        }
        for (poller, orders) in shared.pollers.iter().zip(orders) {
            if !orders.is_empty() {
                poller.extend(orders);
            }
        }
        shared.send(&mut replies);
    }

    fn link(&self, peer: NodeId, up: bool) {
        tracing::info!(%peer, up, "peer link");
        if !up {
            self.0.fail_questions(peer);
            for poller in &self.0.pollers {
                poller.push(ToPoller::LinkDown(peer));
            }
        }
    }
}

/// Answers a question to a leader at once if that is possible, and else when it is.
fn answer(
    shared: &Arc<Shared>,
    replies: &mut Frames,
    (from, id): (NodeId, u64),
    region: RegionId,
    question: Question,
    body: Bytes,
) {
    let Some(shard) = shared.shard(region) else {
        return replies.reply(from, id, Err(&Code::RegionNotFound.into()));
    };
    if question == Question::RenewLease
        && let Some(renewed) = forward::renew_now(shared, &shard, &body)
    {
        return replies.reply(from, id, Ok(&renewed));
    }
    if let Err(code) = shared.admit() {
        return replies.reply(from, id, Err(&code.into()));
    }
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let answer = match question {
            Question::Read => read::answer_read(&shared, &shard, body).await,
            Question::VerifyLeader => read::answer_verify(&shared, &shard).await,
            _ => forward::answer_lease(&shared, &shard, question, &body).await,
        };
        shared.admitted(1);
        let mut replies = Frames::default();
        replies.reply(from, id, answer.as_deref());
        shared.send(&mut replies);
    });
}
