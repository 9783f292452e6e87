//! Carrying out commands: what is refused is refused before anything is changed.

mod checks;
mod edit;
mod expire;
mod mirror;
mod register;
mod sessions;
mod told;
mod tried;

use types::Fault;

use super::answer::RegistryAnswer;
use super::command::{RegistryCommand, Target};
pub(crate) use edit::Edit;
pub(crate) use sessions::unknown;

type Answer = Result<RegistryAnswer, Fault>;

impl Edit<'_> {
    /// Carries out a command that is not about keys. What is refused leaves no trace.
    pub(crate) fn carry_out(&mut self, command: RegistryCommand) -> Answer {
        super::check::check(&command)?;
        match command {
            RegistryCommand::Register(registration) => {
                let timer = self.register(*registration)?;
                return Ok(RegistryAnswer::Registered { changed: self.has_changed(), timer });
            }
            RegistryCommand::RegisterOn(registration) => {
                let timer = self.register_on(*registration)?;
                return Ok(RegistryAnswer::Registered { changed: self.has_changed(), timer });
            }
            RegistryCommand::Mirror(mirrors) => {
                mirrors.into_iter().for_each(|mirror| self.mirror(mirror));
            }
            RegistryCommand::Deregister(Target::Node(node)) => self.remove_node(&node),
            RegistryCommand::Deregister(Target::Instance(key)) => self.remove_instance(&key),
            RegistryCommand::Deregister(Target::Check(key)) => self.remove_check(&key),
            RegistryCommand::UpdateCheck { check, status, output } => {
                self.update_check(&check, status, output)?;
            }
            RegistryCommand::CreateSession(session) => self.create_session(*session)?,
            RegistryCommand::DestroySession { id } => self.end_session(&id),
            RegistryCommand::RenewSession { id } => self.renew_session(&id)?,
            RegistryCommand::Expire(expiries) => {
                let expired = expiries.iter().filter(|expiry| self.expire(expiry)).count();
                return Ok(RegistryAnswer::Expired(expired as u64));
            }
            // Keys are not kept here: the region's machine carries it out.
            RegistryCommand::Kv(_)
            | RegistryCommand::KvDelete { .. }
            | RegistryCommand::Txn(_)
            | RegistryCommand::Restore(_) => {}
        }
        Ok(RegistryAnswer::Done { changed: self.has_changed() })
    }
}
