//! What programs see of it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use env::{Disk, DiskFile, DiskSpace, OpenMode};

use super::control::FaultDisk;
use super::inode::Inode;
use super::names::NameChange;
use super::state::State;

struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    life: u64,
}

impl FaultFile {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        if state.life != self.life {
            return Err(io::Error::other("a handle of an earlier life"));
        }
        work(&mut state)
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|state| {
            let cache = &state.files[self.inode].cache;
            let begin = usize::try_from(offset).unwrap().min(cache.len());
            let count = buffer.len().min(cache.len() - begin);
            buffer[..count].copy_from_slice(&cache[begin..begin + count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| state.write(self.inode, offset, data))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            state.counts.syncs += 1;
            let sector = state.sector;
            if state.faults.fail_syncs > 0 {
                state.faults.fail_syncs -= 1;
                state.files[self.inode].fail_sync(sector);
                if state.faults.retries_syncs {
                    return Ok(());
                }
                return Err(io::Error::other("the disk could not sync"));
            }
            state.files[self.inode].sync(sector);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            let len = usize::try_from(len).unwrap();
            let more = len.saturating_sub(state.files[self.inode].cache.len());
            state.grow(more as u64)?;
            let file = &mut state.files[self.inode];
            let longer = file.cache.len().max(len);
            file.cache.resize(longer, 0);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            let len = usize::try_from(len).unwrap();
            state.files[self.inode].cache.resize(len, 0);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.files[self.inode].cache.len() as u64))
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        let known = state.names.get(path).copied();
        let inode = match (known, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::ReadWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                state.operate()?;
                state.counts.created += 1;
                let inode = state.files.len();
                state.files.push(Inode::default());
                state.names.insert(path.to_path_buf(), inode);
                state.pending.push(NameChange::Created(path.to_path_buf(), inode));
                inode
            }
        };
        let life = state.life;
        drop(state);
        Ok(Box::new(FaultFile { disk: self.clone(), inode, life }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        for dir in path.ancestors() {
            if state.dirs.insert(dir.to_path_buf()) {
                state.pending.push(NameChange::MadeDir(dir.to_path_buf()));
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock();
        Ok(state.names.keys().filter(|name| name.parent() == Some(path)).cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange::Renamed(from.to_path_buf(), to.to_path_buf(), inode);
        change.clone().apply(&mut state.names, &mut BTreeSet::new());
        state.pending.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        if state.names.remove(path).is_some() {
            state.pending.push(NameChange::Removed(path.to_path_buf()));
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut locked = self.0.lock();
        let state = &mut *locked;
        state.operate()?;
        let (synced, rest): (Vec<_>, Vec<_>) = core::mem::take(&mut state.pending)
            .into_iter()
            .partition(|change| change.dir() == Some(path));
        state.pending = rest;
        for change in synced {
            change.apply(&mut state.durable_names, &mut state.durable_dirs);
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.0.lock();
        state.names.contains_key(path) || state.dirs.contains(path)
    }

    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        let free = self.0.lock().faults.free_bytes.unwrap_or(u64::MAX);
        Ok(DiskSpace { free, total: u64::MAX })
    }
}
