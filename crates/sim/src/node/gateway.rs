//! What `node::forward` and `node::handle` do: bring a client's question to where it is answered.

use state::request::RangeRequest;
use storage::engine::Engine;
use types::{Code, LeaseId, RegionId};

use super::Running;
use super::poller::ToPoller;
use crate::event::{Answer, Asked, Body, Packet, Reading, Request};
use crate::sky::Sky;

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
                self.ask_to_read(sky, region, Reading { client, attempt, range });
            }
            Body::Write { data, .. } if leadership.here => {
                let asked = Asked::Client { client, attempt };
                self.tell(sky, ToPoller::Propose { region, data, asked });
            }
            Body::Renew(lease) if leadership.here => {
                let result = self.renew_here(sky, region, lease);
                sky.answer(client, attempt, result);
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

    pub(super) fn renew_here(
        &mut self,
        sky: &Sky,
        region: RegionId,
        lease: LeaseId,
    ) -> Result<Answer, Code> {
        let now = self.clock(sky);
        let shard = self.shards.get_mut(&region).ok_or(Code::RegionNotFound)?;
        if !shard.leadership.here {
            return Err(Code::NotLeader);
        }
        if shard.machine.applied().index.get() < shard.committed {
            // The node waits here; the client of the simulation asks again.
            return Err(Code::TooManyRequests);
        }
        Ok(Answer::Renewed(shard.leases.renew(now, lease).unwrap_or(0)))
    }

    /// Reads from what is applied.
    pub(super) fn serve(&mut self, sky: &mut Sky, region: RegionId, reading: &Reading) {
        let result = self.look_up(region, &reading.range);
        if result.as_ref().is_err_and(|code| *code == Code::Internal) {
            sky.fail("engine reads", format!("node {} region {region}", self.node));
        }
        sky.answer(reading.client, reading.attempt, result);
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
