//! What `node::forward` and `node::handle` do: bring a client's question to where it is answered.

use env::Moment;
use state::request::RangeRequest;
use storage::engine::Engine;
use types::{Code, Index, LeaseId, RegionId};

use super::poller::ToPoller;
use super::shards::home;
use super::{Leadership, Running};
use crate::event::{Answer, Asked, Body, Packet, Reading, Request, Wants};
use crate::mutant::Mutant;
use crate::sky::Sky;

impl Running {
    pub(crate) fn request(&mut self, sky: &mut Sky, request: Request) {
        let Request { client, attempt, region, body } = request;
        let asked = Asked::Client { client, attempt };
        match self.routed(sky, region, body) {
            Some((region, body)) if self.shards.contains_key(&region) => {
                self.carry_out_for(sky, region, body, asked);
            }
            Some((region, body)) => self.send_far(sky, region, body, asked),
            None => self.reply(sky, asked, Err(Code::RegionNotFound)),
        }
    }

    fn ask_later(&mut self, asked: Asked) -> u64 {
        self.last_question += 1;
        self.questions.insert(self.last_question, asked);
        self.last_question
    }

    /// The region has no replica here: one of those that the directory knows is asked.
    fn send_far(&mut self, sky: &mut Sky, region: RegionId, body: Body, asked: Asked) {
        let record = self.directory.regions.get(&region);
        let nodes: Vec<_> =
            record.into_iter().flat_map(|it| &it.peers).map(|(_, at)| *at).collect();
        if nodes.is_empty() {
            return self.reply(sky, asked, Err(Code::RegionNotFound));
        }
        let at = usize::try_from(sky.random.below(nodes.len() as u64)).unwrap_or(0);
        sky.counts.far += 1;
        let (asker, request) = (self.life, self.ask_later(asked));
        sky.send(self.node, nodes[at], Packet::Far { asker, request, region, body });
    }

    /// Brings what is asked to where it is answered, from a node that has the region.
    pub(super) fn carry_out_for(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        body: Body,
        asked: Asked,
    ) {
        let Some(shard) = self.shards.get(&region) else {
            return self.reply(sky, asked, Err(Code::RegionNotFound));
        };
        let leadership = shard.leadership;
        if let Body::Write { tag: (id, sequence), .. } = body {
            let home = home(&shard.machine, region);
            self.awaited.insert((home, id, sequence), asked);
        }
        match body {
            Body::Read(range) => {
                let reading = Reading { asked, wants: Wants::Range(range) };
                self.ask_to_read(sky, region, reading);
            }
            Body::Write { data, .. } if leadership.here => {
                self.tell(sky, ToPoller::Propose { region, data, asked });
            }
            Body::Renew(lease) if leadership.here => self.renew_here(sky, region, lease, asked),
            Body::Say(said) => self.say(sky, region, said, asked),
            Body::LeaseRead(range) if leadership.here => {
                self.read_by_lease(sky, region, range, asked);
            }
            Body::Write { .. } | Body::Renew(_) | Body::LeaseRead(_) => {
                let Some(leader) = leadership.leader else {
                    return self.reply(sky, asked, Err(Code::NoLeader));
                };
                let (asker, request) = (self.life, self.ask_later(asked));
                let packet = match body {
                    Body::Renew(lease) => Packet::Renew { asker, request, region, lease },
                    Body::Write { data, .. } => Packet::Propose { asker, request, region, data },
                    Body::LeaseRead(range) => Packet::Read { asker, request, region, range },
                    Body::Read(_) | Body::Say(_) => return,
                };
                sky.send(self.node, leader, packet);
            }
        }
    }

    /// Answers whoever asked, here or on another node.
    pub(super) fn reply(&mut self, sky: &mut Sky, asked: Asked, result: Result<Answer, Code>) {
        match asked {
            Asked::Client { client, attempt } => sky.answer(client, attempt, result),
            Asked::Node { node, asker, request } => {
                sky.send(self.node, node, Packet::Reply { asker, request, result });
            }
            Asked::Expiry { region, expiry } => {
                if let Err(code) = result {
                    self.expiry_failed(region, expiry, code);
                }
            }
            Asked::Nobody => {}
        }
    }

    /// Whether this node leads the region and nobody else can, by its lease.
    pub(crate) fn holds_lease(&self, sky: &Sky, region: RegionId) -> bool {
        let now = self.clock(sky).0;
        self.shards.get(&region).is_some_and(|shard| {
            let Leadership { here, term, .. } = shard.leadership;
            here && shard.lease.is_valid(now, term, &self.rules)
        })
    }

    pub(super) fn answers_alone(&self, sky: &mut Sky, region: RegionId) {
        let term = self.shards.get(&region).map_or(types::Term(0), |it| it.leadership.term);
        let verdict = sky.oracles.elections.answers_alone(self.node, region, term);
        sky.judge("lease safety", verdict);
    }

    /// Reads as soon as all that is known to be committed is applied, if this node holds the lease;
    /// otherwise a quorum is asked first.
    pub(super) fn read_by_lease(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        range: RangeRequest,
        asked: Asked,
    ) {
        let reading = Reading { asked, wants: Wants::Range(range) };
        let Some(shard) = self.shards.get(&region).filter(|it| it.leadership.here) else {
            self.reply(sky, asked, Err(Code::NotLeader));
            return;
        };
        let committed = Index(shard.committed);
        if self.holds_lease(sky, region) {
            sky.counts.lease_reads += 1;
            self.answers_alone(sky, region);
            self.when_applied(sky, region, committed, reading);
        } else {
            self.tell(sky, ToPoller::Read { region, reading, lease: true });
        }
    }

    /// Renews a lease at once if nobody else can lead and all that is known to be committed is
    /// applied; otherwise a quorum is asked first.
    pub(super) fn renew_here(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        lease: LeaseId,
        asked: Asked,
    ) {
        let now = self.clock(sky);
        let is_alone =
            self.holds_lease(sky, region) || sky.mutant == Some(Mutant::RenewUnconfirmed);
        let Some(shard) = self.shards.get_mut(&region).filter(|it| it.leadership.here) else {
            self.reply(sky, asked, Err(Code::NotLeader));
            return;
        };
        let is_caught_up = shard.machine.applied().index.get() >= shard.committed;
        if is_caught_up
            && is_alone
            && let Some(left) = shard.leases.renew(now, lease)
        {
            self.answers_alone(sky, region);
            self.reply(sky, asked, Ok(Answer::Renewed(left)));
            return;
        }
        let wants = Wants::Renew(lease);
        let reading = Reading { asked, wants };
        self.tell(sky, ToPoller::Read { region, reading, lease: true });
    }

    /// A read may be served: from what is applied.
    pub(super) fn serve(&mut self, sky: &mut Sky, region: RegionId, reading: &Reading) {
        let result = match &reading.wants {
            Wants::Range(range) => self.look_up(region, range),
            Wants::Renew(lease) => {
                let now = self.clock(sky);
                self.renew_confirmed(now, region, *lease)
            }
            Wants::Find(said) => return self.found(sky, region, said, reading.asked),
            Wants::Hear(word) => return self.hear_caught_up(sky, region, word, reading.asked),
            Wants::HearSurely(word) => self.hear_surely(sky, region, word),
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
    ) -> Result<Answer, Code> {
        let shard = self.shards.get_mut(&region).ok_or(Code::RegionNotFound)?;
        if !shard.leadership.here || !shard.leases.leads() {
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
