//! Where the servers run: in network namespaces of their own, or all on loopback.

mod namespaces;
mod relay;
mod supervise;

use std::net::TcpListener;
use std::process::Command;

use anyhow::Context;

pub(crate) use relay::{Relays, Weather};
pub(crate) use supervise::supervise;

use crate::options::{Options, Where};

/// Addresses of one server.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) client: String,
    pub(crate) peer: String,
    pub(crate) http: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Setting {
    /// Servers in the namespaces with this prefix, this process in their hub.
    Namespaces(String),
    Loopback,
}

pub(crate) enum Choice {
    Here(Setting),
    /// Make namespaces, and run this program again in them.
    Supervise,
}

impl Setting {
    pub(crate) fn choose(options: &Options) -> anyhow::Result<Choice> {
        if let Some(prefix) = &options.inside {
            return Ok(Choice::Here(Self::Namespaces(prefix.clone())));
        }
        if options.place == Where::Loopback {
            return Ok(Choice::Here(Self::Loopback));
        }
        match namespaces::possible() {
            Ok(()) => Ok(Choice::Supervise),
            Err(why) if options.place == Where::Auto => {
                eprintln!("chaos: no network namespaces ({why:#}): loopback, without partitions");
                Ok(Choice::Here(Self::Loopback))
            }
            Err(why) => Err(why),
        }
    }

    pub(crate) fn has_partitions(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Namespaces(_) => "network namespaces",
            Self::Loopback => "loopback",
        }
    }

    /// Addresses for `count` servers.
    pub(crate) fn addresses(&self, count: usize) -> anyhow::Result<Vec<Addresses>> {
        match self {
            Self::Namespaces(_) => Ok((0..count).map(namespaces::addresses).collect()),
            Self::Loopback => loopback(count),
        }
    }

    /// A command that will run as server `at`; it ends with this process, however that ends.
    pub(crate) fn command(&self, at: usize, program: &str) -> Command {
        let tied = ["setpriv", "--pdeathsig", "KILL", program];
        match self {
            Self::Namespaces(prefix) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &namespaces::name(prefix, at)]).args(tied);
                command
            }
            Self::Loopback if has_setpriv() => {
                let mut command = Command::new(tied[0]);
                command.args(&tied[1..]);
                command
            }
            Self::Loopback => Command::new(program),
        }
    }

    /// This process' address on the links between servers.
    pub(crate) fn own_peer_host(&self) -> String {
        match self {
            Self::Namespaces(_) => namespaces::hub_peer_host(),
            Self::Loopback => "127.0.0.1".to_owned(),
        }
    }

    /// From now on nothing that `from` sends arrives at `to`.
    pub(crate) fn cut(&self, from: usize, to: usize) -> anyhow::Result<()> {
        match self {
            Self::Namespaces(prefix) => namespaces::blackhole(prefix, from, to, "add"),
            Self::Loopback => Ok(()),
        }
    }

    /// Takes `at`'s link to its peers down, or up again.
    pub(crate) fn link(&self, at: usize, is_up: bool) -> anyhow::Result<()> {
        match self {
            Self::Namespaces(prefix) => namespaces::link(prefix, at, is_up),
            Self::Loopback => Ok(()),
        }
    }

    /// Undoes what [`Self::cut`] and [`Self::link`] did.
    pub(crate) fn heal(&self, count: usize) -> anyhow::Result<()> {
        let Self::Namespaces(prefix) = self else { return Ok(()) };
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from) {
                // Most of them are not there.
                drop(namespaces::blackhole(prefix, from, to, "del"));
            }
            namespaces::link(prefix, from, true)?;
        }
        Ok(())
    }
}

fn has_setpriv() -> bool {
    Command::new("setpriv").arg("--version").output().is_ok()
}

fn loopback(count: usize) -> anyhow::Result<Vec<Addresses>> {
    // All are held until all are found, so that no two are the same.
    let listeners: Vec<TcpListener> = (0..count * 3)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .context("no free port")?;
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect::<anyhow::Result<_>>()?;
    let of_one = |three: &[String]| Addresses {
        client: three[0].clone(),
        peer: three[1].clone(),
        http: three[2].clone(),
    };
    Ok(addresses.chunks_exact(3).map(of_one).collect())
}
