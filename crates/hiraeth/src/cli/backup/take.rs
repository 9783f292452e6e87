//! Taking a backup of a cluster that serves.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use client::native::{BackupRange, NodeInfo, NodeStatusResponse};
use client::{BackupChunks, Client};
use node::backup::{BackupWriter, Begin, Gathered, Scope};
use node::types::{KeyRange, KeyspaceId};

use super::super::failure::{Done, Usage};
use super::super::remote::Remote;
use super::base::Base;
use super::file::Unfinished;
use super::{contents, show};

type Writer = BackupWriter<BufWriter<File>>;

/// How often all nodes are asked for what is missing of sharded keyspaces: regions move meanwhile.
const ROUNDS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// Ranges asked for at once.
const RANGES: usize = 10_000;
/// Bytes of their keys: with what is told of an earlier backup there is less than a server reads.
const RANGE_BYTES: usize = 4 << 20;

pub(super) async fn take(
    remote: &Remote,
    path: &Path,
    base: Option<&Path>,
) -> anyhow::Result<Done> {
    let client = remote.client()?;
    let base = base.map(Base::read).transpose()?;
    let status = client.any_node_status().await?;
    if let Some(base) = &base {
        base.must_be_of(&status, remote)?;
    }
    let keyspace = remote.keyspace().unwrap_or_default();
    let only = match keyspace {
        "" => None,
        name => Some(find(&client, name).await?),
    };
    let (unfinished, file) = Unfinished::begin(path)?;
    let (mut out, mut first) = (Some(file), None);
    // From whichever node gives all of it.
    let mut tried = Vec::new();
    for address in &remote.endpoints {
        let Some(file) = out.take() else { break };
        let begin = begin(keyspace, &status, base.as_ref());
        match first_node(&client, address, (keyspace, base.as_ref()), (file, begin)).await {
            Ok(done) => {
                first = Some(done);
                break;
            }
            Err(error) => tried.push((address, error)),
        }
        // From the front again.
        out = Some(unfinished.anew()?);
    }
    let Some((mut writer, mut gathered)) = first else {
        return match tried.len() {
            1 => Err(tried.remove(0).1),
            _ => {
                let all = tried.iter().map(|(address, error)| format!("{address}: {error:#}"));
                bail!("no server gave a backup: {}", all.collect::<Vec<_>>().join("; "))
            }
        };
    };
    if let Some((id, true)) = only {
        gathered.expect(id);
    }
    the_rest(&client, remote, base.as_ref(), &mut writer, &mut gathered).await?;
    let (file, _) = writer.end()?;
    let temporary = unfinished.temporary().to_owned();
    // What was written, as a restore will read it.
    file.get_ref().sync_all().with_context(|| format!("{}", temporary.display()))?;
    let found = contents(&temporary)?;
    if let Some(base) = &base {
        base.is_behind(&path.display().to_string(), &found)?;
    }
    unfinished.finish(file)?;
    show::contents(remote.output, &found)?;
    Ok(Done::Well)
}

/// A keyspace's number, and whether it is sharded.
async fn find(client: &Client, name: &str) -> anyhow::Result<(KeyspaceId, bool)> {
    let all = client.keyspaces().await?;
    let found = all.iter().find(|keyspace| keyspace.name == name);
    let found = found.map(|it| (KeyspaceId(it.id), it.sharded));
    found.ok_or_else(|| {
        let names: Vec<_> = all.into_iter().map(|keyspace| keyspace.name).collect();
        Usage(format!("there is no keyspace {name:?}; there are {}", names.join(", "))).into()
    })
}

fn begin(keyspace: &str, status: &NodeStatusResponse, base: Option<&Base>) -> Begin {
    let scope = if keyspace.is_empty() { Scope::Cluster } else { Scope::Keyspace };
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let made_by = format!("hiraeth {}", env!("CARGO_PKG_VERSION"));
    let nodes = status.marks.iter().cloned().collect();
    let (cluster, since) = (status.cluster.clone(), base.map(Base::since));
    Begin { cluster, nodes, since, ..Begin::new(scope, at_ms, made_by) }
}

async fn first_node(
    client: &Client,
    address: &str,
    (keyspace, base): (&str, Option<&Base>),
    (file, begin): (BufWriter<File>, Begin),
) -> anyhow::Result<(Writer, Gathered)> {
    let mut chunks = client.backup(address, keyspace, Vec::new(), base.map(Base::request)).await?;
    let mut writer = BackupWriter::begin(file, begin)?;
    let mut gathered = Gathered::default();
    copy(&mut chunks, &mut writer, &mut gathered).await?;
    Ok((writer, gathered))
}

/// Writes what one node sends.
async fn copy(
    chunks: &mut BackupChunks,
    writer: &mut Writer,
    gathered: &mut Gathered,
) -> anyhow::Result<()> {
    while let Some(chunk) = chunks.next().await? {
        writer.chunk(&chunk, gathered)?;
    }
    if writer.is_midway() {
        bail!("the server ended in the middle of a part");
    }
    Ok(())
}

/// Asks all nodes for what is still missing of sharded keyspaces.
async fn the_rest(
    client: &Client,
    remote: &Remote,
    base: Option<&Base>,
    writer: &mut Writer,
    gathered: &mut Gathered,
) -> anyhow::Result<()> {
    let mut last = None;
    for round in 0..ROUNDS {
        if gathered.missing()?.is_empty() {
            return Ok(());
        }
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let nodes = client.any_node_status().await?.nodes;
        for address in addresses(remote, &nodes) {
            let missing = gathered.missing()?;
            if missing.is_empty() {
                return Ok(());
            }
            let ranges = at_once(missing);
            // One that breaks off in a part leaves nothing that could go on.
            let since = base.map(Base::request);
            match client.backup(&address, "", ranges, since).await {
                Ok(mut chunks) => copy(&mut chunks, writer, gathered).await?,
                Err(error) => last = Some((address, error)),
            }
        }
    }
    let Some((keyspace, KeyRange { start, .. })) = gathered.missing()?.into_iter().next() else {
        return Ok(());
    };
    let why = last.map(|(address, error)| format!(" ({address}: {error})")).unwrap_or_default();
    bail!(
        "no server has the keys of the sharded keyspace {keyspace} from {:?} on{why}: look at `hiraeth \
         status`, and take the backup again when all regions serve",
        String::from_utf8_lossy(&start)
    )
}

/// As many as one request may have; the others are asked for once these came.
fn at_once(missing: Vec<(KeyspaceId, KeyRange)>) -> Vec<BackupRange> {
    let mut bytes = 0;
    let mut fits = |range: &KeyRange| {
        bytes += range.start.len() + range.end.as_ref().map_or(0, |end| end.len());
        bytes <= RANGE_BYTES
    };
    let ranges = missing.into_iter().take(RANGES).take_while(|(_, range)| fits(range));
    let named = ranges.map(|(keyspace, range)| BackupRange {
        keyspace: keyspace.get(),
        start: range.start,
        end: range.end,
    });
    named.collect()
}

fn addresses(remote: &Remote, nodes: &[NodeInfo]) -> Vec<String> {
    let told = nodes.iter().map(|node| &node.client_address).filter(|it| !it.is_empty());
    let mut all: Vec<String> = Vec::new();
    for address in told.chain(&remote.endpoints) {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{KeyRange, KeyspaceId, RANGE_BYTES, RANGES, at_once};

    fn named(count: usize, length: usize) -> (usize, usize) {
        let key = Bytes::from(vec![b'k'; length]);
        let range = KeyRange { start: key.clone(), end: Some(key) };
        let ranges = at_once(vec![(KeyspaceId(7), range); count]);
        let bytes = ranges.iter().map(|it| it.start.len() + it.end.as_ref().unwrap().len());
        (ranges.len(), bytes.sum())
    }

    #[test]
    fn ranges_that_one_request_cannot_have_are_left_for_the_next() {
        assert_eq!(named(40, 50_000), (40, 4_000_000));
        let (count, bytes) = named(400, 65_526);
        assert!(count > 30 && bytes <= RANGE_BYTES, "{count} of {bytes} bytes");
        assert_eq!(named(RANGES + 1, 1).0, RANGES);
    }
}
