//! Words to systemd, where it asked for them (`Type=notify`): it then knows when the server serves, and
//! not only that there is a process.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Requests are taken.
pub(super) const READY: &str = "READY=1";
/// No more are.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Tells systemd; without one nothing happens. That it does not listen any more harms nobody.
pub(super) fn tell(word: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&address, word)
    {
        tracing::debug!(%error, "systemd cannot be told {word}");
    }
}

fn send(address: &OsStr, word: &str) -> io::Result<()> {
    let address = match address.as_bytes().split_first() {
        // Not a file, but a name that the kernel keeps.
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    UnixDatagram::unbound()?.send_to_addr(word.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::{READY, send};

    #[test]
    fn systemd_is_told_by_file_and_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("hiraeth-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, address) in [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}").into()),
        ] {
            send(&address, READY).unwrap();
            let mut told = [0; 64];
            let length = socket.recv(&mut told).unwrap();
            assert_eq!(&told[..length], READY.as_bytes());
        }
        assert!(send(OsStr::new("/nobody/there"), READY).is_err());
    }
}
