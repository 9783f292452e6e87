use tls::Seldom;

/// More connections are open than are served.
pub(crate) static CONNECTIONS: Complaint = Complaint::new(
    "all connections that are served at once are taken; clients wait to be accepted",
);
/// Connections take all file descriptors that they may.
pub(super) static CROWDED: Complaint = Complaint::new(
    "no file descriptors are left for clients: they are refused; raise the limit (`LimitNOFILE=`), or see \
     who connects so often",
);
/// One connection has too many streams.
pub(super) static STREAMS: Complaint = Complaint::new(
    "a client wants more streams and waiting calls on one connection than it may have",
);
/// A request that was begun and does not come.
pub(crate) static HALF: Complaint =
    Complaint::new("a client sent part of a request and nothing more; the request is given up");
/// A client that takes nothing.
pub(super) static STALLED: Complaint =
    Complaint::new("a client does not read what it is sent; its connection is ended");

/// Who speaks TLS to a port without it.
pub(crate) static TLS_HERE: Complaint = Complaint::new(
    "a client speaks TLS to a port that does not; its connection is ended: let it say http://, or give \
     this server --cert-file and --key-file",
);
/// Who does not keep to the protocol of the connection.
pub(crate) static BROKEN: Complaint =
    Complaint::new("a client does not keep to HTTP/2; its connection is ended");
/// Whose answers wait for windows that it does not open.
pub(crate) static UNREAD: Complaint = Complaint::new(
    "a client opens no windows for so many bytes of answers; its streams wait, then requests are refused",
);

/// One thing that clients do too much of.
pub(crate) struct Complaint {
    what: &'static str,
    said: Seldom,
}

impl Complaint {
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, said: Seldom::new() }
    }

    /// `peer` did it, `count` times or for so many things at once.
    pub(crate) fn about(&self, peer: &str, count: usize) {
        if let Some(unsaid) = self.said.is_due() {
            tracing::warn!(peer, count, unsaid, "{}", self.what);
        }
    }
}
