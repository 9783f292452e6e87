use std::ffi::OsString;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use client::{Client, HeldLock, Lock};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::super::failure::{Done, NotBegun};
use super::child::Child;
use super::signals::{Caught, Signals};

/// How long a command, and all it started, may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// How long a message is waited for when there is nothing else to do.
const MESSAGE: Duration = Duration::from_secs(1);
/// Where the shell's numbers for signals begin.
const SIGNALS: u8 = 128;
/// What was held is held no more. A command may end with the same number.
const LOST: u8 = 6;

/// What is held, and how it is called.
pub(super) struct Hold {
    pub(super) what: Lock,
    pub(super) called: String,
}

/// What came of waiting.
enum Waited {
    Held(HeldLock),
    TooLong(Duration),
    EndedBy(Caught),
}

/// How it ended while it was held.
enum Ended {
    Itself(u8),
    Lost,
}

/// Waits until it is held, runs the command, and gives it back.
pub(super) async fn while_held(
    client: &Client,
    hold: &Hold,
    wait: Option<Duration>,
    command: &[OsString],
) -> anyhow::Result<Done> {
    let mut signals = Signals::new()?;
    let mut held = match wait_for(client, hold, wait, &mut signals).await? {
        Waited::Held(held) => held,
        Waited::EndedBy(caught) => return Ok(Done::Code(SIGNALS + caught.number())),
        Waited::TooLong(wait) => {
            eprintln!("error: {} was not had in {wait:?}", hold.called);
            eprintln!("hint: --wait waits longer");
            return Ok(Done::Code(5));
        }
    };
    let ended = match Child::start(command, &held) {
        Ok(child) => run(child, &mut held, hold, &mut signals).await,
        Err(refused) => {
            eprintln!("error: {} cannot be run: {refused}", command[0].to_string_lossy());
            let is_missing = refused.kind() == std::io::ErrorKind::NotFound;
            Ended::Itself(if is_missing { 127 } else { 126 })
        }
    };
    match ended {
        Ended::Itself(code) => {
            give_back(held, hold, &mut signals).await;
            Ok(Done::Code(code))
        }
        Ended::Lost => Ok(Done::Code(LOST)),
    }
}

/// Waits until it is held, or for too long, or until a signal ends it. A second signal does not wait for the
/// place in the line to be given up: its lease ends by itself.
async fn wait_for(
    client: &Client,
    hold: &Hold,
    wait: Option<Duration>,
    signals: &mut Signals,
) -> anyhow::Result<Waited> {
    let (stop, stopped) = oneshot::channel::<()>();
    let give_up = async {
        let too_long = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped => {}
            () = too_long => {}
        }
    };
    let mut holding = pin!(client.hold(&hold.what, give_up));
    let (mut stop, mut ended_by) = (Some(stop), None);
    let held = loop {
        tokio::select! {
            biased;
            held = holding.as_mut() => break held,
            caught = signals.next() => match stop.take() {
                // That it goes is what says so.
                Some(_) => ended_by = Some(caught),
                None => return Ok(Waited::EndedBy(caught)),
            }
        }
    };
    let held = match (held, ended_by) {
        (Ok(Some(held)), Some(_)) => {
            give_back(held, hold, signals).await;
            None
        }
        (Ok(held), None) => held,
        (Err(error), None) => {
            return Err(error).with_context(|| NotBegun(format!("{} was not had", hold.called)));
        }
        (_, Some(_)) => None,
    };
    Ok(match (held, ended_by) {
        (Some(held), _) => Waited::Held(held),
        (None, Some(caught)) => Waited::EndedBy(caught),
        (None, None) => Waited::TooLong(wait.unwrap_or_default()),
    })
}

/// Gives it back, for as long as a request may take; or until a second signal: the first may have been meant
/// for the command, which has ended.
async fn give_back(held: HeldLock, hold: &Hold, signals: &mut Signals) {
    let why = tokio::select! {
        biased;
        given = held.unlock() => match given {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
        _ = async {
            signals.next().await;
            signals.next().await
        } => "a signal came".to_owned(),
    };
    // The command is done, and how it ended is what was asked.
    eprintln!("warning: {} was not given back, and ends with its lease: {why}", hold.called);
}

/// Sees the command to its end.
async fn run(mut child: Child, held: &mut HeldLock, hold: &Hold, signals: &mut Signals) -> Ended {
    let lost = {
        let mut lost = pin!(held.lost());
        loop {
            tokio::select! {
                biased;
                ended = child.ended() => return Ended::Itself(ended),
                lost = lost.as_mut() => break lost,
                caught = signals.next() => child.tell(caught),
            }
        }
    };
    // Before anything is said: whoever reads standard error may not.
    child.tell(Caught::Terminate);
    let told = format!("error: {} was lost, and the command is ended: {lost}", hold.called);
    let told = spawn_blocking(move || eprintln!("{told}"));
    let mut grace = pin!(sleep(GRACE));
    loop {
        tokio::select! {
            biased;
            () = child.all_ended() => break,
            () = grace.as_mut() => {
                child.kill();
                child.ended().await;
                break;
            }
            caught = signals.next() => child.tell(caught),
        }
    }
    drop(timeout(MESSAGE, told).await);
    Ended::Lost
}
