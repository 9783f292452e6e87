//! What `node::poller` does: takes everything that waits, asks the host, carries out the answer.

use std::collections::BTreeMap;

use consensus::{ConfChange, Message, SnapshotMeta};
use region::{Output, RegionMessage, Step};
use state::directory::Part;
use types::{Code, ConfState, Index, NodeId, PeerId, RegionId, Term};

use super::Running;
use super::applier::ToApplier;
use super::writer::ToWriter;
use crate::event::{Answer, Asked, Event, Packet, Reading};
use crate::mutant::Mutant;
use crate::registry::{Told, Word};
use crate::sky::Sky;

/// What a poller is told.
pub(crate) enum ToPoller {
    Create(Box<region::PeerStart>, bool),
    Message(NodeId, RegionMessage),
    Propose {
        region: RegionId,
        data: bytes::Bytes,
        asked: Asked,
    },
    Read {
        region: RegionId,
        reading: Reading,
        lease: bool,
    },
    Persisted(Vec<(RegionId, u64)>),
    Applied(Vec<(RegionId, Index)>),
    SnapshotReady(RegionId, SnapshotMeta),
    SnapshotSent {
        region: RegionId,
        to: PeerId,
        ok: bool,
    },
    Compact {
        region: RegionId,
        to: Index,
        term: Term,
    },
    Transfer {
        region: RegionId,
        to: NodeId,
    },
    Reshaped(RegionId, u64),
    /// A step from the replicas the region has towards those it is to have.
    Reconcile {
        region: RegionId,
        from: ConfState,
        wanted: BTreeMap<NodeId, Part>,
        generation: u32,
    },
    /// The region leaves this node.
    Remove(RegionId),
    Sleep(NodeId, region::Sleep),
    NodeLost(NodeId),
    NodeBack(NodeId),
}

impl Running {
    pub(crate) fn tell(&mut self, sky: &mut Sky, item: ToPoller) {
        self.mailbox.push(item);
        if !self.poll_due {
            self.poll_due = true;
            let delay = sky.between(1, 120);
            sky.after(delay, Event::Poll { node: self.at, life: self.life });
        }
    }

    /// Time goes on for the replicas of this node.
    pub(crate) fn tick(&mut self, sky: &mut Sky) {
        let again = self.real(sky.settings.tick_micros);
        sky.after(again, Event::Tick { node: self.at, life: self.life });
        self.take_mail(sky);
        self.host.tick();
        self.beat(sky);
        self.carry_out(sky);
        self.count_sleepers(sky);
    }

    pub(crate) fn poll(&mut self, sky: &mut Sky) {
        self.poll_due = false;
        self.take_mail(sky);
        self.carry_out(sky);
    }

    fn take_mail(&mut self, sky: &mut Sky) {
        self.host.now(self.clock(sky).0);
        self.host.now(self.clock(sky).0);
        for item in std::mem::take(&mut self.mailbox) {
            self.handle(sky, item);
        }
    }

    fn handle(&mut self, sky: &mut Sky, item: ToPoller) {
        let host = &mut self.host;
        match item {
            ToPoller::Create(start, campaign) => {
                let region = start.region;
                match host.create(*start) {
                    Err(error) => sky.fail("start", format!("region {region}: {error}")),
                    Ok(()) if campaign => host.campaign(region),
                    Ok(()) => {}
                }
            }
            ToPoller::Message(from, message) => {
                if let Err(error) = host.step(from, message) {
                    sky.note(self.node, "refused", [from.get(), 0, 0, 0]);
                    if let consensus::Error::LostLog { .. } = error {
                        sky.fail("durable log", format!("node {}: {error}", self.node));
                    }
                }
            }
            ToPoller::Propose { region, data, asked } => host.propose(region, data, asked),
            ToPoller::Read { region, reading, lease } => host.read(region, reading, lease),
            ToPoller::Persisted(done) => {
                for (region, number) in done {
                    host.persisted(region, number);
                }
            }
            ToPoller::Applied(done) => {
                for (region, index) in done {
                    host.applied(region, index);
                }
            }
            ToPoller::SnapshotReady(region, meta) => host.provide_snapshot(region, meta),
            ToPoller::SnapshotSent { region, to, ok } => host.snapshot_sent(region, to, ok),
            ToPoller::Compact { region, to, term } => host.compact(region, to, term),
            // By mutants that carry out everything, no leader is to refuse it before.
            ToPoller::Reshaped(..) if sky.mutant == Some(Mutant::RoutesUnchecked) => {}
            ToPoller::Reshaped(region, version) => host.reshaped(region, version),
            ToPoller::Reconcile { region, from, wanted, generation } => {
                match host.reconcile(region, &from, &wanted, generation) {
                    None => {}
                    Some(Step::Change(change)) => {
                        sky.counts.conf_changes += 1;
                        let is_joint = matches!(change, ConfChange::Joint(_));
                        sky.counts.joint_changes += u64::from(is_joint);
                        let verdict = sky.oracles.moves.step(sky.now, self.node, &from, &change);
                        sky.judge(
                            "placement",
                            verdict.map_err(|what| format!("region {region}: {what}")),
                        );
                    }
                    Some(Step::Transfer(_)) => sky.counts.transfers += 1,
                }
            }
            ToPoller::Remove(region) => {
                host.remove(region);
                self.push_apply(sky, ToApplier::Farewell(region));
            }
            ToPoller::Sleep(from, word) => host.sleep(from, word),
            ToPoller::NodeLost(node) => host.node_lost(node),
            ToPoller::NodeBack(node) => host.node_back(node),
            ToPoller::Transfer { region, to } => {
                if host.transfer(region, to).is_ok() {
                    sky.counts.transfers += 1;
                }
            }
        }
    }

    fn carry_out(&mut self, sky: &mut Sky) {
        let mut output = self.host.poll();
        for (region, term, why) in output.forfeited.drain(..) {
            sky.counts.sleeps += u64::from(matches!(why, region::Forfeit::RoundsUpTo(_)));
            if let Some(shard) = self.shards.get_mut(&region) {
                shard.lease.forfeit(term, why);
            }
        }
        for role in &output.roles {
            self.role_changed(sky, role);
        }
        for (region, index) in output.commits.drain(..) {
            if let Some(shard) = self.shards.get_mut(&region) {
                shard.committed = shard.committed.max(index.get());
            }
        }
        for (to, message) in output.messages.drain(..) {
            if message.message.is_snapshot() {
                self.send_snapshot(sky, to, message);
            } else {
                self.send(sky, to, &message);
            }
        }
        for (to, word) in output.sleep.drain(..) {
            sky.counts.sleep_words += 1;
            sky.send(self.node, to, Packet::Sleep(word));
        }
        self.to_write.extend(output.writes.drain(..).map(ToWriter::Write));
        for install in output.installs.drain(..) {
            self.to_write.push_back(ToWriter::ThenApply(ToApplier::Install(install)));
        }
        self.start_writing(sky);
        for committed in output.committed.drain(..) {
            self.push_apply(sky, ToApplier::Committed(committed));
        }
        for region in output.snapshots_wanted.drain(..) {
            self.push_apply(sky, ToApplier::Export(region));
        }
        for (region, term, began) in output.confirmed.drain(..) {
            if let Some(shard) = self.shards.get_mut(&region) {
                shard.lease.confirmed(term, began);
            }
        }
        for (region, index, reading) in output.reads.drain(..) {
            self.when_applied(sky, region, index, reading);
        }
        for (region, reason) in &output.quarantined {
            if self.fault_disk.lies() {
                // It does not serve the region; whoever runs the cluster starts it again and looks.
                sky.counts.damaged_reads += 1;
                self.fail(format!("region {region}: {reason}"));
                continue;
            }
            let what = format!("node {} region {region}: {reason}", self.node);
            sky.fail("no replica breaks", what);
        }
        self.tell_failures(sky, output);
    }

    fn count_sleepers(&mut self, sky: &mut Sky) {
        let awake = self.host.awake();
        sky.counts.wakes += awake.saturating_sub(self.awake) as u64;
        sky.counts.asleep_ticks += self.shards.len().saturating_sub(awake) as u64;
        self.awake = awake;
    }

    fn tell_failures(&mut self, sky: &mut Sky, mut output: Output<Asked, Reading>) {
        for (asked, code) in output.failed_proposals.drain(..) {
            self.reply(sky, asked, Err(code));
        }
        for (reading, code) in output.failed_reads.drain(..) {
            self.reply(sky, reading.asked, Err(code));
        }
    }

    /// Sends a Raft message; what it promises is noted by the oracles.
    pub(super) fn send(&mut self, sky: &mut Sky, to: NodeId, message: &RegionMessage) {
        let verdict = sky.oracles.votes.message(message);
        sky.judge("one vote per term", verdict);
        sky.oracles.recovery.message(message);
        let bytes: bytes::Bytes = message.message.encode().into();
        let region = message.region;
        let numbers = [
            to.get(),
            region.get() << 8 | message.message.kind() as u64,
            message.message.term().get(),
            crate::trace::hash(&bytes),
        ];
        sky.note(self.node, "sends", numbers);
        sky.send(self.node, to, Packet::Raft { region, bytes });
    }

    fn role_changed(&mut self, sky: &mut Sky, role: &region::RoleChange) {
        let leader = role.leader.map_or(0, NodeId::get);
        let numbers = [role.region.get(), role.role as u64, leader, role.term.get()];
        sky.note(self.node, "is now", numbers);
        let verdict = sky.oracles.elections.role(self.node, role);
        sky.judge("election safety", verdict);
        if self.set_leadership(sky, role) {
            sky.led_since = sky.now;
            sky.counts.elections += 1;
            sky.elected.push((role.region, role.term));
            self.push_apply(sky, ToApplier::Lead(role.region, role.term));
        }
    }

    /// A packet arrives.
    pub(crate) fn deliver(&mut self, sky: &mut Sky, from: NodeId, packet: Packet) {
        match packet {
            Packet::Raft { region, bytes } => match Message::decode_shared(bytes) {
                Ok(message) if message.is_snapshot() => {
                    sky.fail("wire format", "a snapshot is announced without its records");
                }
                Ok(message) => {
                    let message = RegionMessage { region, message };
                    self.tell(sky, ToPoller::Message(from, message));
                }
                Err(error) => sky.fail("wire format", format!("{error}")),
            },
            Packet::Propose { asker, request, region, data } => {
                let asked = Asked::Node { node: from, asker, request };
                self.tell(sky, ToPoller::Propose { region, data, asked });
            }
            Packet::Far { asker, request, region, body } => {
                let asked = Asked::Node { node: from, asker, request };
                self.carry_out_for(sky, region, body, asked);
            }
            Packet::Beat { incarnation } => self.heard(sky, from, incarnation),
            Packet::Sleep(word) => self.tell(sky, ToPoller::Sleep(from, word)),
            Packet::Read { asker, request, region, range } => {
                let asked = Asked::Node { node: from, asker, request };
                self.read_by_lease(sky, region, range, asked);
            }
            Packet::Renew { asker, request, region, lease } => {
                self.renew_here(sky, region, lease, Asked::Node { node: from, asker, request });
            }
            Packet::Word { asker, request, region, word } => {
                let asked = Asked::Node { node: from, asker, request };
                if sky.mutant == Some(Mutant::ForgetBeats) && matches!(word, Word::Beat(..)) {
                    self.reply(sky, asked, Ok(Answer::Told(Told::Yes, 0)));
                    return;
                }
                self.hear_word(sky, region, word, asked);
            }
            Packet::Reply { asker, request, result } => {
                if let Some(asked) = self.questions.remove(&request) {
                    if asker != self.life {
                        let what = "the answer to a question of an earlier life was taken";
                        sky.fail("answers", format!("node {}: {what}", self.node));
                    }
                    self.reply(sky, asked, result);
                }
            }
        }
    }

    /// A client wants to read; linearizable unless the mutant forgets to ask.
    pub(super) fn ask_to_read(&mut self, sky: &mut Sky, region: RegionId, reading: Reading) {
        if sky.mutant == Some(Mutant::ReadWithoutIndex) {
            self.serve(sky, region, &reading);
        } else if self.shards.contains_key(&region) {
            self.tell(sky, ToPoller::Read { region, reading, lease: false });
        } else {
            self.reply(sky, reading.asked, Err(Code::RegionNotFound));
        }
    }
}
