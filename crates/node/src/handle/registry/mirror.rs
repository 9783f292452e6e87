//! What the home of a sharded registry says of nodes, told to the shards that have something on them. Who
//! changes a node has this done before it is answered; what changes by time is told by the home's leader
//! ([`crate::registry::mirrors`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use state::command::Command;
use state::registry::{Mirror, Name, Registries, Registry, RegistryCommand};
use types::{Code, Fault, Revision, limits};

use super::super::Handle;
use crate::answer::Consistency;
use crate::registry::Parts;
use crate::shard::Shard;

/// How often a node may change between two looks at it, before who wants it known somewhere gives up.
const LOOKS: usize = 8;
/// Nodes that are compared at one look at each part.
const COMPARED: usize = 1_024;
/// Bytes that checks have to say in one command, about, if it is of more than one node.
const PORTION: usize = 256 << 10;

impl Handle {
    /// Has the shards that know any of these nodes know it as the home does. Once this has answered, a
    /// question that comes then is answered by nothing older than the home was at the call.
    pub(crate) async fn tell_shards(&self, parts: &Parts, names: &[Name]) -> Result<(), Fault> {
        for some in names.chunks(limits::REGISTRY_MIRRORS) {
            self.tell(parts, some, None).await?;
        }
        Ok(())
    }

    /// Has a shard know a node, and be in no doubt about it: once it does, whoever changes the node
    /// afterwards finds it there.
    ///
    /// # Errors
    /// `NodeUnknown` where the home does not know it.
    pub(super) async fn settle(
        &self,
        parts: &Parts,
        name: &Name,
        shard: usize,
    ) -> Result<(), Fault> {
        for _ in 0..LOOKS {
            let (is_known, is_told) =
                self.tell(parts, std::slice::from_ref(name), Some(shard)).await?;
            if !is_known {
                return Err(Fault::new(
                    Code::NodeUnknown,
                    format!("the node {name:?} is not known"),
                ));
            }
            if !is_told {
                return Ok(());
            }
        }
        let detail = format!("the node {name:?} changes all the time");
        Err(Fault::new(Code::Timeout, detail))
    }

    /// Tells the shards that know any of the nodes, and `also`. Answers whether the home knows the first, and
    /// whether `also` had to be told anything.
    async fn tell(
        &self,
        parts: &Parts,
        names: &[Name],
        also: Option<usize>,
    ) -> Result<(bool, bool), Fault> {
        let shards = self.registry_shards(parts.home).await?;
        let mut found = self.differing(&shards, names, also).await?;
        if found.is_ahead() {
            // Somebody told it something newer meanwhile. If the home, asked after that was seen, is still
            // behind it, they are of different lives, as after a restore: then the home is right, from
            // there on.
            let seen = found.news;
            found = self.differing(&shards, names, also).await?;
            for (number, news) in &mut found.news {
                let before = seen.iter().filter(|(at, _)| at == number).flat_map(|(_, news)| news);
                let before: BTreeMap<&Name, Revision> =
                    before.map(|(mirror, takes_from)| (&mirror.name, *takes_from)).collect();
                for (mirror, _) in news {
                    let floor = before.get(&mirror.name).copied();
                    mirror.at = floor.map_or(mirror.at, |floor| mirror.at.max(floor));
                }
            }
        }
        let is_told = found.news.iter().any(|(number, _)| also == Some(*number));
        let told = found.news.into_iter().filter_map(|(number, news)| {
            let keyspace = parts.at(number)?;
            let mirrors = news.into_iter().map(|(mirror, _)| mirror).collect();
            Some(async move {
                for some in portions(mirrors) {
                    let command = Command::Registry(RegistryCommand::Mirror(some));
                    self.propose_in(keyspace, command).await?;
                }
                Ok::<_, Fault>(())
            })
        });
        try_join_all(told).await?;
        Ok((found.is_known, is_told))
    }

    /// What the shards that know any of the nodes, and `also`, have otherwise than the home says.
    async fn differing(
        &self,
        shards: &[Arc<Shard>],
        names: &[Name],
        also: Option<usize>,
    ) -> Result<Differing, Fault> {
        self.confirm_all(shards, Consistency::Linearizable).await?;
        let (mut found, header) = self.ask_here(shards, |all| {
            // All of it at one look: its revision is that of the answer's header.
            let mirrors: Vec<Mirror> = all
                .at_home(|home| names.iter().map(|name| home.mirror(name, Revision(0))).collect());
            let is_known = mirrors.first().is_some_and(|first| first.node.is_some());
            let differs = |number: usize, shard: &Registry, mirror: &Mirror| {
                let is_there = shard.node_record(&mirror.name).is_some();
                (also == Some(number) || is_there) && !shard.agrees(mirror)
            };
            let news = (1..shards.len()).filter_map(|number| {
                let news: Vec<(Mirror, Revision)> = all.at(number, |shard| {
                    let differing = mirrors.iter().filter(|it| differs(number, shard, it));
                    differing.map(|it| (it.clone(), shard.takes_from(&it.name))).collect()
                })?;
                (!news.is_empty()).then_some((number, news))
            });
            Differing { news: news.collect(), is_known }
        })?;
        for (mirror, _) in found.news.iter_mut().flat_map(|(_, news)| news) {
            mirror.at = header.revision;
        }
        Ok(found)
    }

    /// Every node that the shards here know otherwise than the home does, as far as the copies here tell.
    pub(crate) async fn told_otherwise(&self, parts: &Parts) -> Result<Vec<Name>, Fault> {
        let shards = self.registry_shards(parts.home).await?;
        let numbers = 1..shards.len();
        let known = |all: Registries<'_>| -> Vec<Name> {
            let nodes = |number| all.at(number, |shard| shard.nodes(&[]).value);
            let nodes = numbers.clone().filter_map(nodes).flatten();
            nodes.map(|node| Name::clone(&node.name)).collect()
        };
        let mut names = self.ask_here(&shards, known)?.0;
        names.sort();
        names.dedup();
        let mut others = Vec::new();
        for some in names.chunks(COMPARED) {
            let compare = |all: Registries<'_>| {
                let says: Vec<Mirror> = all.at_home(|home| {
                    some.iter().map(|name| home.mirror(name, Revision(0))).collect()
                });
                let is_other = |shard: &Registry, mirror: &&Mirror| {
                    shard.node_record(&mirror.name).is_some() && !shard.agrees(mirror)
                };
                let others = |shard: &Registry| {
                    let others = says.iter().filter(|mirror| is_other(shard, mirror));
                    others.map(|mirror| Name::clone(&mirror.name)).collect::<Vec<Name>>()
                };
                numbers.clone().filter_map(|number| all.at(number, others)).flatten().collect()
            };
            let found: Vec<Name> = self.ask_here(&shards, compare)?.0;
            others.extend(found);
            // There may be many, and others have work, too.
            tokio::task::yield_now().await;
        }
        Ok(others)
    }
}

/// What of a home's nodes shards know otherwise.
struct Differing {
    /// For each shard by its number: what it is to be told, and from which revision on it takes that.
    news: Vec<(usize, Vec<(Mirror, Revision)>)>,
    /// Whether the home knows the first node that was asked about.
    is_known: bool,
}

impl Differing {
    /// Whether a shard was told something newer than the home says.
    fn is_ahead(&self) -> bool {
        let mut news = self.news.iter().flat_map(|(_, news)| news);
        news.any(|(mirror, takes_from)| mirror.at < *takes_from)
    }
}

/// As many as go into one command: checks have much to say.
fn portions(mirrors: Vec<Mirror>) -> Vec<Vec<Mirror>> {
    let mut all: Vec<Vec<Mirror>> = Vec::new();
    let mut left = 0_usize;
    for mirror in mirrors {
        let checks = mirror.node.iter().flat_map(|(_, checks)| checks);
        let bytes: usize = checks.map(|it| 256 + it.output.len() + it.notes.len()).sum();
        match all.last_mut() {
            Some(last) if bytes <= left => last.push(mirror),
            _ => {
                left = PORTION;
                all.push(vec![mirror]);
            }
        }
        left = left.saturating_sub(bytes);
    }
    all
}
