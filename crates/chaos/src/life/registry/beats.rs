//! One stream that keeps its share of the instances alive: it registers them, beats for them in batches,
//! takes some back and registers them again, and forgets others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Endpoint;

use super::fleet::Common;
use super::journal::Counts;
use super::truth::{BEAT_EVERY, Part, Place};
use super::turns::Turns;
use super::write::Write;
use crate::ledger::{Kind, Outcome};

/// Beats of all instances are spread over so many moments.
const SLOTS: usize = 60;
/// A batch of beats that is not answered within this is sent to another server, a registration within that.
const BEATS: Duration = Duration::from_secs(4);
const WRITES: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// Registrations of one stream that are under way at once.
const AT_ONCE: usize = 48;
/// What was refused is asked for again after this.
const AGAIN: Duration = Duration::from_millis(300);
/// A stream that is elsewhere goes back to its own server after this.
const ELSEWHERE: Duration = Duration::from_secs(20);
/// What gRPC calls a thing that is not there.
const NOT_FOUND: i32 = 5;

/// One of the streams.
pub(super) struct Beats {
    common: Arc<Common>,
    at: usize,
    places: Vec<Place>,
    requests: u64,
    slot: usize,
    /// Batches under way, and those that have to be sent again.
    batches: BTreeMap<u64, (Vec<Place>, Instant)>,
    again: Vec<Place>,
    writes: BTreeMap<u64, Write>,
    /// To be asked for, from a moment on.
    queue: VecDeque<(Write, Instant)>,
    turns: Turns,
}

type Out = mpsc::UnboundedSender<pb::OpenRequest>;

impl Beats {
    pub(super) fn new(common: Arc<Common>, at: usize) -> Self {
        let plan = &common.plan;
        let mut places = Vec::new();
        for number in 0..plan.each {
            for service in 0..plan.services {
                if (number + service) % plan.streams == at {
                    places.push(Place { service, number });
                }
            }
        }
        let now = Instant::now();
        let coming = |place: &Place| {
            (Write { place: *place, registers: true, is_first: true, sent: now }, now)
        };
        Self {
            queue: places.iter().map(coming).collect(),
            turns: Turns::new(plan, &places, at),
            common: Arc::clone(&common),
            at,
            places,
            requests: 0,
            slot: 0,
            batches: BTreeMap::new(),
            again: Vec::new(),
            writes: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut server = self.at;
        while !self.common.is_stopped() {
            server = self.common.near(server);
            let served = self.serve(server).await;
            for (_, (places, _)) in std::mem::take(&mut self.batches) {
                self.again.extend(places);
            }
            let now = Instant::now();
            for (_, write) in std::mem::take(&mut self.writes) {
                self.queue.push_front((Write { is_first: false, ..write }, now));
            }
            match served {
                Ok(()) => server = self.at,
                Err(error) => {
                    self.common.error("beats", &error);
                    server += 1;
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Serves over one stream; `Ok` where its own server is to be asked again.
    async fn serve(&mut self, server: usize) -> anyhow::Result<()> {
        let address = format!("http://{}", self.common.clients[server]);
        let endpoint = Endpoint::from_shared(address)?.connect_timeout(CONNECT);
        let (out, orders) = mpsc::unbounded_channel();
        let opening = async {
            let mut client = RegistryClient::new(endpoint.tcp_nodelay(true).connect().await?);
            anyhow::Ok(client.open(UnboundedReceiverStream::new(orders)).await?.into_inner())
        };
        let mut replies = timeout(BEATS, opening).await.context("no stream in time")??;
        let began = Instant::now();
        let mut ticks = interval(BEAT_EVERY / SLOTS as u32);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.common.is_stopped() {
            tokio::select! {
                _ = ticks.tick() => self.tick(&out)?,
                reply = replies.message() => match reply? {
                    Some(reply) => self.hear(reply, &out)?,
                    None => bail!("the server ended the stream"),
                }
            }
            let is_home = server == self.common.home(self.at);
            if !is_home && began.elapsed() > ELSEWHERE && self.writes.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn number(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn tick(&mut self, out: &Out) -> anyhow::Result<()> {
        let now = Instant::now();
        if self.batches.values().any(|(_, sent)| now.duration_since(*sent) > BEATS) {
            bail!("beats are not answered");
        }
        if self.writes.values().any(|write| now.duration_since(write.sent) > WRITES) {
            bail!("a registration is not answered");
        }
        let mut due: Vec<Place> = std::mem::take(&mut self.again);
        due.extend(self.places.iter().skip(self.slot).step_by(SLOTS));
        self.slot = (self.slot + 1) % SLOTS;
        let (instances, places) = self.common.truth.beaten(&due, now);
        if !instances.is_empty() {
            let request = self.number();
            self.batches.insert(request, (places, now));
            say(out, Ask::Beats(pb::Beats { instances, request }))?;
        }
        if self.common.is_lively()
            && let Some((place, registers)) = self.turns.next(&self.common, now)
        {
            self.queue.push_back((Write { place, registers, is_first: true, sent: now }, now));
        }
        self.write(out, now)
    }

    fn write(&mut self, out: &Out, now: Instant) -> anyhow::Result<()> {
        while self.writes.len() < AT_ONCE
            && let Some((mut write, from)) = self.queue.front().copied()
            && from <= now
        {
            self.queue.pop_front();
            write.sent = now;
            let request = self.number();
            match write.registers {
                true => self.common.truth.coming(write.place),
                false => {
                    self.common.truth.with(write.place, |known| known.part = Part::Leaving);
                }
            }
            self.writes.insert(request, write);
            say(out, write.ask(request, self.common.plan.services))?;
        }
        Ok(())
    }

    fn hear(&mut self, reply: pb::OpenResponse, out: &Out) -> anyhow::Result<()> {
        let now = Instant::now();
        match reply.tell {
            Some(Tell::Answer(answer)) => self.answered(&answer, now),
            Some(Tell::Unknown(beats)) => self.unknown(&beats, now),
            Some(Tell::Update(_)) | None => {}
        }
        self.write(out, now)
    }

    fn answered(&mut self, answer: &pb::Answer, now: Instant) {
        let common = &self.common;
        if let Some((places, sent)) = self.batches.remove(&answer.request) {
            if answer.code == 0 {
                Counts::add(&common.journal.counts.beats, places.len());
                return common.truth.heard(&places, sent, now);
            }
            Counts::add(&common.journal.counts.refused_beats, places.len());
            common.error("beats", &answer.message);
            return self.again.extend(places);
        }
        let Some(write) = self.writes.remove(&answer.request) else { return };
        let Write { place, registers, is_first, sent } = write;
        let kind = if registers { Kind::Register } else { Kind::Deregister };
        // What was asked for twice may have been done at first.
        let is_gone = !registers && !is_first && answer.code == NOT_FOUND;
        if answer.code != 0 && !is_gone {
            common.ledger.count(kind, Outcome::Unknown);
            common.error("writes", &answer.message);
            self.queue.push_back((Write { is_first: false, ..write }, now + AGAIN));
            return;
        }
        common.ledger.count(kind, Outcome::Acknowledged);
        match registers {
            true => {
                Counts::add(&common.journal.counts.came, 1);
                common.truth.here(place, answer.instance, answer.revision, sent);
            }
            false => {
                Counts::add(&common.journal.counts.went, 1);
                let at = if is_gone { i64::MAX } else { answer.revision };
                common.truth.with(place, |known| known.part = Part::Gone { at });
            }
        }
        if is_first && common.is_lively() {
            common.journal.changed(place.service, answer.revision);
        }
    }

    /// Beats of nobody: right where it was taken back meanwhile, or where it was lost because it was late.
    fn unknown(&mut self, beats: &pb::Beats, now: Instant) {
        let known: BTreeMap<u64, Place> = match self.batches.get(&beats.request) {
            Some((places, _)) => {
                let handle = |place: &Place| self.common.truth.with(*place, |known| known.handle);
                places.iter().map(|place| (handle(place), *place)).collect()
            }
            None => return,
        };
        for handle in &beats.instances {
            let Some(place) = known.get(handle).copied() else { continue };
            let lost = self.common.truth.with(place, |known| {
                known.look(now);
                if !matches!(known.part, Part::Here { .. }) || known.handle != *handle {
                    return None;
                }
                known.part = Part::Coming;
                Some(known.late)
            });
            let Some(late) = lost else { continue };
            if late.is_none() {
                self.common.journal.wrong(&format!("a beat for {} found nobody", place.id()));
            }
            let write = Write { place, registers: true, is_first: false, sent: now };
            self.queue.push_back((write, now));
        }
    }
}

fn say(out: &Out, ask: Ask) -> anyhow::Result<()> {
    out.send(pb::OpenRequest { ask: Some(ask) }).context("the stream is over")
}
