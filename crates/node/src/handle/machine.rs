//! Keyspaces with a state machine of the program's own.

use std::sync::Arc;

use bytes::Bytes;
use state::command::Command;
use state::response::Response;
use types::{Code, Fault, KeyspaceId, RegionId};

use super::Handle;
use super::commands::APPEAR;
use crate::answer::Consistency;
use crate::{forward, read};

impl Handle {
    /// The keyspace called `name` whose commands the state machine `machine` carries out (the name
    /// the node's builder was given it by); made if it is not there, with a replica on every node.
    ///
    /// # Errors
    /// `KeyspaceExists` when there is one of this name with another machine or with none;
    /// `InvalidArgument`, `LimitReached`, and as [`Self::propose`].
    pub async fn machine_keyspace(&self, name: &str, machine: &str) -> Result<KeyspaceId, Fault> {
        // Once that is there, the cluster is formed and the directory told.
        self.ready_shard(KeyspaceId::DEFAULT).await?;
        let named = |directory: &state::directory::Directory| {
            directory.keyspace_named(name).map(|found| (found.id, found.machine.clone()))
        };
        let mut directory = self.shared.watch_directory();
        let mut found = named(&self.shared.directory());
        if found.is_none() {
            let (name, machine) = (name.to_owned(), machine.to_owned());
            let command = Command::CreateMachine { name, machine };
            state::check(&command)?;
            let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
            let applied = forward::propose(&self.shared, &meta, command).await?;
            if let Err(fault) = applied.outcome.result
                // Somebody else was first.
                && fault.code != Code::KeyspaceExists
            {
                return Err(fault);
            }
            let appeared = directory.wait_for(|directory| named(directory).is_some());
            if let Ok(Ok(directory)) = tokio::time::timeout(APPEAR, appeared).await {
                found = named(&directory);
            }
        }
        let (id, found) = found.ok_or(Code::Timeout)?;
        if found.as_deref() != Some(machine) {
            let has = found.map_or("no machine".to_owned(), |it| format!("the machine {it:?}"));
            let detail = format!("the keyspace {name:?} has {has}, not {machine:?}");
            return Err(Fault::new(Code::KeyspaceExists, detail));
        }
        drop(tokio::time::timeout(APPEAR, self.ready(id)).await);
        Ok(id)
    }

    /// Has a command of at most 1.5 MiB carried out by the keyspace's state machine, once, wherever
    /// the leader is, and answers what this node's replica answered.
    ///
    /// # Errors
    /// As [`Self::propose`]; `Unsupported` for a keyspace of keys and values.
    pub async fn execute(
        &self,
        keyspace: KeyspaceId,
        command: impl Into<Bytes> + Send,
    ) -> Result<Bytes, Fault> {
        let command = Command::Execute { data: command.into() };
        match self.propose(keyspace, command).await?.body {
            Response::Executed(answer) => Ok(answer),
            _ => Err(Fault::new(Code::Internal, "a state machine was asked")),
        }
    }

    /// Puts a question to this node's replica of the keyspace's state machine, as fresh as asked
    /// for. At most 16 questions of a keyspace run at once; others wait.
    ///
    /// # Errors
    /// No leader, timeout; `Unsupported` for a keyspace of keys and values; `Internal` when the
    /// machine panicked over the question.
    pub async fn query(
        &self,
        keyspace: KeyspaceId,
        question: impl Into<Bytes> + Send,
        consistency: Consistency,
    ) -> Result<Bytes, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        read::confirm(&self.shared, &shard, consistency).await?;
        // A machine that is slow must not use up the threads that others wait for.
        let foreign = shard.custom.as_ref().ok_or_else(|| {
            let detail = "this keyspace has keys and values, and no machine of its own";
            Fault::new(Code::Unsupported, detail)
        })?;
        let permit = Arc::clone(&foreign.queries).acquire_owned();
        let permit = tokio::time::timeout(forward::REQUEST_TIMEOUT, permit).await;
        let permit = permit.map_err(|_| Code::Timeout)?.map_err(|_| Code::ShuttingDown)?;
        let (question, shared) = (question.into(), Arc::clone(&self.shared));
        let asking = move || {
            let _permit = permit;
            // Nothing of the region changes while the machine is held: the engine needs no view.
            let machine = shard.machine.read();
            machine.query(question, shared.engine.as_ref())
        };
        match tokio::task::spawn_blocking(asking).await {
            Ok(answer) => answer.map_err(|error| read::failed(&self.shared, &error)),
            Err(_) => Err(Fault::new(Code::Internal, "the state machine panicked")),
        }
    }
}
