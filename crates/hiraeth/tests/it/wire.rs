//! A wire between a client and a server that falls silent: connections stay, and nothing comes through.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Passes,
    /// The server hears the client, which hears nothing.
    Mute,
    Silent,
    /// As silent, and the server sees that the client is gone. The client does not see that the server is.
    FarGone,
}

/// Passes bytes on to a server's client port until told not to.
pub(crate) struct Wire {
    pub(crate) address: String,
    state: Arc<watch::Sender<State>>,
    _tasks: JoinSet<()>,
}

impl Wire {
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(watch::Sender::new(State::Passes));
        let mut tasks = JoinSet::new();
        let (own, target) = (Arc::clone(&state), target.to_owned());
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                wires.spawn(connection(near, target.clone(), own.subscribe()));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    pub(crate) fn is_mute(&self, is_mute: bool) {
        self.state.send_replace(if is_mute { State::Mute } else { State::Passes });
    }

    pub(crate) fn falls_silent(&self) {
        self.state.send_replace(State::Silent);
    }

    pub(crate) fn falls_silent_and_the_server_sees_it(&self) {
        self.state.send_replace(State::FarGone);
    }
}

async fn connection(near: TcpStream, target: String, state: watch::Receiver<State>) {
    let (near_in, mut near_out) = near.into_split();
    let mut over = state.clone();
    let passing = async {
        let Ok(far) = TcpStream::connect(&target).await else { return };
        let (far_in, far_out) = far.into_split();
        let there = pass(near_in, far_out, state.clone(), |it| it == State::Silent);
        let back = pass_back(far_in, &mut near_out, state);
        tokio::select! {
            () = there => {}
            () = back => {}
        }
    };
    tokio::select! {
        biased;
        _ = over.wait_for(|it| *it == State::FarGone) => {}
        () = passing => return,
    }
    // The far side is closed by now.
    let _near_out = near_out;
    std::future::pending::<()>().await;
}

async fn pass_back(from: OwnedReadHalf, to: &mut OwnedWriteHalf, state: watch::Receiver<State>) {
    pass(from, to, state, |it| matches!(it, State::Silent | State::Mute)).await;
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
    is_held: impl Fn(State) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| !is_held(*state)).await.is_err() || count == 0 {
            return;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
