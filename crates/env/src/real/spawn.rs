use std::io;
use std::thread;

use crate::{Joined, Spawn};

/// Threads of the operating system.
#[derive(Default)]
pub struct ThreadSpawn;

impl Spawn for ThreadSpawn {
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<Joined> {
        let handle = thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Box::new(move || {
            // A panic of the worker was reported by its own guard; here only its end matters.
            drop(handle.join());
        }))
    }
}
