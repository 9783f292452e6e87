use std::ffi::OsString;
use std::pin::pin;
use std::time::Duration;

use client::{Client, HeldLock, Lock};
use tokio::time::sleep;

use super::super::failure::Done;
use super::child::Child;
use super::signals::{Caught, Signals};

/// How long a command may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// Where the shell's numbers for signals begin.
const SIGNALS: u8 = 128;

/// What is held, and how it is called.
pub(super) struct Hold {
    pub(super) what: Lock,
    pub(super) called: String,
}

/// Waits until it is held, runs the command, and gives it back.
pub(super) async fn while_held(
    client: &Client,
    hold: &Hold,
    wait: Option<Duration>,
    command: &[OsString],
) -> anyhow::Result<Done> {
    let mut signals = Signals::new()?;
    let mut ended_by = None;
    let give_up = async {
        tokio::select! {
            caught = signals.next() => ended_by = Some(caught),
            () = async {
                match wait {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    };
    let held = client.hold(&hold.what, give_up).await?;
    let Some(mut held) = held else {
        return Ok(match ended_by {
            Some(caught) => Done::Code(SIGNALS + caught.number()),
            None => {
                eprintln!("error: {} was not had in {:?}", hold.called, wait.unwrap_or_default());
                eprintln!("hint: --wait waits longer");
                Done::Code(5)
            }
        });
    };
    let done = match Child::start(command, &held) {
        Ok(child) => run(child, &mut held, hold, &mut signals).await,
        Err(refused) => {
            eprintln!("error: {} cannot be run: {refused}", command[0].to_string_lossy());
            let is_missing = refused.kind() == std::io::ErrorKind::NotFound;
            Done::Code(if is_missing { 127 } else { 126 })
        }
    };
    if done != LOST
        && let Err(error) = held.unlock().await
    {
        // The command is done, and how it ended is what was asked.
        eprintln!("warning: {} was not given back, and ends with its lease: {error}", hold.called);
    }
    Ok(done)
}

const LOST: Done = Done::Code(6);

/// Sees the command to its end.
async fn run(mut child: Child, held: &mut HeldLock, hold: &Hold, signals: &mut Signals) -> Done {
    let ended = {
        let mut lost = pin!(held.lost());
        loop {
            tokio::select! {
                biased;
                ended = child.ended() => break Ok(ended),
                lost = lost.as_mut() => break Err(lost),
                caught = signals.next() => child.tell(caught),
            }
        }
    };
    match ended {
        Ok(code) => Done::Code(code),
        Err(lost) => {
            eprintln!("error: {} was lost, and the command is ended: {lost}", hold.called);
            child.tell(Caught::Terminate);
            if tokio::time::timeout(GRACE, child.ended()).await.is_err() {
                child.kill();
                child.ended().await;
            }
            LOST
        }
    }
}
