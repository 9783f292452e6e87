//! A library preloaded into a server, by which its disk and its clock fail. What it is told to do and what
//! it tells are files in a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

use super::setup::tool;

const SOURCES: [(&str, &str); 4] = [
    ("faults.c", include_str!("../../shim/faults.c")),
    ("names.c", include_str!("../../shim/names.c")),
    ("power.c", include_str!("../../shim/power.c")),
    ("undo.c", include_str!("../../shim/undo.c")),
];
const HEADER: (&str, &str) = ("shim.h", include_str!("../../shim/shim.h"));

pub(crate) struct Shim {
    library: PathBuf,
    /// Where it looks for what to do.
    orders: PathBuf,
    /// What it looks after.
    data: PathBuf,
}

/// What went with the power, in sectors of 512 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Lost {
    pub(crate) power_cuts: u64,
    /// Written over and not synced.
    pub(crate) not_synced: u64,
    /// Of these, those that were again what they had been.
    pub(crate) went_back: u64,
    /// That files had grown by, not there or empty.
    pub(crate) growth_gone: u64,
    /// In how many files, those of each cut.
    pub(crate) files: u64,
    /// Names that were made, moved or removed, and were not.
    pub(crate) names_gone: u64,
}

impl Lost {
    /// Whether no power cut took anything: then none showed anything.
    pub(crate) fn is_nothing(&self) -> bool {
        self.went_back + self.growth_gone + self.names_gone == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.power_cuts += other.power_cuts;
        self.not_synced += other.not_synced;
        self.went_back += other.went_back;
        self.growth_gone += other.growth_gone;
        self.files += other.files;
        self.names_gone += other.names_gone;
    }
}

impl Shim {
    /// Builds it in `folder`, for a server with its data in `data`.
    pub(super) fn make(folder: &Path, name: &str, data: &Path) -> anyhow::Result<Self> {
        // Paths of open files are told without links.
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let orders = folder.join(format!("{name}.shim"));
        std::fs::create_dir_all(&orders)?;
        let data = folder.join(data.file_name().unwrap_or_default());
        Ok(Self { library: build(&folder)?, orders, data })
    }

    /// The directory it looks after, by the name that it has without links.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn preload(&self, command: &mut Command) {
        command.env("CHAOS_SHIM", &self.orders).env("CHAOS_DATA", &self.data);
        command.env("LD_PRELOAD", &self.library);
    }

    /// Tells it to do something.
    pub(crate) fn order(&self, name: &str, text: &str) -> anyhow::Result<()> {
        // Made elsewhere and moved: it is read at any moment.
        let made = self.orders.with_extension("new");
        std::fs::write(&made, text)?;
        Ok(std::fs::rename(made, self.orders.join(name))?)
    }

    /// What it told last under a name.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.orders.join(name)).ok()
    }

    /// What the last power cut took.
    pub(super) fn lost(&self) -> anyhow::Result<Lost> {
        let told = self.told("lost").context("nothing was told of what was lost")?;
        std::fs::remove_file(self.orders.join("lost"))?;
        let numbers: Vec<u64> = told.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        let [not_synced, went_back, growth_gone, files, names_gone] = numbers[..] else {
            anyhow::bail!("what was lost is told as {told:?}");
        };
        Ok(Lost { power_cuts: 1, not_synced, went_back, growth_gone, files, names_gone })
    }
}

/// Builds the library in `folder`, once.
fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let library = folder.join("faults.so");
    if library.exists() {
        return Ok(library);
    }
    let mut words: Vec<String> =
        ["-std=gnu11", "-shared", "-fPIC", "-O1", "-o"].map(str::to_owned).to_vec();
    words.push(library.display().to_string());
    std::fs::write(folder.join(HEADER.0), HEADER.1)?;
    for (name, text) in SOURCES {
        let source = folder.join(name);
        std::fs::write(&source, text)?;
        words.push(source.display().to_string());
    }
    words.extend(["-ldl", "-lpthread"].map(str::to_owned));
    tool("cc", &words.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(library)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::{Lost, Shim, tool};

    const SECTOR: usize = 512;
    const SECTORS: usize = 128;
    /// A program that removes a file and syncs that; makes, moves and removes one; writes all sectors
    /// twice, syncs what it wrote the first time, and adds some.
    const WRITER: &str = r#"
        #include <fcntl.h>
        #include <stdio.h>
        #include <string.h>
        #include <unistd.h>
        int main(int count, char **words) {
            char sector[512], more[512 * 16];
            const char **name = (const char **)words + 1;
            int file = open(name[0], O_RDWR), folder = open(name[1], O_RDONLY);
            if (unlink(name[2]) != 0 || fsync(folder) != 0) return 5;
            if (open(name[3], O_RDWR | O_CREAT, 0600) < 0) return 6;
            if (rename(name[4], name[5]) != 0 || unlink(name[6]) != 0) return 7;
            memset(more, 'd', sizeof more);
            for (int turn = 0; turn < 2; turn++) {
                memset(sector, 'b' + turn, sizeof sector);
                for (int at = 0; at < 128; at++)
                    if (pwrite(file, sector, 512, at * 512) != 512) return 1;
                if (turn == 0 && fdatasync(file) != 0) return 2;
            }
            lseek(file, 0, SEEK_END);
            if (write(file, more, sizeof more) != sizeof more) return 3;
            if (write(1, "!", 1) != 1) return 4;
            for (;;) pause();
        }
    "#;

    /// The library and the program, built once.
    struct Bench {
        folder: tempfile::TempDir,
        shim: Shim,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let source = folder.path().join("writer.c");
            std::fs::write(&source, WRITER).unwrap();
            let program = folder.path().join("writer").display().to_string();
            tool("cc", &["-o", &program, &source.display().to_string()]).unwrap();
            let shim = Shim::make(folder.path(), "n1", Path::new("data")).unwrap();
            Self { folder, shim }
        }

        /// What is in the file after a power cut, which others are there, and what was told.
        fn cut(&self, seed: u64) -> (Vec<u8>, Vec<String>, Lost) {
            let data = self.shim.data();
            drop(std::fs::remove_dir_all(data));
            std::fs::create_dir(data).unwrap();
            std::fs::write(data.join("file"), vec![b'a'; SECTOR * SECTORS]).unwrap();
            for name in ["safe", "before", "removed"] {
                std::fs::write(data.join(name), name).unwrap();
            }
            let mut command = Command::new(self.folder.path().join("writer"));
            self.shim.preload(&mut command);
            let names = ["safe", "made", "before", "moved", "removed"].map(|name| data.join(name));
            command.arg(data.join("file")).arg(data).args(names);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
            self.shim.order("power", &format!("{seed} 0")).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
            let names = std::fs::read_dir(data).unwrap();
            let name = |it: std::io::Result<std::fs::DirEntry>| it.unwrap().file_name();
            let names = names.map(|it| name(it).into_string().unwrap());
            let mut names: Vec<String> = names.filter(|it| it != "file").collect();
            names.sort();
            (std::fs::read(data.join("file")).unwrap(), names, self.shim.lost().unwrap())
        }
    }

    #[test]
    fn what_was_not_synced_goes_by_sectors_and_what_was_stays() {
        let bench = Bench::new();
        let (mut went_back, mut names_gone) = (Vec::new(), BTreeSet::new());
        for seed in 0..20 {
            let (found, names, lost) = bench.cut(seed);
            let expected: &[&str] = match lost.names_gone {
                0 => &["made", "moved"],
                1 => &["made", "moved", "removed"],
                2 => &["before", "made", "removed"],
                _ => &["before", "removed"],
            };
            assert_eq!(names, expected, "seed {seed}");
            names_gone.insert(lost.names_gone);
            let (old, grown) = found.split_at(SECTOR * SECTORS);
            let is_whole = |sector: &[u8], letters: &[u8]| {
                letters.iter().any(|letter| sector.iter().all(|byte| byte == letter))
            };
            assert!(old.chunks(SECTOR).all(|sector| is_whole(sector, b"bc")), "seed {seed}");
            assert!(grown.chunks(SECTOR).all(|sector| is_whole(sector, b"d\0")), "seed {seed}");
            let back = old.chunks(SECTOR).filter(|sector| sector[0] == b'b').count() as u64;
            assert_eq!((lost.not_synced, lost.went_back), (SECTORS as u64, back), "seed {seed}");
            went_back.push(back);
        }
        assert_eq!(names_gone, BTreeSet::from([0, 1, 2, 3]));
        assert!(went_back.contains(&(SECTORS as u64)), "all of it goes: {went_back:?}");
        let some = went_back.iter().filter(|back| (1..SECTORS as u64).contains(*back)).count();
        assert!(some >= 3, "a part of it goes: {went_back:?}");
        bench.shim.order("lies", "").unwrap();
        let (found, names, _) = bench.cut(0);
        assert!(found.iter().all(|byte| *byte == b'a'), "what a sync that lies covered goes, too");
        assert_eq!(names, ["before", "removed", "safe"]);
    }
}
