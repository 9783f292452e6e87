use std::sync::Arc;
use std::task::{Context, Poll};

use node::{
    Answer, Desk, Handle, News, Orders, Pursuit, Rest, Routed, Stuck, Submission, Unsent, Verdict,
};
use proto::hiraeth::v1 as pb;
use state::command::Command;
use state::registry::{RegistryAnswer, RegistryCommand};
use state::response::Response;
use tonic::Status;
use types::Fault;

use super::operations::Client;
use crate::error;
use crate::waiting::{Sweep, Table};

/// What the stream's own task sees through of a client's registrations and farewells, without a task or
/// a timer for each: they are handed to the node together, and their answers come together.
pub(super) struct Writes {
    desk: Arc<Desk>,
    orders: Orders,
    under_way: Table<Write>,
    news: Vec<(u64, News)>,
    sweep: Sweep,
}

struct Write {
    /// The client's number for it.
    request: u64,
    submission: Submission,
    /// Where it went to one part of a sharded registry.
    rest: Option<Box<Rest>>,
    /// It was there at the last look, too.
    looked: bool,
}

/// What became of a write that was asked for.
pub(super) enum Begun {
    /// Its answer comes by [`Writes::poll`].
    Waits,
    Answered(Result<pb::Answer, Status>),
    /// It has to wait for something: to be carried out by itself.
    ByItself(RegistryCommand),
}

/// What came of a write that waited: the client's number for it, and more.
pub(super) enum Came {
    Answer(u64, Result<pb::Answer, Status>),
    /// It did not go the ordinary way: somebody has to bring it to its end.
    Pursue(u64, Box<Pursuit>, Option<Box<Rest>>),
    /// The shard it went to lacks its node: it has to be carried out by itself.
    ByItself(u64, RegistryCommand),
}

/// What a client is told of a command that was carried out.
pub(super) fn told(answer: Result<Answer<Response>, Fault>) -> Result<pb::Answer, Status> {
    let answer = answer.map_err(|fault| error::status(&fault))?;
    let instance = match answer.body {
        Response::Registry(RegistryAnswer::Registered { timer, .. }) => timer.map(|it| it.0),
        _ => None,
    };
    let revision = answer.header.revision.get();
    Ok(pb::Answer { instance: instance.unwrap_or(0), revision, ..pb::Answer::default() })
}

/// What came of a write that its leader answered.
pub(super) fn came(
    request: u64,
    answer: Result<Answer<Response>, Fault>,
    rest: Option<Box<Rest>>,
) -> Came {
    let answer = match rest {
        None => answer,
        Some(rest) => match rest.finish(answer) {
            Ok(answer) => answer,
            Err(whole) => return Came::ByItself(request, whole),
        },
    };
    Came::Answer(request, told(answer))
}

impl Writes {
    pub(super) fn new() -> Self {
        let desk = Desk::new();
        Self {
            orders: Orders::new(Arc::clone(&desk)),
            desk,
            under_way: Table::default(),
            news: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Takes a command; nothing happens before [`Self::send`].
    pub(super) fn begin(
        &mut self,
        client: &Client,
        request: u64,
        command: RegistryCommand,
    ) -> Begun {
        let Client { handle, keyspace, sender } = client;
        let caller = handle.caller(*keyspace, sender);
        let command = match caller.command_now(Command::Registry(command)) {
            Verdict::Granted(command) => command,
            Verdict::Refused(fault) => return Begun::Answered(Err(error::status(&fault))),
            Verdict::NotNow(command) => return Begun::by_itself(command),
        };
        let Command::Registry(change) = command else { return Begun::by_itself(command) };
        let Routed { keyspace, change, rest } = match handle.route(*keyspace, change) {
            Ok(routed) => routed,
            Err(change) => return Begun::ByItself(change),
        };
        let ticket = self.under_way.reserve();
        match handle.submit(keyspace, Command::Registry(change), &mut self.orders, ticket, None) {
            Ok(submission) => {
                self.under_way.put(ticket, Write { request, submission, rest, looked: false });
                Begun::Waits
            }
            Err(unsent) => {
                self.under_way.give_back(ticket);
                match (unsent, rest) {
                    (Unsent::Refused(fault), _) => Begun::Answered(Err(error::status(&fault))),
                    (Unsent::NotNow(_), Some(rest)) => Begun::ByItself(rest.whole()),
                    (Unsent::NotNow(command), None) => Begun::by_itself(command),
                }
            }
        }
    }

    /// Hands over all that was taken.
    pub(super) fn send(&mut self, handle: &Handle) {
        handle.send(&mut self.orders);
    }

    /// Puts what came into `out`; ready if anything did.
    pub(super) fn poll(
        &mut self,
        handle: &Handle,
        context: &mut Context<'_>,
        out: &mut Vec<Came>,
    ) -> Poll<()> {
        // A second look registers the waker, and finds what came meanwhile.
        while self.desk.poll(context, &mut self.news).is_ready() {
            for (ticket, news) in std::mem::take(&mut self.news) {
                self.hear(handle, ticket, news, out);
            }
        }
        while self.sweep.is_due(!self.under_way.is_empty(), context) {
            for ticket in self.under_way.tickets() {
                self.look(ticket, out);
            }
        }
        if out.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn hear(&mut self, handle: &Handle, ticket: u64, news: News, out: &mut Vec<Came>) {
        // Old tickets are of those that somebody brings to their end by now.
        let Some(write) = self.under_way.lift(ticket) else { return };
        match news {
            News::Done(done) => {
                self.under_way.give_back(ticket);
                let Write { request, submission, rest, .. } = write;
                out.push(came(request, submission.answer(handle, done), rest));
            }
            News::Stuck(fault) => self.stuck(ticket, write, Some(&fault), out),
            // News of a read: a bug of ours, which the next look mends.
            News::Ready => self.under_way.put(ticket, write),
        }
    }

    fn look(&mut self, ticket: u64, out: &mut Vec<Came>) {
        let Some(write) = self.under_way.get(ticket) else { return };
        let is_late = std::mem::replace(&mut write.looked, true) || write.submission.is_astray();
        if is_late && let Some(write) = self.under_way.lift(ticket) {
            self.stuck(ticket, write, None, out);
        }
    }

    fn stuck(&mut self, ticket: u64, write: Write, reason: Option<&Fault>, out: &mut Vec<Came>) {
        let Write { request, submission, rest, looked } = write;
        let came = match submission.stuck(reason) {
            Stuck::OnDesk(submission) => {
                return self.under_way.put(ticket, Write { request, submission, rest, looked });
            }
            Stuck::Refused(fault) => Came::Answer(request, Err(error::status(&fault))),
            Stuck::Pursue(pursuit) => Came::Pursue(request, Box::new(pursuit), rest),
        };
        self.under_way.give_back(ticket);
        out.push(came);
    }
}

impl Begun {
    fn by_itself(command: Command) -> Self {
        match command {
            Command::Registry(command) => Self::ByItself(command),
            // What was handed in is handed back.
            _ => {
                Self::Answered(Err(Status::internal("hiraeth: another command than was asked for")))
            }
        }
    }
}
