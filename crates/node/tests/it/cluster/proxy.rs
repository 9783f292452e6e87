//! A wire in front of a node that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes bytes on to a node's peer port until told not to.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    silent: Arc<watch::Sender<bool>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = Arc::new(watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        let own = Arc::clone(&silent);
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else { return };
                let silent = own.subscribe();
                wires.spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(near_in, far_out, silent.clone()) => {}
                        () = pass(far_in, near_out, silent) => {}
                    }
                });
            }
        });
        Self { address, silent, _tasks: tasks }
    }

    /// From now on nothing comes through in either direction, and no connection ends: like a node
    /// that was stopped, or a network that drops everything. Or everything comes through again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return };
        if silent.wait_for(|silent| !silent).await.is_err() || count == 0 {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
