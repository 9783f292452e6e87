mod lives;
mod made;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use state::beginning::{Item, Progression, Versions, changes, item};
use state::kept::Version;
use state::response::{KeyValue, Position};
use storage::engine::{Engine as _, MemoryEngine, Snapshot};
use storage::snapshot::{CHUNK_BYTES, export_ranges};
use types::{Batch, KeyRange, KeyspaceId, LeaseId, NodeId, RegionId, Revision};

use self::made::{Ordered, Wide};
use super::super::bases::{Base, Bases, versions_up_to};
use super::super::header::{KeyspaceSince, Scope, Since};
use super::super::listing::{Listing, Stayed};
use super::super::{BackupWriter, Gathered, Marks, mark};
use super::*;

const ORDERED: KeyspaceId = KeyspaceId(3);
const REGION: RegionId = RegionId(9);
const WIDE: KeyspaceId = KeyspaceId(4);

type Bytesful = (Bytes, Bytes);

fn nodes() -> Marks {
    Marks::from([mark(NodeId(1), 7)])
}

/// A stream as a server sends it.
struct Sent {
    section: Section,
    ranges: Vec<Bytesful>,
    stayed: Option<Stayed>,
}

fn written(view: &Arc<dyn Snapshot>, base: Option<&Contents>, sent: Vec<Sent>) -> Vec<u8> {
    written_in(nodes(), view, base, sent)
}

/// The same, of a cluster of these nodes.
fn written_in(
    nodes: Marks,
    view: &Arc<dyn Snapshot>,
    base: Option<&Contents>,
    sent: Vec<Sent>,
) -> Vec<u8> {
    let since = base.map(|base| Since {
        hash: base.end.hash.clone(),
        at_ms: base.begin.at_ms,
        files: base.files(),
    });
    let begin = Begin::new(Scope::Keyspace, 7, "a test");
    let begin = Begin { cluster: "c".to_owned(), nodes, since, ..begin };
    let mut writer = BackupWriter::begin(Vec::new(), begin).unwrap();
    for Sent { section, ranges, stayed } in sent {
        let stayed = stayed.unwrap_or_else(|| Box::new(|_, _| Ok(false)));
        let marked = section.is_marked();
        let header = section.encode().unwrap();
        if marked {
            let listing = Box::new(Listing::new(Arc::clone(view), stayed));
            for chunk in export_ranges(listing, &ranges, header.into(), CHUNK_BYTES) {
                writer.chunk(&chunk.unwrap(), &mut Gathered::default()).unwrap();
            }
            continue;
        }
        let filled = writer.section(&section, |put| {
            for (from, to) in &ranges {
                let mut told = Ok(());
                view.scan(from, to, &mut |key, value| {
                    told = put(&key, &value);
                    told.is_ok()
                })
                .unwrap();
                told?;
            }
            Ok(())
        });
        filled.unwrap();
    }
    writer.end().unwrap().0
}

fn open(files: &[(&str, &[u8])]) -> Result<Chain, Error> {
    let file = |(name, bytes): &(&str, &[u8])| {
        let (name, bytes) = ((*name).to_owned(), Bytes::copy_from_slice(bytes));
        let open: Open = Box::new(move || Ok(Box::new(Cursor::new(bytes.clone()))));
        File { name, open }
    };
    Chain::open(files.iter().map(file).collect())
}

fn records(chain: &Chain) -> BTreeMap<Bytes, Bytes> {
    let mut all = Vec::new();
    chain
        .read(&mut |_, key, value| {
            all.push((key.clone(), value.clone()));
            Ok(())
        })
        .unwrap();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    all.into_iter().collect()
}

fn contents(file: &[u8]) -> Contents {
    Contents::read(file, &mut |_, _, _| Ok(())).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Write { key: u8, deleted: bool },
    Split { key: u8 },
    Compact { back: i64, swept: [bool; 2] },
    Lease { id: i64 },
    Backup { copy: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (1..9_u8, any::<bool>()).prop_map(|(key, deleted)| Step::Write { key, deleted }),
        1 => (1..9_u8).prop_map(|key| Step::Split { key }),
        2 => (0..9_i64, any::<[bool; 2]>()).prop_map(|(back, swept)| Step::Compact { back, swept }),
        1 => (1..4_i64).prop_map(|id| Step::Lease { id }),
        3 => (0..2_usize).prop_map(|copy| Step::Backup { copy }),
    ];
    proptest::collection::vec(step, 1..90)
}

proptest! {
    /// Whatever came between, and from whichever copy each was taken.
    #[test]
    fn a_chain_is_what_a_full_backup_is(steps in steps()) {
        let (mut ordered, mut wide) = (Ordered::new(), Wide::new());
        let mut files = [vec![ordered.backup(0, None)], vec![wide.backup(None)]];
        for step in steps.into_iter().chain([Step::Backup { copy: 0 }]) {
            match step {
                Step::Write { key, deleted } => {
                    ordered.write(key, deleted);
                    wide.write(key, deleted);
                }
                Step::Split { key } => wide.split(key),
                Step::Compact { back, swept } => {
                    ordered.compacted = ordered.compacted.max(ordered.revision - back);
                    let compacted = ordered.compacted;
                    for (own, _) in ordered.swept.iter_mut().zip(swept).filter(|(_, it)| *it) {
                        *own = compacted;
                    }
                }
                Step::Lease { id } => {
                    if !ordered.leases.remove(&id) {
                        ordered.leases.insert(id);
                    }
                }
                Step::Backup { copy } => {
                    let base = contents(files[0].last().unwrap());
                    files[0].push(ordered.backup(copy, Some(&base)));
                    let base = contents(files[1].last().unwrap());
                    files[1].push(wide.backup(Some(&base)));
                }
            }
        }
        let all = |files: &[Vec<u8>]| {
            let named: Vec<_> = files.iter().map(|file| ("file", file.as_slice())).collect();
            records(&open(&named).unwrap())
        };
        let full = all(&[ordered.backup(0, None)]);
        let (chain, full) = (all(&files[0]), ordered.readable(&full));
        prop_assert_eq!(ordered.readable(&chain), full);
        prop_assert_eq!(all(&files[1]), all(&[wide.backup(None)]));
    }
}

/// Full, and what came since, and what came since that.
fn three() -> [Vec<u8>; 3] {
    let mut ordered = Ordered::new();
    let mut files: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        (1..4).for_each(|key| ordered.write(key, false));
        let base = files.last().map(|file| contents(file));
        files.push(ordered.backup(0, base.as_ref()));
    }
    files.try_into().unwrap()
}

#[test]
fn a_chain_that_does_not_fit_is_refused_with_words_that_name_the_file() {
    let [full, first, second] = three();
    let [other, _, _] = three();
    assert_eq!(full, other, "nothing in it depends on when it was made");
    let mut elsewhere = Ordered::new();
    elsewhere.write(7, false);
    let stranger = elsewhere.backup(0, None);
    let told = |files: &[(&str, &Vec<u8>)]| {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        open(&files).map(|_| ()).unwrap_err().to_string()
    };
    let (full, first, second) = (("full", &full), ("first", &first), ("second", &second));
    assert!(open(&[(full.0, full.1), (first.0, first.1), (second.0, second.1)]).is_ok());
    for (files, wanted) in [
        (&[first][..], "first: it holds only what came since another backup"),
        (&[first, full], "first holds what came since full: give full right before it"),
        (&[full, second], "second does not go on from full: it holds what came since"),
        (&[full, second, first], "second holds what came since first: give first right before it"),
        (&[full, first, first], "first is given twice"),
        (&[full, full], "full is given twice"),
        (
            &[full, first, ("stranger", &stranger)],
            "stranger is a full backup and goes on from no other",
        ),
        (&[("stranger", &stranger), first], "first does not go on from stranger"),
        (&[full, ("cut off", &first.1[..first.1.len() / 2].to_vec())], "cut off: the backup is"),
        (&[], "this is no backup"),
    ] {
        let told = told(files);
        assert!(told.starts_with(wanted), "{told}, not {wanted}");
    }
    let many: Vec<_> = (0..=FILES).map(|_| (full.0, full.1.as_slice())).collect();
    assert!(matches!(open(&many), Err(Error::TooMany(count)) if count == FILES + 1));
}

/// Files that say they belong together, and do not: nobody makes them by accident, but a fault of ours might.
#[test]
fn what_contradicts_what_came_before_is_refused() {
    let mut ordered = Ordered::new();
    ordered.write(1, false);
    ordered.write(2, false);
    let full = ordered.backup(0, None);
    let mut base = contents(&full);
    let refused = |file: &[u8]| {
        let chain = open(&[("full", &full), ("since", file)]);
        chain.and_then(|chain| chain.contents()).map(|_| ()).unwrap_err().to_string()
    };
    base.keyspaces[0].revision = 2;
    let told = refused(&ordered.backup(0, Some(&base)));
    assert!(told.contains("in the keyspace \"ordered\""), "{told}");
    // A version that is said to have stayed, and was never there.
    base.keyspaces[0].revision = 3;
    ordered.write(1, false);
    ordered.compacted = 4;
    let mut forged = Ordered::new();
    (4..9).for_each(|key| forged.write(key, false));
    (forged.revision, forged.compacted) = (ordered.revision, ordered.compacted);
    let version = ordered.history.last_key_value().map(|(at, it)| (*at, it.clone())).unwrap();
    forged.history.retain(|at, _| at.revision.get() <= 3);
    forged.history.insert(version.0, version.1);
    forged.history.insert(
        Position { revision: Revision(3), sub: 1 },
        Version { position: Position { revision: Revision(3), sub: 1 }, key: "z".into(), kv: None },
    );
    let told = refused(&forged.backup(0, Some(&base)));
    assert!(told.contains("is as it was before, and no file before it has that record"), "{told}");
    // An older version among those that came.
    let section = |since| {
        Section::Keyspace(KeyspaceSection {
            keyspace: ORDERED.get(),
            name: "ordered".to_owned(),
            region: REGION.get(),
            machine: None,
            revision: ordered.revision,
            compacted: ordered.compacted,
            since: Some(KeyspaceSince { revision: since, listed: false }),
        })
    };
    let ranges = vec![state::keys::region_range(REGION)];
    let sent = vec![Sent { section: section(3), ranges, stayed: None }];
    let told = refused(&written(&ordered.copy(0), Some(&base), sent));
    assert!(told.contains("the record") && told.contains("where it is"), "{told}");
}
