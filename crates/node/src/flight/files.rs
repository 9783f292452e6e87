use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, DiskFile, OpenMode};

/// Files kept; the oldest goes when a new one is begun.
const FILES: usize = 2;
const ENDING: &str = "flight";

/// The recorder's files, of which the last is written.
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file_bytes: u64,
    file: Box<dyn DiskFile>,
    number: u64,
    len: u64,
}

/// The files in `directory`, the oldest first.
pub(super) fn list(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let number = |path: &PathBuf| {
        let stem = path.file_stem()?.to_str()?;
        path.extension().filter(|it| *it == ENDING)?;
        Some((stem.parse::<u64>().ok()?, path.clone()))
    };
    let mut files: Vec<_> = disk.list(directory)?.iter().filter_map(number).collect();
    files.sort();
    Ok(files)
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.{ENDING}"))
}

impl Files {
    /// Goes on where an earlier process stopped.
    pub(super) fn open(disk: Arc<dyn Disk>, directory: &Path, file_bytes: u64) -> io::Result<Self> {
        disk.create_dir_all(directory)?;
        let last = list(disk.as_ref(), directory)?.pop();
        let number = last.map_or(1, |(number, _)| number);
        let file = disk.open(&path(directory, number), OpenMode::Create)?;
        let len = file.len()?;
        let directory = directory.to_path_buf();
        let mut files = Self { disk, directory, file_bytes, file, number, len };
        let mut end = [b'\n'];
        if len > 0 && files.file.read_at(len - 1, &mut end)? == 1 && end != [b'\n'] {
            // What is left of a line that was being written when the process died.
            files.append(b"\n")?;
        }
        Ok(files)
    }

    /// Adds whole lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.len > 0 && self.len.saturating_add(lines.len() as u64) > self.file_bytes {
            self.next()?;
        }
        self.file.write_at(self.len, lines)?;
        self.len += lines.len() as u64;
        Ok(())
    }

    fn next(&mut self) -> io::Result<()> {
        self.file = self.disk.open(&path(&self.directory, self.number + 1), OpenMode::Create)?;
        self.number += 1;
        self.len = self.file.len()?;
        let files = list(self.disk.as_ref(), &self.directory)?;
        for (_, old) in files.iter().rev().skip(FILES) {
            self.disk.remove(old)?;
        }
        Ok(())
    }

    /// Makes what was written survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        self.disk.sync_dir(&self.directory)
    }
}
