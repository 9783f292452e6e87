use node::{Handle, News, Orders, PendingRead, Stuck, Submission, Unsent};
use state::command::Command;
use types::{Fault, KeyspaceId};

use super::call::{Kind, Read};
use crate::connection::send::{Respond, send, send_later};
use crate::connection::wire::Wire;
use crate::error;
use crate::waiting::Table;

/// What waits for the node.
pub(super) enum Pending {
    Write(Write),
    Reads { reads: Vec<(Read, Respond)>, pending: PendingRead, looked: bool },
}

/// A write under way.
pub(super) struct Write {
    kind: Kind,
    submission: Submission,
    respond: Respond,
    looked: bool,
}

/// A write was handed over, or was not.
pub(super) fn submitted(
    wire: &mut Wire,
    handle: &Handle,
    (kind, keyspace, respond): (Kind, KeyspaceId, Respond),
    submitted: Result<Submission, Unsent<Command>>,
    table: &mut Table<Pending>,
    ticket: u64,
) {
    match submitted {
        Ok(submission) => {
            let write = Write { kind, submission, respond, looked: false };
            table.put(ticket, Pending::Write(write));
        }
        Err(Unsent::Refused(fault)) => {
            table.give_back(ticket);
            send(wire, respond, Err(error::status(&fault)));
        }
        Err(Unsent::NotNow(command)) => {
            table.give_back(ticket);
            let handle = handle.clone();
            send_later(wire, respond, async move {
                kind.reply(handle.propose(keyspace, command).await)
            });
        }
    }
}

/// Something became of what waits under `ticket`.
pub(super) fn news(
    wire: &mut Wire,
    handle: &Handle,
    table: &mut Table<Pending>,
    ticket: u64,
    news: News,
) {
    // Old tickets are of requests that tasks see through by now.
    let Some(pending) = table.lift(ticket) else { return };
    match (pending, news) {
        (Pending::Write(write), News::Done(done)) => {
            table.give_back(ticket);
            send(wire, write.respond, write.kind.reply(write.submission.answer(handle, done)));
        }
        (Pending::Reads { reads, pending, .. }, News::Ready) => {
            table.give_back(ticket);
            handle.ready_to_read(&pending);
            for (read, respond) in reads {
                read.answer(wire, handle, respond);
            }
        }
        (pending, News::Stuck(fault)) => stuck(wire, handle, table, ticket, pending, Some(&fault)),
        // News of the other kind: a bug of ours, which the next look mends.
        (pending, _) => table.put(ticket, pending),
    }
}

fn stuck(
    wire: &mut Wire,
    handle: &Handle,
    table: &mut Table<Pending>,
    ticket: u64,
    pending: Pending,
    reason: Option<&Fault>,
) {
    match pending {
        Pending::Reads { reads, .. } => {
            table.give_back(ticket);
            for (read, respond) in reads {
                read.spawn(wire, handle, respond);
            }
        }
        Pending::Write(Write { kind, submission, respond, looked }) => {
            match submission.stuck(reason) {
                Stuck::OnDesk(submission) => {
                    let write = Write { kind, submission, respond, looked };
                    table.put(ticket, Pending::Write(write));
                }
                Stuck::Refused(fault) => {
                    table.give_back(ticket);
                    send(wire, respond, Err(error::status(&fault)));
                }
                Stuck::Pursue(pursuit) => {
                    table.give_back(ticket);
                    let handle = handle.clone();
                    send_later(
                        wire,
                        respond,
                        async move { kind.reply(handle.pursue(pursuit).await) },
                    );
                }
            }
        }
    }
}

/// Reads that will wait for one and the same.
#[derive(Default)]
pub(super) struct Reads(Vec<(Read, Respond)>);

impl Reads {
    pub(super) fn push(&mut self, read: Read, respond: Respond) {
        self.0.push((read, respond));
    }

    /// Asks for what they wait for: once for those of a keyspace.
    pub(super) fn submit(
        &mut self,
        wire: &mut Wire,
        handle: &Handle,
        orders: &mut Orders,
        table: &mut Table<Pending>,
    ) {
        while let Some((first, _)) = self.0.first() {
            let keyspace = first.keyspace;
            let reads = match self.0.iter().all(|(read, _)| read.keyspace == keyspace) {
                true => std::mem::take(&mut self.0),
                false => self.0.extract_if(.., |(read, _)| read.keyspace == keyspace).collect(),
            };
            let ticket = table.reserve();
            match handle.submit_read(keyspace, orders, ticket) {
                Ok(pending) => {
                    table.put(ticket, Pending::Reads { reads, pending, looked: false });
                }
                Err(unsent) => {
                    table.give_back(ticket);
                    for (read, respond) in reads {
                        match &unsent {
                            Unsent::Refused(fault) => {
                                send(wire, respond, Err(error::status(fault)))
                            }
                            Unsent::NotNow(()) => read.spawn(wire, handle, respond),
                        }
                    }
                }
            }
        }
    }
}

/// Looks for what does not get on.
pub(super) fn look_at_all(wire: &mut Wire, handle: &Handle, table: &mut Table<Pending>) {
    for ticket in table.tickets() {
        look(wire, handle, table, ticket);
    }
}

fn look(wire: &mut Wire, handle: &Handle, table: &mut Table<Pending>, ticket: u64) {
    let is_late = match table.get(ticket) {
        None => return,
        Some(Pending::Reads { looked, .. }) => std::mem::replace(looked, true),
        Some(Pending::Write(write)) => {
            std::mem::replace(&mut write.looked, true) || write.submission.is_astray()
        }
    };
    if is_late && let Some(pending) = table.lift(ticket) {
        stuck(wire, handle, table, ticket, pending, None);
    }
}
