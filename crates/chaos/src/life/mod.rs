//! The life of a cluster with a sharded keyspace: it grows, servers come and go, one is lost for good,
//! one comes back, one hands over what it leads, one is cut off, while all of it is read and written. What
//! is shown: nothing acknowledged is lost, histories of keys are linearizable, no key's writes pause for
//! long, and replicas and leaders end even.

mod lead;
mod load;
mod registry;
mod shape;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use client::{Client, Get};
use tokio::time::sleep;

use crate::ledger::Ledger;
use crate::options::Options;
use crate::place::Setting;
use crate::servers::{Server, name};
use crate::verify::{self, State};
use crate::work::COUNTERS;
use load::Load;
use registry::Fleet;
use shape::Shape;

const KEYSPACE: &str = "wide";
/// Servers at the beginning, and those that join.
const FIRST: usize = 5;
pub(crate) const ALL: usize = 7;
/// Seconds after which a lost server's replicas are made anew.
const REPLACE_AFTER: u64 = 10;
/// How long one phase may take.
const PHASE: Duration = Duration::from_secs(900);
/// How long a server is cut off: its replicas are not made anew yet.
const CUT: Duration = Duration::from_secs(8);

struct Cluster {
    setting: Setting,
    servers: Vec<Server>,
    /// Those that are members and run.
    here: Vec<bool>,
    client: Client,
    ledger: Arc<Ledger>,
    load: Load,
    /// Instances and who watches them, where these are asked for.
    registry: Option<Fleet>,
}

/// Lives through it and tells; answers whether all was well.
pub(crate) async fn run(
    options: &Options,
    setting: &Setting,
    folder: &Path,
) -> anyhow::Result<bool> {
    let mut cluster = Cluster::start(options, setting, folder).await?;
    let before = cluster.shape().await?;
    cluster.told("begun", &before, &before);
    cluster.register(options.instances).await?;
    let written = cluster.load.fill(options.mib << 20).await?;
    let mut shape = cluster.even("filled", &before, |_| true).await?;

    for at in FIRST..ALL {
        cluster.join(at).await?;
    }
    shape = cluster.even("two servers added", &shape, |shape| shape.nodes.len() == ALL).await?;

    cluster.lead(1).await?;
    cluster.client.drain_node(2, true).await?;
    shape = cluster.even("n2 drained", &shape, |shape| shape.replicas(2) == 0).await?;
    cluster.client.drain_node(2, false).await?;
    shape = cluster.even("n2 filled again", &shape, |shape| shape.replicas(2) > 0).await?;

    cluster.lead(3).await?;
    cluster.lose(3)?;
    let healed = |shape: &Shape| shape.replicas(4) == 0 && shape.is_whole();
    shape = cluster.even("n4 lost for good", &shape, healed).await?;

    cluster.lose(4)?;
    sleep(Duration::from_secs(options.away_s)).await;
    cluster.start_one(4)?;
    let back = format!("n5 killed, back after {} s", options.away_s);
    let is_back = |shape: &Shape| shape.is_whole() && shape.replicas(5) > 0;
    shape = cluster.even(&back, &shape, is_back).await?;

    cluster.lead(0).await?;
    cluster.servers[0].stop().await?;
    cluster.start_one(0)?;
    shape = cluster.even("n1 handed over and started again", &shape, Shape::is_whole).await?;

    if setting.has_partitions() {
        cluster.lead(5).await?;
        setting.link(5, false)?;
        sleep(CUT).await;
        setting.heal(ALL)?;
        let cut = format!("n6 cut off for {} s", CUT.as_secs());
        shape = cluster.even(&cut, &shape, Shape::is_whole).await?;
    }

    cluster.client.remove_node(4).await?;
    let gone = |shape: &Shape| !shape.nodes.contains_key(&4);
    let last = cluster.even("n4 removed", &shape, gone).await?;
    cluster.judge(&last, written).await
}

impl Cluster {
    async fn start(options: &Options, setting: &Setting, folder: &Path) -> anyhow::Result<Self> {
        let addresses = setting.addresses(ALL)?;
        let member = |at: usize| format!("{}={}", name(at), addresses[at].peer);
        let members: Vec<String> = (0..FIRST).map(member).collect();
        let mut servers = Vec::new();
        for (at, address) in addresses.iter().enumerate() {
            let (address, members) = (address.clone(), members.join(","));
            let mut server = Server::new(at, address, &options.binary, folder, members)?;
            let split = options.split_mib.to_string();
            let replace = REPLACE_AFTER.to_string();
            let words = ["--split-mib", &split, "--replace-after-s", &replace];
            server.arguments = words.map(str::to_owned).to_vec();
            servers.push(server);
        }
        let endpoints: Vec<String> =
            addresses.iter().take(FIRST).map(|address| address.client.clone()).collect();
        let client = Client::lazy(endpoints.clone(), client::Options::default())?;
        let ledger = Arc::new(Ledger::new());
        for server in servers.iter_mut().take(FIRST) {
            server.start(setting)?;
        }
        println!("{}; clients ask {}", setting.describe(), endpoints.join(","));
        let began = Instant::now();
        while client.create_sharded_keyspace(KEYSPACE, Vec::new(), Some(3)).await.is_err() {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("no keyspace after a minute");
            }
            sleep(Duration::from_millis(200)).await;
        }
        let load = Load::begin(&endpoints, &ledger, (options.clients, options.seed))?;
        let here = (0..ALL).map(|at| at < FIRST).collect();
        let setting = setting.clone();
        Ok(Self { setting, servers, here, client, ledger, load, registry: None })
    }

    /// Adds a server and starts it.
    async fn join(&mut self, at: usize) -> anyhow::Result<()> {
        let peer = self.servers[at].addresses.peer.clone();
        let began = Instant::now();
        // Refused until the one before is heard.
        while let Err(error) = self.client.add_node(&peer).await {
            if began.elapsed() > Duration::from_secs(60) {
                return Err(error).context("a server could not be added");
            }
            sleep(Duration::from_millis(200)).await;
        }
        let others: Vec<String> =
            self.servers.iter().take(FIRST).map(|it| it.addresses.peer.clone()).collect();
        self.servers[at].arguments.extend(["--join".to_owned(), others.join(",")]);
        self.servers[at].members = format!("{}={peer}", name(at));
        self.start_one(at)
    }

    fn start_one(&mut self, at: usize) -> anyhow::Result<()> {
        self.is_here(at, true);
        self.servers[at].start(&self.setting)
    }

    fn lose(&mut self, at: usize) -> anyhow::Result<()> {
        // Clients notice it by themselves, and only then.
        let killed = self.servers[at].kill();
        self.is_here(at, false);
        killed
    }

    fn is_here(&mut self, at: usize, here: bool) {
        self.here[at] = here;
        if let Some(registry) = &self.registry {
            registry.is_here(at, here);
        }
    }

    /// Has so many instances registered, and watched.
    async fn register(&mut self, instances: u64) -> anyhow::Result<()> {
        if instances > 0 {
            let clients = self.servers.iter().map(|it| it.addresses.client.clone()).collect();
            let fleet = Fleet::begin(instances, clients, FIRST, &self.ledger).await?;
            self.registry = Some(fleet);
        }
        Ok(())
    }

    /// Has a server lead the registry's region, where there is a registry: what happens to it next then
    /// happens to the registry's leader.
    async fn lead(&self, at: usize) -> anyhow::Result<()> {
        match &self.registry {
            Some(_) => lead::lead(&self.client, &self.servers, &self.here, at).await,
            None => Ok(()),
        }
    }

    async fn shape(&self) -> anyhow::Result<Shape> {
        let here = self.servers.iter().zip(&self.here).filter(|(_, here)| **here);
        let addresses = here.map(|(server, _)| server.addresses.client.as_str());
        shape::look(&self.client, addresses).await
    }

    /// Waits until `is_done`, and until replicas and leaders are even and stay so; tells how long that
    /// took and what it was like meanwhile.
    async fn even(
        &mut self,
        what: &str,
        before: &Shape,
        is_done: impl Fn(&Shape) -> bool,
    ) -> anyhow::Result<Shape> {
        let began = Instant::now();
        let mut last: Option<Shape> = None;
        loop {
            sleep(Duration::from_secs(2)).await;
            let shape = self.shape().await;
            let Ok(shape) = shape else { continue };
            let calm = is_done(&shape) && shape.is_even();
            if calm && last.as_ref().is_some_and(|last| last.homes == shape.homes) {
                self.told(
                    &format!("{what} ({:.0} s)", began.elapsed().as_secs_f64()),
                    before,
                    &shape,
                );
                return Ok(shape);
            }
            if began.elapsed() > PHASE {
                self.told(&format!("{what}: NOT DONE"), before, &shape);
                bail!("{what}: not done after {PHASE:?}; {shape}");
            }
            last = Some(shape);
        }
    }

    fn told(&mut self, what: &str, before: &Shape, now: &Shape) {
        let (gap, key) = self.load.longest_gap();
        let moved = now.moved_since(before);
        println!("{what}");
        println!("  {now}");
        println!(
            "  replicas placed anew {moved}; longest pause of a key {gap:.2} s ({key}); \
            {} writes of the watch so far",
            self.load.written()
        );
        let processes: Vec<Option<u32>> = self.servers.iter().map(Server::pid).collect();
        if let Some(registry) = &mut self.registry {
            println!("  {}", registry.phase(what, &processes));
        }
    }

    /// Ends the clients and looks whether all is there.
    async fn judge(mut self, shape: &Shape, written: u64) -> anyhow::Result<bool> {
        self.ledger.stop();
        let mut wrong = self.load.end().await?;
        if let Some(registry) = self.registry.take() {
            let here: Vec<usize> = (0..ALL).filter(|at| self.here[*at]).collect();
            let stood_still = self
                .servers
                .iter()
                .map(|it| it.log_since(0).matches("this process stood still").count());
            println!("{}", registry.end(&here, stood_still.sum()).await);
        }
        wrong.append(&mut self.ledger.violations.lock());
        let wide = self.client.in_keyspace(KEYSPACE)?;
        let mut state = State::new();
        let keys: Vec<String> = self.ledger.counters.lock().keys().cloned().collect();
        for key in keys {
            let found = wide.get(Get::key(key.clone())).await?;
            state.extend(found.kvs.into_iter().map(|kv| (key.clone(), kv)));
        }
        let counted = verify::counters::verify(&self.ledger, &state, &mut wrong);
        let checked = verify::histories::verify(&self.ledger, &mut wrong);
        let mut filled = 0;
        let mut pages = wide.pages(Get::prefix(""), false, None);
        while let Some(page) = pages.next().await? {
            filled += page.iter().filter(|kv| load::is_filling(&kv.key)).count() as u64;
        }
        if filled != written {
            wrong.push(format!("{filled} of {written} acknowledged keys are there"));
        }
        for (server, here) in self.servers.iter_mut().zip(&self.here) {
            // Who was ended for good may have said something before.
            wrong.extend(if *here { server.findings() } else { server.accidents() });
        }
        if !shape.is_whole() {
            wrong.push("a region lacks replicas".to_owned());
        }
        println!("{checked:?}\n{counted:?}");
        println!("keys written to fill: {written}, all there: {}", filled == written);
        println!("counters: {COUNTERS}; requests: {:?}", self.ledger.counts.lock());
        println!("errors: {:?}", self.ledger.errors.lock());
        for wrong in &wrong {
            println!("WRONG: {wrong}");
        }
        Ok(wrong.is_empty())
    }
}
