//! The bytes on disk, and a story a person can read. `UPDATE=1` writes the files anew; a change of
//! `wal_format.txt` is a change of the format.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};

use storage::wal::{Error, Wal, Write};
use types::{Index, RegionId, Term};

use super::bed::{compact, entries, entry, hard, open, remove, reset, segment, small};
use crate::fault_disk::{FaultDisk, Random};

fn compare(file: &str, found: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/testdata").join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{} says something else; UPDATE=1 writes it anew", path.display());
}

/// Rows of 16 bytes; rows of zeros are left out.
fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (number, row) in bytes.chunks(16).enumerate() {
        if row.iter().all(|byte| *byte == 0) {
            continue;
        }
        let text: String = row
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
            .collect();
        let row: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "{:06x}  {}  {text}", number * 16, row.join(" ")).unwrap();
    }
    out
}

#[test]
fn the_bytes_on_disk_are_those_of_the_document() {
    let disk = FaultDisk::new(512);
    let (mut wal, _) = open(&disk, small()).unwrap();
    let first = Write {
        region: RegionId(0x11),
        hard_state: Some(hard(0x21, 0x22, 0x23)),
        entries: vec![entry(1, 0x21, b"one"), entry(2, 0x21, b"second")],
        ..Write::default()
    };
    wal.append(&[first, reset(0x12, 0x31, 0x32)]).unwrap();
    wal.sync().unwrap();
    wal.append(&[compact(0x11, 1, 0x21), remove(0x12)]).unwrap();
    let third = Write { generation: Some(0x41), ..reset(0x13, 0x51, 0x52) };
    wal.append(&[third]).unwrap();
    wal.settle().unwrap();
    compare("wal_format.txt", &hex(&disk.contents(&segment(1))));
}

/// Today's program reads the file of `wal_format.txt`, whoever wrote it.
#[test]
fn the_golden_file_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/testdata/wal_format.txt");
    let mut bytes = vec![0; 64 << 10];
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let at = usize::from_str_radix(&line[..6], 16).unwrap();
        for (byte, text) in bytes[at..].iter_mut().zip(line[8..8 + 47].split(' ')) {
            *byte = u8::from_str_radix(text, 16).unwrap();
        }
    }
    let disk = FaultDisk::new(512);
    disk.overwrite(&segment(1), &bytes);
    let (wal, held) = open(&disk, small()).unwrap();
    assert_eq!(held.keys().collect::<Vec<_>>(), [&RegionId(0x11), &RegionId(0x13)]);
    let said: Vec<_> = held.values().map(|log| log.generation).collect();
    assert_eq!(said, [None, Some(0x41)]);
    let read = wal.reader().entries(RegionId(0x11), Index(2), Index(3), 100).unwrap();
    assert_eq!(read, [entry(2, 0x21, b"second")]);
    // The same, made by a later version.
    bytes[8] = 2;
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    disk.overwrite(&segment(1), &bytes);
    let error = open(&disk, small()).unwrap_err();
    assert!(matches!(error, Error::Newer { version: 2, known: 1, .. }));
    assert!(error.to_string().contains("start the version of the program that wrote it"));
}

/// A log and what is told of it: after each step, what is not as before.
struct Story {
    disk: FaultDisk,
    wal: Option<Wal>,
    text: String,
    before: Vec<String>,
}

impl Story {
    fn tell(&mut self, what: &str, result: Result<(), Error>) {
        writeln!(self.text, "> {what}").unwrap();
        if let Err(error) = result {
            writeln!(self.text, "  {error}").unwrap();
        }
        let Some(wal) = &self.wal else { return };
        let now = picture(wal);
        for line in now.iter().filter(|line| !self.before.contains(line)) {
            writeln!(self.text, "  {line}").unwrap();
        }
        self.before = now;
    }

    fn append(&mut self, what: &str, writes: &[Write]) {
        let result = self.wal.as_mut().unwrap().append(writes);
        self.tell(what, result);
    }

    fn sync(&mut self) {
        let result = self.wal.as_mut().unwrap().sync();
        self.tell("sync", result);
    }

    fn reclaim(&mut self) {
        let mut result = Ok(());
        for _ in 0..100 {
            let wal = self.wal.as_mut().unwrap();
            match wal.sync().and_then(|()| wal.reclaim()) {
                Ok(done) if done.more => {}
                other => {
                    result = other.map(drop);
                    break;
                }
            }
        }
        self.tell("sync and reclaim until there is no more to do", result);
    }

    fn open(&mut self, what: &str) {
        let result = open(&self.disk, small()).map(|(wal, _)| self.wal = Some(wal));
        self.tell(what, result);
    }
}

fn picture(wal: &Wal) -> Vec<String> {
    let reader = wal.reader();
    let mut lines: Vec<String> = reader
        .regions()
        .iter()
        .map(|status| {
            let log = status.log;
            let hard = log.hard_state.map_or("no hard state".into(), |hard| {
                let vote = hard.vote.map_or("nobody".into(), |peer| format!("peer {peer}"));
                format!("term {}, vote for {vote}, commit {}", hard.term, hard.commit)
            });
            let (region, first, last) = (status.region, log.first, log.last);
            let terms = format!("{} before, {} at the end", log.prev_term, log.last_term);
            format!("region {region}: [{first}, {last}], terms {terms}; {hard}")
        })
        .collect();
    let stats = reader.stats();
    let (regions, segments, spares) = (stats.regions, stats.segments, stats.spares);
    let (written, needed) = (stats.bytes >> 10, stats.live_bytes >> 10);
    lines.push(format!(
        "{regions} regions in {segments} segments, {spares} spares; {written} KiB, {needed} of \
         them needed"
    ));
    lines
}

#[test]
fn a_story_of_two_regions() {
    let disk = FaultDisk::new(512);
    let mut story = Story { disk, wal: None, text: String::new(), before: Vec::new() };
    story.open("open an empty directory");
    let vote = |region, term| Write {
        region: RegionId(region),
        hard_state: Some(hard(term, 7, 0)),
        ..Write::default()
    };
    story.append("both regions vote", &[vote(1, 1), vote(2, 1)]);
    story.append("region 1 gets 3 entries", &[entries(1, 1, 3, 1, 100)]);
    story.append("and with a gap", &[entries(1, 5, 5, 1, 100)]);
    story.append("a new leader replaces entry 3", &[entries(1, 3, 4, 2, 100)]);
    story.sync();
    story.append("region 2 is busy", &[entries(2, 1, 300, 1, 150)]);
    story.append("and goes on", &[entries(2, 301, 600, 1, 150)]);
    story.append("and goes on", &[entries(2, 601, 900, 1, 150)]);
    story.append("and goes on", &[entries(2, 901, 1200, 1, 150)]);
    story.append("and compacts", &[compact(2, 1190, 1)]);
    story.reclaim();
    story.append("region 2 installs a snapshot, not synced", &[reset(2, 5000, 9)]);
    story.wal = None;
    let mut random = Random::new(0);
    let restarted = story.disk.clone();
    restarted.restart(&mut random);
    story.open("the power fails; open again");
    story.append("region 2 is destroyed", &[remove(2)]);
    story.reclaim();
    story.disk.fail_syncs(1);
    story.append("region 1 gets an entry", &[entries(1, 5, 5, 2, 100)]);
    story.sync();
    story.append("the disk has recovered, the log has not", &[entries(1, 6, 6, 2, 100)]);
    let term = story.wal.as_ref().unwrap().reader().term(RegionId(1), Index(2)).unwrap();
    assert_eq!(term, Term(1), "readers go on");
    compare("wal_story.txt", &story.text);
}
