//! Frames from other nodes, taken apart and handed on.

use std::sync::Arc;

use bytes::Bytes;
use consensus::MessageKind;
use env::Inbox;
use spans::{Context, Kind};
use types::{Code, Fault, NodeId, RegionId};

use crate::flight::Event;
use crate::frame::{self, Frames, HELD_BYTES, Item, Question, lane_of, lane_of_sleep};
use crate::poller::ToPoller;
use crate::proposal::{Asked, Proposal, Work};
use crate::read;
use crate::shared::Shared;
use crate::space::must_have_room;
use crate::traffic::{Contents, Lane};
use crate::{forward, front_door, liveness, registry, sharded};

/// What the transport delivers to.
pub(crate) struct NodeInbox(pub(crate) Arc<Shared>);

/// One frame being taken apart.
struct Delivery<'a> {
    shared: &'a Arc<Shared>,
    from: NodeId,
    contents: Contents,
    /// That of the first item is that of the frame.
    lane: Option<Lane>,
    replies: Frames,
    orders: Vec<Vec<ToPoller>>,
    /// What was said of the item that follows.
    trace: Option<Context>,
}

impl Delivery<'_> {
    fn take(&mut self, item: Item) {
        let (shared, from) = (self.shared, self.from);
        self.lane.get_or_insert(item.lane());
        if let Item::Trace(trace) = item {
            self.trace = trace;
            return;
        }
        let trace = self.trace.take();
        self.contents.messages += 1;
        match item {
            Item::Beat(beat) => {
                self.contents.beats += 1;
                liveness::heard(shared, from, &beat);
            }
            Item::Known(auth) => liveness::heard_known(shared, from, auth),
            Item::Sleep(word) => {
                if shared.take_raft(lane_of_sleep(word.kind), HELD_BYTES) {
                    self.order(word.region, ToPoller::Sleep(from, word));
                } else {
                    self.contents.dropped += 1;
                }
            }
            Item::Raft(item) => {
                let kind = item.message.message.kind();
                self.contents.heartbeats += u64::from(is_heartbeat(kind));
                if shared.take_raft(lane_of(kind), item.bytes) {
                    self.order(item.message.region, ToPoller::Message(from, item));
                } else {
                    self.contents.dropped += 1;
                }
            }
            Item::Request { id, region, question: Question::Propose, body } => {
                let asked = Asked::There { node: from, request: id };
                if let Err(fault) = self.propose(region, body, asked, trace) {
                    self.replies.reply(from, id, Err(&fault));
                }
            }
            Item::Command { region, sequence, data } => {
                let asked = Asked::TheirDesk { node: from, region, sequence };
                if let Err(fault) = self.propose(region, data, asked, trace) {
                    self.replies.refused(from, region, sequence, &fault);
                }
            }
            Item::Refused { region, sequence, fault } => {
                if let Some(shard) = shared.shard(region) {
                    shard.refused(sequence, forward::of_another_node(fault));
                }
            }
            Item::Request { id, region, question, body } => {
                answer(shared, &mut self.replies, (from, id), (region, trace), question, body);
            }
            Item::Trace(_) => {}
            Item::Reply { id, result } => shared.answer(from, id, result),
        }
    }

    fn propose(
        &mut self,
        region: RegionId,
        data: Bytes,
        asked: Asked,
        trace: Option<Context>,
    ) -> Result<(), Fault> {
        let shared = self.shared;
        must_have_room(shared, region, &data)?;
        shared.admit_bytes(data.len())?;
        let work = trace.and_then(|trace| {
            let trace = shared.config.tracer.join(trace)?;
            Some(Work::begin(&trace, Kind::Server, &*shared.shard(region)?))
        });
        let proposal = Proposal { asked, work };
        self.order(region, ToPoller::Propose { region, data, proposal });
        Ok(())
    }

    fn order(&mut self, region: RegionId, order: ToPoller) {
        let slot = usize::try_from(region.get()).unwrap_or(0) % self.orders.len();
        self.orders[slot].push(order);
    }
}

impl Inbox for NodeInbox {
    fn deliver(&self, from: NodeId, frame: Bytes) {
        let shared = &self.0;
        let length = frame.len();
        let (contents, replies, trace) = Default::default();
        let orders = shared.pollers.iter().map(|_| Vec::new()).collect();
        let mut delivery = Delivery { shared, from, contents, lane: None, replies, orders, trace };
        let result = frame::decode(frame, |item| delivery.take(item));
        let traffic = &shared.live.traffic;
        let lane = delivery.lane.unwrap_or(Lane::Bulk);
        traffic.received(from, lane, delivery.contents, length);
        if let Err(reason) = result {
            traffic.malformed(from);
            if let Some(unsaid) = shared.say("frame") {
                tracing::warn!(%from, %reason, unsaid, "a frame made no sense and was dropped");
            }
        }
        for (poller, orders) in shared.pollers.iter().zip(delivery.orders) {
            if !orders.is_empty() {
                poller.extend(orders);
            }
        }
        shared.send(&mut delivery.replies);
    }

    fn link(&self, peer: NodeId, up: bool) {
        tracing::debug!(%peer, up, "peer link");
        self.0.flight.note(Event::Link { node: peer.get(), there: up });
        if !up {
            self.0.fail_questions(peer);
            liveness::link_down(&self.0, peer);
            for poller in &self.0.pollers {
                poller.push(ToPoller::LinkDown(peer));
            }
        }
    }
}

fn is_heartbeat(kind: MessageKind) -> bool {
    matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse)
}

/// Answers a question to a leader at once if that is possible, and else when it is.
fn answer(
    shared: &Arc<Shared>,
    replies: &mut Frames,
    (from, id): (NodeId, u64),
    (region, trace): (RegionId, Option<Context>),
    question: Question,
    body: Bytes,
) {
    let lane = question.lane();
    let Some(shard) = shared.shard(region) else {
        return replies.reply_in(lane, from, id, Err(&Code::RegionNotFound.into()));
    };
    let at_once = match question {
        Question::RenewLease => forward::renew_now(shared, &shard, &body),
        Question::Registry => registry::hear_now(shared, &shard, &body),
        _ => None,
    };
    if let Some(renewed) = at_once {
        return replies.reply_in(lane, from, id, Ok(&renewed));
    }
    let renewal = question.is_renewal();
    let admitted = if renewal { shared.admit_renewal() } else { shared.admit() };
    if let Err(code) = admitted {
        return replies.reply_in(lane, from, id, Err(&code.into()));
    }
    let trace = trace.and_then(|trace| shared.config.tracer.join(trace));
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    let work = async move {
        let answer = match question {
            Question::Read => read::answer_read(&shared, &shard, body).await,
            Question::VerifyLeader => read::answer_verify(&shared, &shard).await,
            Question::Registry => registry::answer_words(&shared, &shard, &body).await,
            Question::ProposeFor => sharded::answer_propose(&shared, &shard, body).await,
            Question::Report => sharded::answer_report(&shared, from, body),
            Question::Door => front_door::answer(&shared, body).await,
            Question::ReadFor => sharded::answer_read(&shared, &shard, body).await,
            _ => forward::answer_lease(&shared, &shard, question, &body).await,
        };
        if renewal {
            shared.renewed();
        } else {
            shared.admitted(1);
        }
        let mut replies = Frames::default();
        replies.reply_in(lane, from, id, answer.as_deref());
        shared.send(&mut replies);
    };
    let Some(trace) = trace else {
        runtime.spawn(work);
        return;
    };
    let mut span = trace.begin(question.name(), Kind::Server);
    span.text("rpc.system", "hiraeth.peer");
    span.number("hiraeth.region", region.get());
    runtime.spawn(async move {
        spans::within(span.trace().clone(), work).await;
        drop(span);
    });
}
