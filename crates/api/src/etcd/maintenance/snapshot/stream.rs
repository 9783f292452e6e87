//! The file on its way to a client, in pieces, its checksum behind it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::BoxStream;
use node::Frozen;
use proto::etcdserverpb::SnapshotResponse;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::Surroundings;
use super::bolt::{self, Layout, PAGE, Writer};
use super::contents::{self, Buckets, Failure};
use crate::error;

/// Bytes of the file in one message, as etcd sends them.
const PIECE: usize = 32 * 1024;
/// Messages that wait to be sent.
const WAITING: usize = 8;
/// For how long a client may take nothing at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes a second that a client has to take on average, after the first ten minutes: what is frozen for
/// it costs disk.
const PACE: u64 = 1 << 20;
const HEAD_START: Duration = Duration::from_secs(600);

/// Pieces of a snapshot, as etcd's service answers them.
pub(in super::super) type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Status>>;

/// Sends what is frozen, from a thread of its own.
pub(in super::super) fn stream(frozen: Frozen, around: Surroundings) -> SnapshotStream {
    let (sender, receiver) = mpsc::channel(WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let failed = match send(&frozen, &around, &sender, &runtime) {
            Ok(()) | Err(Failure::Stopped(Stop::Gone)) => return,
            Err(Failure::Stopped(Stop::TooSlow)) => {
                tracing::warn!("a snapshot was given up: its client does not take it");
                Status::deadline_exceeded("hiraeth: the snapshot was not taken in time")
            }
            Err(Failure::Stopped(Stop::Changed)) => {
                tracing::error!(
                    "a snapshot came out in two sizes; this is a bug, please report it"
                );
                Status::internal("hiraeth: internal error: the snapshot came out in two sizes")
            }
            Err(Failure::Read(fault)) => error::status(&fault),
        };
        // Let go of it before the client is told, which may take a while.
        drop(frozen);
        drop(runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(Err(failed)))));
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Why a snapshot is not sent to its end.
enum Stop {
    /// The client went away.
    Gone,
    TooSlow,
    /// It is not what it was when it was measured.
    Changed,
}

fn send(
    frozen: &Frozen,
    around: &Surroundings,
    sender: &mpsc::Sender<Result<SnapshotResponse, Status>>,
    runtime: &Handle,
) -> Result<(), Failure<Stop>> {
    let Some(layout) = measure(frozen, around, sender)? else { return Ok(()) };
    let outlet = Outlet {
        sender,
        runtime,
        piece: Vec::with_capacity(PIECE),
        remaining: layout.bytes(),
        hash: Sha256::new(),
        until: Instant::now() + HEAD_START + Duration::from_secs(layout.bytes() / PACE),
    };
    let mut writer = Writer::begin(outlet, layout)?;
    contents::write(frozen, around, &mut writer)?;
    let (found, mut outlet) = writer.finish()?;
    outlet.flush()?;
    if found != layout || outlet.remaining != 0 {
        return Err(Failure::Stopped(Stop::Changed));
    }
    let hash = std::mem::take(&mut outlet.hash).finalize();
    outlet.send(Bytes::copy_from_slice(&hash))?;
    Ok(())
}

/// How large it will be; `None` once nobody waits for it any more.
fn measure(
    frozen: &Frozen,
    around: &Surroundings,
    sender: &mpsc::Sender<Result<SnapshotResponse, Status>>,
) -> Result<Option<Layout>, Failure<Stop>> {
    let mut writer = Writer::measure(Nowhere(sender));
    match contents::write(frozen, around, &mut writer) {
        Ok(()) => {}
        Err(Failure::Read(fault)) => return Err(Failure::Read(fault)),
        Err(Failure::Stopped(Gone)) => return Ok(None),
    }
    Ok(writer.finish().ok().map(|(layout, _)| layout))
}

impl<S: bolt::Sink> Buckets for Writer<S> {
    type Stop = S::Stop;

    fn bucket(&mut self, name: &[u8]) -> Result<(), S::Stop> {
        Self::bucket(self, name)
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), S::Stop> {
        Self::entry(self, key, value)
    }
}

struct Gone;

/// Where the first writing goes.
struct Nowhere<'a>(&'a mpsc::Sender<Result<SnapshotResponse, Status>>);

impl bolt::Sink for Nowhere<'_> {
    type Stop = Gone;

    fn write(&mut self, _: Vec<u8>) -> Result<(), Gone> {
        if self.0.is_closed() { Err(Gone) } else { Ok(()) }
    }
}

struct Outlet<'a> {
    sender: &'a mpsc::Sender<Result<SnapshotResponse, Status>>,
    runtime: &'a Handle,
    piece: Vec<u8>,
    remaining: u64,
    hash: Sha256,
    /// When it has to be over.
    until: Instant,
}

impl bolt::Sink for Outlet<'_> {
    type Stop = Stop;

    fn write(&mut self, pages: Vec<u8>) -> Result<(), Stop> {
        for page in pages.chunks(PAGE) {
            self.piece.extend_from_slice(page);
            if self.piece.len() >= PIECE {
                self.flush()?;
            }
        }
        Ok(())
    }
}

impl Outlet<'_> {
    fn flush(&mut self) -> Result<(), Stop> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        self.hash.update(&piece);
        let length = piece.len() as u64;
        self.remaining = self.remaining.checked_sub(length).ok_or(Stop::Changed)?;
        self.send(piece)
    }

    fn send(&mut self, blob: Bytes) -> Result<(), Stop> {
        // A file of etcd 3.5 does not say which version wrote it, and neither does this one.
        let message = SnapshotResponse {
            header: None,
            remaining_bytes: self.remaining,
            blob,
            version: String::new(),
        };
        let patience = PATIENCE.min(self.until.saturating_duration_since(Instant::now()));
        let sending = tokio::time::timeout(patience, self.sender.send(Ok(message)));
        match self.runtime.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop::Gone),
            Err(_) => Err(Stop::TooSlow),
        }
    }
}
