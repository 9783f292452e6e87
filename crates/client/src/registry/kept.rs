use tokio::sync::{mpsc, oneshot};

use super::session::{self, Order};
use crate::Error;

/// An instance that is registered and beats by itself, also at other servers when one goes away, for as
/// long as this is held. Dropped, it is taken back; a program that dies is noticed by its silence.
pub struct KeptInstance {
    pub(super) number: u64,
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) done: bool,
}

impl KeptInstance {
    /// Takes it back, and answers when that is done.
    ///
    /// # Errors
    /// The servers refuse it, or the session ended.
    pub async fn deregister(mut self) -> Result<(), Error> {
        self.done = true;
        let (reply, done) = oneshot::channel();
        let order = Order::Deregister { number: self.number, reply: Some(reply) };
        self.orders.send(order).map_err(|_| session::over())?;
        done.await.map_err(|_| session::over())?
    }

    /// Lets it die by itself, as if the program had: nobody beats for it any more.
    pub fn abandon(mut self) {
        self.done = true;
        drop(self.orders.send(Order::Abandon(self.number)));
    }
}

impl Drop for KeptInstance {
    fn drop(&mut self) {
        if !self.done {
            drop(self.orders.send(Order::Deregister { number: self.number, reply: None }));
        }
    }
}
