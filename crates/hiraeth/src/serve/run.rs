//! Running a server until it is told to stop.

use anyhow::Context;
use api::{DnsSockets, Door, serve_clients, serve_dns, serve_http};
use node::{Failure, Node};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::notify;
use super::secure::acceptor;
use super::settings::{Resolved, Settings};
use crate::{logging, memory};

/// Serves until SIGINT or SIGTERM, or until the node can promise nothing any more.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    memory::give_back_what_is_free();
    if let Some(gateway) = settings.resolve_gateway()? {
        return super::gateway::run(gateway);
    }
    let resolved = settings.resolve()?;
    logging::start(&resolved.log, resolved.log_format)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("hiraeth")
        .build()
        .context("the runtime cannot be started")?
        .block_on(serve(resolved))
}

async fn serve(settings: Resolved) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let clients = listen(&settings.listen_client, "client").await?;
    let http = listen(&settings.listen_http, "HTTP").await?;
    let dns = match settings.dns {
        None => None,
        Some((address, zone)) => {
            let sockets = DnsSockets::bind(&address).await;
            let why = || format!("the DNS address {address} cannot be listened on, by UDP and TCP");
            Some((sockets.with_context(why)?, zone))
        }
    };
    tracing::info!(
        name = %settings.node.name,
        data = %settings.node.data_dir.display(),
        clients = %settings.listen_client,
        peers = %settings.node.listen_peer,
        http = %settings.listen_http,
        tls = %settings.secure.names(),
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    settings.secure.warn();
    let fresh = settings.secure.keep_fresh()?;
    let node = tokio::select! {
        biased;
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
        node = Node::start(settings.node) => node?,
    };
    let handle = node.handle();
    handle.record_panics();
    let (last_span, all_told) = oneshot::channel::<()>();
    let exporting = settings.exporter.map(|exporter| {
        tokio::spawn(exporter.run(async {
            // Only ever "the sender is gone".
            drop(all_told.await);
        }))
    });
    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        drop(stopping.wait_for(|stop| *stop).await);
    };
    let secure = settings.secure;
    let door = |listener, set: Option<&_>| match acceptor(set) {
        None => Door::from(listener),
        Some(acceptor) => Door::with_tls(listener, acceptor, secure.names_users),
    };
    let clients = door(clients, secure.client.as_ref());
    let http = door(http, secure.http.as_ref());
    let front = tokio::spawn(serve_clients(handle.clone(), clients, stopped(stopping.clone())));
    let web = tokio::spawn(serve_http(handle.clone(), http, stopped(stopping.clone())));
    let names = dns.map(|(sockets, zone)| {
        tokio::spawn(serve_dns(handle.clone(), sockets, zone, stopped(stopping)))
    });
    let announce = async {
        handle.ready(types::KeyspaceId::DEFAULT).await;
        tracing::info!("ready");
        notify::tell(notify::READY);
        std::future::pending::<()>().await;
    };
    let reason = tokio::select! {
        biased;
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        reason = handle.failed() => Some(reason),
        () = handle.asked_to_leave() => None,
        () = announce => None,
    };
    notify::tell(notify::STOPPING);
    if reason.is_none() {
        tracing::info!("stopping: handing leadership over");
    }
    // Leadership first, while requests still find this node; then the doors; then the rest.
    node.hand_over().await;
    node.end_watches();
    stop.send_replace(true);
    drop(tokio::join!(front, web));
    if let Some(names) = names {
        drop(names.await);
    }
    node.shutdown().await;
    fresh.abort();
    drop(last_span);
    if let Some(exporting) = exporting {
        drop(exporting.await);
    }
    match reason {
        None => Ok(()),
        Some(failure) => Err(Stopped(failure).into()),
    }
}

/// The node stopped by itself.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Failure);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the node had to stop: {}", self.0.reason)
    }
}

impl std::error::Error for Stopped {}

pub(super) async fn listen(address: &str, whose: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("the {whose} address {address} cannot be listened on"))
}
