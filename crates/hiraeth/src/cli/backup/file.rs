//! A file that has its name only once it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// A file that is being written. Dropped, it goes.
pub(in super::super) struct Unfinished {
    path: PathBuf,
    temporary: PathBuf,
    done: bool,
}

impl Unfinished {
    /// Begins the file that will be `path`; refuses if there is one.
    pub(in super::super) fn begin(path: &Path) -> anyhow::Result<(Self, BufWriter<File>)> {
        if path.exists() {
            bail!("{} is there already: give another name, or move it away", path.display());
        }
        let Some(name) = path.file_name() else { bail!("{} is no file's name", path.display()) };
        let mut temporary = name.to_owned();
        temporary.push(".partial");
        let temporary = path.with_file_name(temporary);
        let unfinished = Self { path: path.to_owned(), temporary, done: false };
        let file = unfinished.anew()?;
        Ok((unfinished, file))
    }

    /// The file without what was written to it.
    pub(in super::super) fn anew(&self) -> anyhow::Result<BufWriter<File>> {
        // One that an earlier attempt left is of no use.
        let open = OpenOptions::new().write(true).create(true).truncate(true).open(&self.temporary);
        let file = open.with_context(|| format!("{} cannot be made", self.temporary.display()))?;
        Ok(BufWriter::with_capacity(1 << 20, file))
    }

    /// The file as it was written.
    pub(in super::super) fn reopen(&self) -> anyhow::Result<BufWriter<File>> {
        let open = OpenOptions::new().append(true).open(&self.temporary);
        let file =
            open.with_context(|| format!("{} cannot be opened", self.temporary.display()))?;
        Ok(BufWriter::new(file))
    }

    /// Where it is until then.
    pub(in super::super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name, durably.
    pub(in super::super) fn finish(mut self, out: BufWriter<File>) -> anyhow::Result<()> {
        let temporary = self.temporary.clone();
        let failed = || format!("{} cannot be finished", temporary.display());
        let mut out = out;
        out.flush().with_context(failed)?;
        out.get_ref().sync_all().with_context(failed)?;
        drop(out);
        self.name().with_context(failed)?;
        self.done = true;
        Ok(())
    }

    fn name(&self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed has a name that says what it is.
            drop(fs::remove_file(&self.temporary));
        }
    }
}
