use std::io;
use std::path::PathBuf;

/// Why there can be no TLS: which file it is about, what is wrong with it, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or not for us.
    #[error("{}: {source}; is the path right, and may this process read it?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has not what it should have.
    #[error("{} has no {wanted} in PEM form (it begins with -----BEGIN); {}", path.display(), cure(wanted))]
    Missing {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// It is PEM, but what is in it is not what it says.
    #[error("{} has a {wanted} that cannot be read: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is wrong.
        why: String,
    },
    /// They do not belong together.
    #[error(
        "the key in {} is not the one of the certificate in {}: give the two that were made together",
        key.display(), cert.display()
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// It counts no more.
    #[error("the certificate in {} has expired on {day}: make a new one", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The last day.
        day: String,
    },
    /// It does not say that it is for this.
    #[error(
        "the certificate in {} is not for a {role} (its roles: {roles}): make one with \
         `hiraeth cert`, or with {uri} among its alternative names",
        path.display()
    )]
    Role {
        /// The file.
        path: PathBuf,
        /// What it should be for.
        role: crate::Role,
        /// What it is for.
        roles: crate::Roles,
        /// How it would say so.
        uri: String,
    },
    /// The settings do not make a whole.
    #[error("{0}")]
    Setting(String),
    /// Nobody is known whose word for certificates counts.
    #[error("this machine has no list of authorities; name one that vouches for the other side")]
    NoAuthorities,
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
    /// A certificate could not be made.
    #[error("no certificate was made: {0}")]
    Issue(String),
}

fn cure(wanted: &str) -> &'static str {
    match wanted {
        "private key" => "the key's file and the certificate's may have been exchanged",
        _ => "the certificate's file and the key's may have been exchanged",
    }
}
