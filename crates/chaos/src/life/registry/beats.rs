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

use super::fleet::{Common, Plan};
use super::journal::Counts;
use super::truth::{BEAT_EVERY, FORGOTTEN_AFTER, Part, Place, TTL};
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
    /// Those whom somebody watches, and all others, by turns.
    guests: [VecDeque<Place>; 2],
    mortals: [VecDeque<Place>; 2],
    turns: usize,
    next_guest: Instant,
    next_death: Instant,
}

#[derive(Clone, Copy)]
struct Write {
    place: Place,
    registers: bool,
    /// Asked for once: its revision is that of the change.
    is_first: bool,
    sent: Instant,
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
        let of = |is: fn(&Plan, Place) -> bool, watched: bool| -> VecDeque<Place> {
            let own = places.iter().copied().filter(|it| is(plan, *it));
            own.filter(|it| (it.service < plan.watched) == watched).collect()
        };
        let now = Instant::now();
        let coming = |place: &Place| {
            (Write { place: *place, registers: true, is_first: true, sent: now }, now)
        };
        Self {
            queue: places.iter().map(coming).collect(),
            guests: [of(Plan::is_guest, true), of(Plan::is_guest, false)],
            mortals: [of(Plan::is_mortal, true), of(Plan::is_mortal, false)],
            turns: at,
            common: Arc::clone(&common),
            at,
            places,
            requests: 0,
            slot: 0,
            batches: BTreeMap::new(),
            again: Vec::new(),
            writes: BTreeMap::new(),
            // Not all at once.
            next_guest: now + plan.guest_every.mul_f64(at as f64 / plan.streams as f64),
            next_death: now + plan.death_every.mul_f64(at as f64 / plan.streams as f64),
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
        if self.common.is_lively() {
            self.come_and_go(now);
        }
        self.write(out, now)
    }

    fn come_and_go(&mut self, now: Instant) {
        let plan = &self.common.plan;
        let turn = self.turns % 2;
        if now >= self.next_guest {
            self.next_guest = now + plan.guest_every;
            self.turns += 1;
            let guests = &mut self.guests[turn];
            let Some(place) = guests.pop_front() else { return };
            guests.push_back(place);
            let registers = match self.common.truth.with(place, |known| known.part) {
                Part::Here { .. } => false,
                Part::Gone { .. } => true,
                _ => return,
            };
            self.queue.push_back((Write { place, registers, is_first: true, sent: now }, now));
        }
        if now >= self.next_death {
            self.next_death = now + plan.death_every;
            let Some(place) = self.mortals[turn].front().copied() else { return };
            let died = self.common.truth.with(place, |known| match known.part {
                Part::Here { since } => {
                    known.part = Part::Silent { since };
                    true
                }
                _ => false,
            });
            if died {
                self.mortals[turn].pop_front();
                Counts::add(&self.common.journal.counts.silent, 1);
            }
        }
    }

    fn write(&mut self, out: &Out, now: Instant) -> anyhow::Result<()> {
        while self.writes.len() < AT_ONCE
            && let Some((mut write, from)) = self.queue.front().copied()
            && from <= now
        {
            self.queue.pop_front();
            write.sent = now;
            let request = self.number();
            let Place { service, .. } = write.place;
            let address = write.place.address(self.common.plan.services);
            let id = write.place.id();
            let ask = match write.registers {
                true => {
                    self.common.truth.coming(write.place);
                    let millis = |time: Duration| u64::try_from(time.as_millis());
                    Ask::Register(pb::Register {
                        request,
                        instance: Some(pb::Instance {
                            service: Place::service_name(service),
                            id,
                            address,
                            port: 1_024 + u32::try_from(write.place.number % 60_000)?,
                            tags: vec!["v1".to_owned(), "primary".to_owned()],
                            meta: [("version".to_owned(), "1.2.3".to_owned())].into(),
                            ttl_ms: millis(TTL)?,
                            deregister_after_ms: millis(FORGOTTEN_AFTER)?,
                            ..pb::Instance::default()
                        }),
                    })
                }
                false => {
                    self.common.truth.with(write.place, |known| known.part = Part::Leaving);
                    Ask::Deregister(pb::Deregister {
                        request,
                        namespace: String::new(),
                        node: address,
                        id,
                    })
                }
            };
            self.writes.insert(request, write);
            say(out, ask)?;
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
                let is_here = matches!(known.part, Part::Here { .. }) && known.handle == *handle;
                is_here.then_some(known.late)
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
