//! The half of a watch stream that gives orders.

use std::sync::Arc;

use types::Fault;

use super::message::WatchCreate;
use super::region::Region;
use super::stream::Stream;

/// One client's watches on one keyspace: the half that gives orders. Dropping it ends the stream; what
/// is queued by then is still delivered.
pub struct WatchControl {
    pub(super) region: Arc<Region>,
    pub(super) stream: Arc<Stream>,
}

impl WatchControl {
    /// Adds a watch; the answer comes as `Created` or `Canceled`.
    ///
    /// # Errors
    /// `LimitReached` when the stream has too many watches or orders under way; `ShuttingDown`, or why
    /// the region was closed.
    pub fn create(&self, create: WatchCreate) -> Result<(), Fault> {
        self.region.create(&self.stream, create)
    }

    /// Ends a watch; answered with `Canceled`. An unknown id is passed over, as etcd does.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn cancel(&self, id: i64) -> Result<(), Fault> {
        self.region.cancel(&self.stream, id)
    }

    /// Asks for a `Progress` with id -1 as soon as every watch of the stream has caught up and reached
    /// its start. Requests that wait are answered together.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn progress(&self) -> Result<(), Fault> {
        self.region.progress(&self.stream)
    }
}

impl Drop for WatchControl {
    fn drop(&mut self) {
        self.region.leave(&self.stream);
    }
}
