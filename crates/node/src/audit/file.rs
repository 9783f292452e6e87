//! The file that is written, and those before it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `audit.log`, and `audit.log.1` and so on, the older the higher.
pub(super) struct Files {
    path: PathBuf,
    most_bytes: u64,
    most_files: usize,
    open: Option<(File, u64)>,
}

impl Files {
    pub(super) fn new(path: PathBuf, most_bytes: u64, most_files: usize) -> Self {
        Self { path, most_bytes: most_bytes.max(1), most_files: most_files.max(1), open: None }
    }

    fn older(&self, number: usize) -> PathBuf {
        let mut name: OsString = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Appends lines; begins another file first, if these would make it too large. After an error the file is
    /// opened anew with the next lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let done = self.try_append(lines);
        if done.is_err() {
            self.open = None;
        }
        done
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        let more = lines.len() as u64;
        let (mut file, mut size) = match self.open.take() {
            // Whoever moves it away wants another one.
            Some(open) if is_at(&open.0, &self.path) => open,
            _ => open(&self.path)?,
        };
        if size > 0 && size + more > self.most_bytes {
            drop(file);
            self.rotate()?;
            (file, size) = open(&self.path)?;
        }
        file.write_all(lines)?;
        self.open = Some((file, size + more));
        Ok(())
    }

    /// The oldest one goes.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.most_files).rev() {
            let from = if number == 1 { self.path.clone() } else { self.older(number - 1) };
            match fs::rename(from, self.older(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.most_files == 1 {
            fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

/// Whether this is the file that is there.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (own.dev(), own.ino()) == (there.dev(), there.ino())
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}
