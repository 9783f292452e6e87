//! A node that serves, in this process: what panics anywhere in it is seen here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use api::{DnsSockets, Zone, serve_dns};
use node::{EngineKind, Node, NodeConfig};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use types::KeyspaceId;

/// A cluster of one.
pub(crate) struct Rig {
    pub(crate) client: String,
    pub(crate) peer: String,
    pub(crate) http: String,
    pub(crate) dns: String,
    node: Node,
    stop: Vec<oneshot::Sender<()>>,
    serving: Vec<JoinHandle<std::io::Result<()>>>,
    directory: tempfile::TempDir,
}

impl Rig {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (clients, http) = (listener().await?, listener().await?);
        // A node binds its peer port itself; this one is free now and not handed out again soon.
        let peer = listener().await?.local_addr()?.to_string();
        let client = clients.local_addr()?.to_string();
        let node = Node::start(NodeConfig {
            data_dir: directory.path().to_owned(),
            listen_peer: peer.clone(),
            advertise_peer: peer.clone(),
            advertise_client: client.clone(),
            initial_cluster: vec![("n1".to_owned(), peer.clone())],
            engine: EngineKind::Memory,
            tick: Duration::from_millis(10),
            log_segment_bytes: 1 << 20,
            ..NodeConfig::default()
        })
        .await
        .context("the node does not start")?;
        let handle = node.handle();
        handle.ready(KeyspaceId::DEFAULT).await;
        let http_address = http.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(api::serve_clients(handle.clone(), clients, async {
            drop(stopped.await)
        }));
        let (stop_http, stopped) = oneshot::channel();
        let serving_http =
            tokio::spawn(api::serve_http(handle.clone(), http, async { drop(stopped.await) }));
        let sockets = DnsSockets::bind("127.0.0.1:0").await?;
        let dns = sockets.address()?.to_string();
        let zone = Zone::new("consul", "dc1", 0)?;
        let (stop_dns, stopped) = oneshot::channel::<()>();
        let serving_dns = tokio::spawn(async {
            serve_dns(handle, sockets, zone, async { drop(stopped.await) }).await;
            Ok(())
        });
        Ok(Self {
            client,
            peer,
            http: http_address,
            dns,
            node,
            stop: vec![stop, stop_http, stop_dns],
            serving: vec![serving, serving_http, serving_dns],
            directory,
        })
    }

    /// Ends the node; it has to end in good order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let Self { node, stop, serving, directory, .. } = self;
        drop(stop);
        node.shutdown().await;
        for each in serving {
            each.await.context("the server ended by a panic")??;
        }
        drop(directory);
        Ok(())
    }
}

async fn listener() -> std::io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await
}

/// What any thread of this process panicked with, the first time.
#[derive(Clone, Default)]
pub(crate) struct Panics(Arc<Mutex<Option<String>>>);

impl Panics {
    /// Hears of every panic from now on; each is still told on the standard error output.
    pub(crate) fn watch() -> Self {
        let panics = Self::default();
        let heard = panics.clone();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |told| {
            before(told);
            let mut first = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| told.to_string());
        }));
        panics
    }

    pub(crate) fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The most memory this process had resident.
pub(crate) struct Memory {
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    bound: u64,
}

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Memory {
    /// Looks at it from now on; beyond `bound` bytes it counts as without bound.
    pub(crate) fn watch(bound: u64) -> Self {
        let (peak, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let memory = Self { peak: peak.clone(), over: over.clone(), bound };
        std::thread::spawn(move || {
            loop {
                let now = resident().unwrap_or(0);
                peak.fetch_max(now, Ordering::Relaxed);
                over.fetch_or(now > bound, Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        memory
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn complaint(&self) -> Option<String> {
        let mebibytes = |bytes: u64| bytes >> 20;
        self.over.load(Ordering::Relaxed).then(|| {
            let (peak, bound) = (mebibytes(self.peak()), mebibytes(self.bound));
            format!("{peak} MiB of memory were in use, of {bound} at most")
        })
    }
}

fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
