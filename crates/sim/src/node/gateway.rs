//! What `node::forward` and `node::handle` do: bring a client's question to where it is answered.

use core::time::Duration;

use env::Moment;
use state::request::RangeRequest;
use storage::engine::Engine;
use types::{Code, LeaseId, RegionId, Term};

use super::poller::ToPoller;
use super::{Leadership, Running};
use crate::event::{Answer, Asked, Body, Packet, Reading, Request, Wants};
use crate::mutant::Mutant;
use crate::sky::Sky;

/// For how long a leader may go by a quorum's word: two ticks less than the others' patience.
const CONFIRMED_TICKS: u64 = 8;

impl Running {
    pub(crate) fn request(&mut self, sky: &mut Sky, request: Request) {
        let Request { client, attempt, region, body } = request;
        let leadership = match self.shards.get(&region) {
            Some(shard) => shard.leadership,
            None => {
                sky.answer(client, attempt, Err(Code::RegionNotFound));
                return;
            }
        };
        if let Body::Write { tag: (id, sequence), .. } = body {
            self.awaited.insert((region, id, sequence), (client, attempt));
        }
        match body {
            Body::Read(range) => {
                let asked = Asked::Client { client, attempt };
                let reading = Reading { asked, wants: Wants::Range(range) };
                self.ask_to_read(sky, region, reading);
            }
            Body::Write { data, .. } if leadership.here => {
                let asked = Asked::Client { client, attempt };
                self.tell(sky, ToPoller::Propose { region, data, asked });
            }
            Body::Renew(lease) if leadership.here => {
                self.renew_here(sky, region, lease, Asked::Client { client, attempt });
            }
            Body::Write { .. } | Body::Renew(_) => {
                let Some(leader) = leadership.leader else {
                    sky.answer(client, attempt, Err(Code::NoLeader));
                    return;
                };
                self.last_question += 1;
                let number = self.last_question;
                self.questions.insert(number, (client, attempt));
                let packet = match body {
                    Body::Renew(lease) => Packet::Renew { request: number, region, lease },
                    Body::Write { data, .. } => Packet::Propose { request: number, region, data },
                    Body::Read(_) => return,
                };
                sky.send(self.node, leader, packet);
            }
        }
    }

    /// Answers whoever asked, here or on another node.
    pub(super) fn reply(&mut self, sky: &mut Sky, asked: Asked, result: Result<Answer, Code>) {
        match asked {
            Asked::Client { client, attempt } => sky.answer(client, attempt, result),
            Asked::Node { node, request } => {
                sky.send(self.node, node, Packet::Reply { request, result });
            }
            Asked::Expiry { region, expiry } => {
                if let Err(code) = result {
                    self.expiry_failed(region, expiry, code);
                }
            }
            Asked::Nobody => {}
        }
    }

    /// Renews a lease at once if a quorum held this node for the leader a moment ago and all it
    /// knows to be committed is applied; otherwise a quorum is asked first.
    pub(super) fn renew_here(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        lease: LeaseId,
        asked: Asked,
    ) {
        let since = self.clock(sky);
        let within = Duration::from_micros(sky.settings.tick_micros * CONFIRMED_TICKS);
        let Some(shard) = self.shards.get_mut(&region).filter(|it| it.leadership.here) else {
            self.reply(sky, asked, Err(Code::NotLeader));
            return;
        };
        let term = shard.leadership.term;
        let is_caught_up = shard.machine.applied().index.get() >= shard.committed;
        let is_confirmed = shard.confirmed.0 == term && since.since(shard.confirmed.1) < within;
        if is_caught_up
            && (is_confirmed || sky.mutant == Some(Mutant::RenewUnconfirmed))
            && let Some(left) = shard.leases.renew(since, lease)
        {
            self.reply(sky, asked, Ok(Answer::Renewed(left)));
            return;
        }
        let wants = Wants::Renew { lease, term, since };
        self.tell(sky, ToPoller::Read { region, reading: Reading { asked, wants } });
    }

    /// A read may be served: from what is applied.
    pub(super) fn serve(&mut self, sky: &mut Sky, region: RegionId, reading: &Reading) {
        let result = match &reading.wants {
            Wants::Range(range) => self.look_up(region, range),
            Wants::Renew { lease, term, since } => {
                let now = self.clock(sky);
                self.renew_confirmed(now, region, *lease, (*term, *since))
            }
        };
        if result.as_ref().is_err_and(|code| *code == Code::Internal) {
            sky.fail("engine reads", format!("node {} region {region}", self.node));
        }
        self.reply(sky, reading.asked, result);
    }

    fn renew_confirmed(
        &mut self,
        now: Moment,
        region: RegionId,
        lease: LeaseId,
        (term, since): (Term, Moment),
    ) -> Result<Answer, Code> {
        let shard = self.shards.get_mut(&region).ok_or(Code::RegionNotFound)?;
        let Leadership { here, term: now_in, .. } = shard.leadership;
        if here && now_in == term {
            shard.confirmed = shard.confirmed.max((term, since));
        }
        if !here || !shard.leases.leads() {
            return Err(Code::NotLeader);
        }
        Ok(Answer::Renewed(shard.leases.renew(now, lease).unwrap_or(0)))
    }

    fn look_up(&self, region: RegionId, range: &RangeRequest) -> Result<Answer, Code> {
        let shard = self.shards.get(&region).ok_or(Code::RegionNotFound)?;
        let selection = shard.machine.select(range).map_err(|fault| fault.code)?;
        let revision = shard.machine.revision();
        let view = self.engine.snapshot();
        let response = selection.fetch(view.as_ref()).map_err(|_| Code::Internal)?;
        Ok(Answer::Found { revision, response })
    }
}
