use std::sync::Arc;

use types::{Fault, RegionId};

use super::Desk;
use crate::frame::Frames;
use crate::poller::ToPoller;
use crate::shared::Shared;
use crate::waiter::ReadReply;

/// Requests on their way into the node: they wait here until [`Orders::send`], so that one lock, one
/// wake-up and one frame do for all that came together.
pub struct Orders {
    pub(crate) desk: Arc<Desk>,
    pub(crate) pollers: Vec<Vec<ToPoller>>,
    pub(crate) frames: Frames,
}

/// Why a command was not taken.
#[derive(Debug)]
pub enum Unsent<T> {
    /// This is its answer.
    Refused(Fault),
    /// It has to wait for something, and has to be asked for by itself.
    NotNow(T),
}

impl<T> From<Fault> for Unsent<T> {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

/// Who is told of a request that came through a desk.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) desk: Arc<Desk>,
    pub(crate) ticket: u64,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ticket {}", self.ticket)
    }
}

impl Orders {
    /// Orders whose news go to `desk`.
    #[must_use]
    pub fn new(desk: Arc<Desk>) -> Self {
        Self { desk, pollers: Vec::new(), frames: Frames::default() }
    }

    pub(crate) fn way(&self, ticket: u64) -> Way {
        Way { desk: Arc::clone(&self.desk), ticket }
    }

    pub(crate) fn poller(&mut self, shared: &Shared, region: RegionId) -> &mut Vec<ToPoller> {
        let slots = shared.pollers.len();
        self.pollers.resize_with(slots, Vec::new);
        &mut self.pollers[usize::try_from(region.get()).unwrap_or(0) % slots]
    }

    pub(crate) fn read(&mut self, shared: &Shared, region: RegionId, ticket: u64) {
        let reply = ReadReply::desk(self.way(ticket));
        self.poller(shared, region).push(ToPoller::Read { region, reply, lease: false });
    }

    pub(crate) fn send_through(&mut self, shared: &Shared) {
        for (mailbox, orders) in shared.pollers.iter().zip(&mut self.pollers) {
            if !orders.is_empty() {
                mailbox.extend(orders.drain(..));
            }
        }
        // What a link does not take is pursued by whoever waits for it.
        shared.send(&mut self.frames);
    }
}
