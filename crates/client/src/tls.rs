use std::path::PathBuf;
use std::sync::Arc;

use ::tls::{Dial, Files, Set};

use crate::Error;

/// How TLS is spoken with servers: with whose word for their certificates, and with which own certificate.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Set>);

impl Tls {
    /// By files in PEM form: the authorities that vouch for the servers (those of the system, if none are
    /// named), and this client's certificate and its key, if the servers want one. Reads files.
    ///
    /// # Errors
    /// [`Error::Setting`], which names the file and what is wrong with it.
    pub fn from_files(
        trusted_ca: Option<PathBuf>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let set = Set::outgoing("client", Files { cert, key, trusted_ca }, None);
        Ok(Self(set.map_err(|error| Error::Setting(error.to_string()))?))
    }

    /// With the authorities that the system trusts, and without a certificate.
    ///
    /// # Errors
    /// [`Error::Setting`]: the system names none.
    pub fn of_system() -> Result<Self, Error> {
        Self::from_files(None, None, None)
    }

    pub(crate) fn dial(&self) -> Dial {
        Dial::new(Arc::clone(&self.0))
    }
}
