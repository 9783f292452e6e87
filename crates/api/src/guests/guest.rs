use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tls::Stream;
use tonic::Status;
use types::Code;

use super::complaint::STREAMS;
use crate::error;

/// Streams (watches, keep-alives, observers) and waiting calls (locks, campaigns) of one connection. A
/// client in order has one of each kind, and few of them.
const SEATS: usize = 4_096;

/// Whoever is at the other end of one connection.
pub(crate) struct Guest {
    address: String,
    seats: AtomicUsize,
    /// What proves who it is where it brings no token, if its certificate named somebody.
    proof: Option<Box<str>>,
    /// Its address with the name in its certificate, if it has one.
    from: String,
}

impl Guest {
    /// The client at the other end of `stream`.
    pub(crate) fn of(
        stream: &Stream,
        proof: Option<Box<str>>,
        certificate: Option<&str>,
    ) -> Arc<Self> {
        let address = stream.peer_addr();
        let address = address.map_or_else(|_| "gone already".to_owned(), |it| it.to_string());
        let from = match certificate {
            Some(name) => format!("{address} ({name})"),
            None => address.clone(),
        };
        Arc::new(Self { address, seats: AtomicUsize::new(0), proof, from })
    }

    /// What proves who it is, where a request says nothing of that itself.
    pub(crate) fn proof(&self) -> Option<&str> {
        self.proof.as_deref()
    }

    /// Where it is, with the name in its certificate if it has one: for the audit log.
    pub(crate) fn from(&self) -> &str {
        &self.from
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Room for one more stream.
    ///
    /// # Errors
    /// `ResourceExhausted`, in etcd's words.
    pub(crate) fn sit(self: &Arc<Self>) -> Result<Seat, Status> {
        let taken = self.seats.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(self));
        if taken >= SEATS {
            STREAMS.about(&self.address, taken);
            return Err(error::status_of(Code::TooManyRequests));
        }
        Ok(seat)
    }
}

/// One stream's room; free when dropped.
pub(crate) struct Seat(Arc<Guest>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}
