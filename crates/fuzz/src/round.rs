//! One node, some clients with bad intentions, and one each that must not notice them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::auth::Guarded;
use crate::calls::Calls;
use crate::input::{Call, Input, Port};
use crate::oracle;
use crate::probe::Probe;
use crate::random::Random;
use crate::rig::{Memory, Panics, Rig};
use crate::schema::Schema;
use crate::send::{self, Answer, Connection};
use crate::{consul, gateway, wires};

/// Clients at once.
const LANES: u64 = 4;
/// Inputs between two looks at whether others are served.
const PROBE_EVERY: usize = 50;
/// How answers that are wrong begin in the tally.
pub(crate) const WRONG: &str = "WRONG";
/// Turns authentication on: not in a round whose other clients have no users.
const ENABLE: [&str; 2] = ["AuthEnable", "/v3/auth/enable"];

/// Which inputs, and how many.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Of each client.
    pub(crate) inputs: usize,
    /// Whether users are known.
    pub(crate) guarded: bool,
    /// Whether a wrong answer is counted only.
    pub(crate) go_on: bool,
    /// What is sent instead of what the seed says.
    pub(crate) replay: Vec<Input>,
}

/// What all clients of a round share.
struct Shared {
    schema: Arc<Schema>,
    guarded: Option<Guarded>,
    go_on: bool,
    addresses: [String; 4],
    panics: Panics,
    memory: Arc<Memory>,
}

/// How often each kind of answer was seen.
pub(crate) type Tally = BTreeMap<String, u64>;

/// A failure, with what led to it.
pub(crate) struct Failure {
    pub(crate) what: anyhow::Error,
    /// What was sent last, on one connection after the other.
    pub(crate) inputs: Vec<Input>,
}

/// Plays one round.
///
/// # Errors
/// The first thing that went wrong.
pub(crate) async fn play(
    plan: Plan,
    schema: &Arc<Schema>,
    panics: &Panics,
    memory: &Arc<Memory>,
) -> Result<Tally, Failure> {
    let bare = |what| Failure { what, inputs: Vec::new() };
    let rig = Rig::start().await.map_err(bare)?;
    let mut random = Random::new(plan.seed);
    let guarded = match plan.guarded {
        true => Guarded::set_up(&rig.client, &mut random).await.context("users").map_err(bare)?,
        false => None,
    };
    let shared = Arc::new(Shared {
        schema: schema.clone(),
        guarded,
        go_on: plan.go_on,
        addresses: [&rig.client, &rig.peer, &rig.http, &rig.dns].map(Clone::clone),
        panics: panics.clone(),
        memory: memory.clone(),
    });
    let mut tally = Tally::new();
    if plan.replay.is_empty() {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let lane = Lane::new(shared.clone(), plan.seed, lane);
                tokio::spawn(lane.run(plan.inputs))
            })
            .collect();
        for lane in lanes {
            let seen = lane.await.context("a client ended by a panic").map_err(bare)??;
            for (kind, times) in seen {
                *tally.entry(kind).or_default() += times;
            }
        }
    } else {
        let lane = Lane::new(shared.clone(), plan.seed, 0);
        tally = lane.replay(plan.replay).await?;
    }
    if let Some(guarded) = &shared.guarded {
        let probes: Vec<String> = (0..LANES).map(probe_key).collect();
        guarded.verify(&rig.client, &probes).await.map_err(bare)?;
    }
    rig.stop().await.map_err(bare)?;
    Ok(tally)
}

fn probe_key(lane: u64) -> String {
    format!("probe/{lane}")
}

/// One client.
struct Lane {
    shared: Arc<Shared>,
    random: Random,
    connection: Connection,
    probe: Probe,
    tally: Tally,
    /// The newest last.
    sent: Vec<Input>,
}

impl Lane {
    fn new(shared: Arc<Shared>, seed: u64, lane: u64) -> Self {
        let root = shared.guarded.as_ref().map(|guarded| guarded.root.clone());
        Self {
            random: Random::new(seed ^ (lane + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            connection: Connection::new(&shared.addresses[0]),
            probe: Probe::new(&shared.addresses[0], probe_key(lane), root),
            tally: Tally::new(),
            sent: Vec::new(),
            shared,
        }
    }

    async fn run(mut self, inputs: usize) -> Result<Tally, Failure> {
        let schema = self.shared.schema.clone();
        let user = self.shared.guarded.as_ref().map(|guarded| guarded.user.clone());
        let calls = Calls { schema: &schema, tokens: tokens(user.as_deref()) };
        for number in 0..inputs {
            let input = match self.random.below(16) {
                0 => Input::Wire(wires::draw(&mut self.random)),
                1..=4 => {
                    let token = user.as_deref().filter(|_| self.random.once_in(2));
                    Input::Call(gateway::draw(&mut self.random, &schema, token))
                }
                5..=7 => {
                    let token = user.as_deref().filter(|_| self.random.once_in(2));
                    Input::Call(consul::draw(&mut self.random, token))
                }
                _ => Input::Call(calls.draw(&mut self.random)),
            };
            let enables = matches!(&input, Input::Call(call) if self.enables(call));
            if !enables {
                self.one(input, number % PROBE_EVERY == 0).await?;
            }
        }
        self.others().await?;
        Ok(self.tally)
    }

    /// Whether it would lock out the others, who have no users.
    fn enables(&self, call: &Call) -> bool {
        self.shared.guarded.is_none() && ENABLE.iter().any(|end| call.path.contains(end))
    }

    async fn replay(mut self, inputs: Vec<Input>) -> Result<Tally, Failure> {
        for input in inputs {
            self.one(input, true).await?;
        }
        Ok(self.tally)
    }

    async fn one(&mut self, input: Input, probe: bool) -> Result<(), Failure> {
        const KEPT: usize = 20;
        if self.sent.len() == KEPT {
            self.sent.remove(0);
        }
        self.sent.push(input.clone());
        if let Err(what) = self.send(&input).await {
            return Err(Failure { what, inputs: self.sent.clone() });
        }
        if probe { self.others().await } else { Ok(()) }
    }

    async fn send(&mut self, input: &Input) -> anyhow::Result<()> {
        match input {
            Input::Wire(wire) => {
                let [client, peer, http, dns] = &self.shared.addresses;
                let address = match wire.port {
                    Port::Client => client,
                    Port::Peer => peer,
                    Port::Http => http,
                    Port::Dns | Port::DnsUdp => dns,
                };
                match wire.port {
                    Port::DnsUdp => send::packets(address, wire).await?,
                    _ => send::wire(address, wire).await?,
                }
                self.count(format!("{:?} port, raw bytes", wire.port));
            }
            Input::Call(call) => {
                let answer = self.connection.call(call, oracle::has_to_answer(call)).await?;
                self.count(kind(&answer));
                if let Err(wrong) = oracle::judge(call, &answer) {
                    anyhow::ensure!(self.shared.go_on, "{}: {wrong}", call.path);
                    self.count(format!("{WRONG} {:.80}: {wrong:.200}", call.path));
                }
                if let Some(guarded) = &self.shared.guarded {
                    anyhow::ensure!(!guarded.is_told_in(&answer.body), "{}: a secret", call.path);
                }
            }
        }
        self.shared.panics.first().map_or(Ok(()), |told| Err(anyhow::anyhow!("{told}")))?;
        self.shared.memory.complaint().map_or(Ok(()), |told| Err(anyhow::anyhow!("{told}")))
    }

    async fn others(&mut self) -> Result<(), Failure> {
        let checked = self.probe.check().await.context("another client");
        checked.map_err(|what| Failure { what, inputs: self.sent.clone() })
    }

    fn count(&mut self, kind: String) {
        *self.tally.entry(kind).or_default() += 1;
    }
}

/// Who a client may say that it is.
fn tokens(user: Option<&str>) -> Vec<Option<String>> {
    match user {
        None => vec![None],
        Some(user) => {
            vec![None, Some("x.1".to_owned()), Some(user.to_owned()), Some(user.to_owned())]
        }
    }
}

/// What an answer is counted as.
fn kind(answer: &Answer) -> String {
    match (answer.text("grpc-status"), &answer.end) {
        (_, send::End::Quiet | send::End::Unsent | send::End::Late) => format!("{:?}", answer.end),
        (Some("0"), _) => "grpc 0".to_owned(),
        (Some(_), _) => {
            let status = tonic::Status::from_header_map(&answer.headers);
            let code = status.as_ref().map_or(tonic::Code::Unknown, tonic::Status::code);
            let message = status.as_ref().map(tonic::Status::message).unwrap_or_default();
            format!("grpc {code:?}: {message:.60}")
        }
        (None, send::End::Whole) => format!("http {}", answer.status),
        (None, end) => format!("{end:?}"),
    }
}

/// Writes down what led to a failure; answers where.
pub(crate) fn keep(failure: &Failure, folder: &Path, seed: u64) -> anyhow::Result<String> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("seed-{seed}.txt"));
    let mut text = format!("# seed {seed}: {}\n", format!("{:#}", failure.what).replace('\n', " "));
    for input in &failure.inputs {
        text.push_str(&format!("\n{input}"));
    }
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
