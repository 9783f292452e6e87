//! A file that has its name only once it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

/// Bytes that are written together.
const BUFFER: usize = 1 << 20;
/// For its owner only: in a backup is all that the cluster has, users' hashes of passwords too.
const MODE: u32 = 0o600;

/// A file that is being written. Dropped, it goes.
pub(in super::super) struct Unfinished {
    path: PathBuf,
    temporary: PathBuf,
    done: bool,
}

impl Unfinished {
    /// Begins the file that will be `path`; refuses if there is one, or if one is being written.
    pub(in super::super) fn begin(path: &Path) -> anyhow::Result<(Self, BufWriter<File>)> {
        if path.symlink_metadata().is_ok() {
            bail!(taken(path));
        }
        let Some(name) = path.file_name() else { bail!("{} is no file's name", path.display()) };
        let mut temporary = name.to_owned();
        temporary.push(".partial");
        let temporary = path.with_file_name(temporary);
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => anyhow!(
                "{} is there already: a backup of that name is being written, or one was broken off; \
                 remove it if nothing writes to it",
                temporary.display()
            ),
            _ => anyhow!(error).context(format!("{} cannot be made", temporary.display())),
        })?;
        let unfinished = Self { path: path.to_owned(), temporary, done: false };
        Ok((unfinished, BufWriter::with_capacity(BUFFER, file)))
    }

    /// The file without what was written to it.
    pub(in super::super) fn anew(&self) -> anyhow::Result<BufWriter<File>> {
        let open = OpenOptions::new().write(true).truncate(true).open(&self.temporary);
        let file =
            open.with_context(|| format!("{} cannot be opened", self.temporary.display()))?;
        Ok(BufWriter::with_capacity(BUFFER, file))
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
        // Whoever made a file of this name meanwhile keeps it, where file systems know a second name.
        match fs::hard_link(&self.temporary, &self.path) {
            Ok(()) => fs::remove_file(&self.temporary)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(io::Error::new(error.kind(), taken(&self.path)));
            }
            Err(_) => fs::rename(&self.temporary, &self.path)?,
        }
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn taken(path: &Path) -> String {
    format!("{} is there already: give another name, or move it away", path.display())
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed has a name that says what it is.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::Unfinished;

    #[test]
    fn a_file_is_its_owners_and_takes_no_others_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let (unfinished, mut file) = Unfinished::begin(&path).unwrap();
        let told = Unfinished::begin(&path).map(drop).unwrap_err().to_string();
        assert!(told.contains("backup.partial is there already: a backup of that name"), "{told}");
        file.write_all(b"one").unwrap();
        unfinished.finish(file).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let told = Unfinished::begin(&path).map(drop).unwrap_err().to_string();
        assert!(told.contains("backup is there already: give another name"), "{told}");

        // One that came while this one was written stays as it is.
        let other = directory.path().join("other");
        let (unfinished, file) = Unfinished::begin(&other).unwrap();
        fs::write(&other, "not ours").unwrap();
        let told = format!("{:#}", unfinished.finish(file).unwrap_err());
        assert!(told.contains("is there already"), "{told}");
        assert_eq!(fs::read(&other).unwrap(), b"not ours");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing else is left");
    }
}
