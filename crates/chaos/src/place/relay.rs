//! Relays in front of the peer ports, in the hub: what goes to a server and comes from it can be delayed,
//! narrowed and held up. The kernel's own way (`netem`, `tbf`) is not in every kernel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// What one read takes, and how many of those are on their way at most, as in the buffers of a network.
const BYTES: usize = 16 << 10;
const PIECES: usize = 256;

/// How it is on the way to a server and from it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Weather {
    /// One way.
    pub(crate) delay: Duration,
    /// Bytes a second; 0 for any number.
    pub(crate) rate: u64,
    /// So often nothing passes for so long, as if packets were lost and sent again.
    pub(crate) holds: Option<(Duration, Duration)>,
}

impl Weather {
    fn is_held(&self, began: Instant) -> bool {
        self.holds.is_some_and(|(every, length)| {
            let at = began.elapsed().as_millis() % every.as_millis().max(1);
            at < length.as_millis()
        })
    }
}

/// One relay for each server.
pub(crate) struct Relays {
    addresses: Vec<String>,
    weather: Arc<Mutex<Vec<Weather>>>,
}

impl Relays {
    /// Listens on `host` for servers whose peer ports are at `targets`, and which come from there, too.
    pub(crate) fn begin(host: &str, targets: &[String]) -> anyhow::Result<Self> {
        let weather = Arc::new(Mutex::new(vec![Weather::default(); targets.len()]));
        let targets: Vec<SocketAddr> = targets
            .iter()
            .map(|target| target.parse().with_context(|| target.clone()))
            .collect::<anyhow::Result<_>>()?;
        let mut addresses = Vec::new();
        for to in 0..targets.len() {
            let listener = std::net::TcpListener::bind((host, 0))?;
            listener.set_nonblocking(true)?;
            addresses.push(listener.local_addr()?.to_string());
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(listen(listener, to, targets.clone(), Arc::clone(&weather)));
        }
        Ok(Self { addresses, weather })
    }

    /// Where the others find server `at`.
    pub(crate) fn address(&self, at: usize) -> &str {
        &self.addresses[at]
    }

    pub(crate) fn set(&self, at: usize, weather: Weather) {
        self.weather.lock()[at] = weather;
    }

    pub(crate) fn calm(&self) {
        self.weather.lock().fill(Weather::default());
    }
}

async fn listen(
    listener: TcpListener,
    to: usize,
    targets: Vec<SocketAddr>,
    weather: Arc<Mutex<Vec<Weather>>>,
) {
    while let Ok((near, peer)) = listener.accept().await {
        let from = targets.iter().position(|target| target.ip() == peer.ip());
        let (target, weather) = (targets[to], Arc::clone(&weather));
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else { return };
            pass(near, far, &Ends { from, to, weather }).await;
        });
    }
}

/// Whose link a connection is.
struct Ends {
    from: Option<usize>,
    to: usize,
    weather: Arc<Mutex<Vec<Weather>>>,
}

impl Ends {
    /// The worse of both ends.
    fn weather(&self) -> Weather {
        let all = self.weather.lock();
        let there = all[self.to];
        match self.from.map(|from| all[from]) {
            Some(here) if here != Weather::default() => here,
            _ => there,
        }
    }
}

async fn pass(near: TcpStream, far: TcpStream, ends: &Ends) {
    // It would gather small pieces on top.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    // One end closed ends both ways.
    tokio::select! {
        () = pump(near_in, far_out, ends) => {}
        () = pump(far_in, near_out, ends) => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    ends: &Ends,
) {
    let began = Instant::now();
    let (sender, mut waiting) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let read = async move {
        loop {
            let mut piece = vec![0; BYTES];
            let Ok(length @ 1..) = from.read(&mut piece).await else { return };
            piece.truncate(length);
            let due = Instant::now() + ends.weather().delay;
            if sender.send((due, piece)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = waiting.recv().await {
            sleep_until(due).await;
            let weather = ends.weather();
            if weather.rate > 0 {
                sleep(Duration::from_secs(1).mul_f64(piece.len() as f64 / weather.rate as f64))
                    .await;
            }
            while ends.weather().is_held(began) {
                sleep(Duration::from_millis(10)).await;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use tokio::time::timeout;

    use super::{Relays, Weather};

    #[tokio::test]
    async fn what_is_sent_arrives_whole_and_late() {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relays =
            Relays::begin("127.0.0.1", &[target.local_addr().unwrap().to_string()]).unwrap();
        let mut near = TcpStream::connect(relays.address(0)).await.unwrap();
        let (mut far, _) = target.accept().await.unwrap();
        let mut round = async |bytes: Vec<u8>| {
            let began = Instant::now();
            near.write_all(&bytes).await.unwrap();
            let mut got = vec![0; bytes.len()];
            far.read_exact(&mut got).await.unwrap();
            assert!(got == bytes);
            began.elapsed()
        };
        round(vec![1; 100_000]).await;
        let delay = Duration::from_millis(150);
        relays.set(0, Weather { delay, ..Weather::default() });
        assert!(round(vec![2; 10]).await >= delay);
        relays.set(0, Weather { rate: 100_000, ..Weather::default() });
        assert!(
            round((0..40_000_u32).map(|it| it as u8).collect()).await > Duration::from_millis(300)
        );
        // For longer than anybody waits: what comes through all the same is not held up any more.
        relays.set(0, Weather { delay: Duration::from_secs(86_400), rate: 1, holds: None });
        relays.calm();
        let last = timeout(Duration::from_secs(10), round(vec![3; 100_000]));
        last.await.expect("it is calm");
        drop(near);
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the other end is closed, too");
    }
}
