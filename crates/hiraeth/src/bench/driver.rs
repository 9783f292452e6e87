//! A connection's task: reads, lets its workload work, writes.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::http2::{Connection, Event, Status};
use super::run::Run;

/// Bytes read at once.
const READ: usize = 128 * 1024;
/// Pause before a server is connected to again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a server may take to be connected to, and to say how it wants to be spoken to.
const GREETING: Duration = Duration::from_secs(5);

/// What the calls of one connection ask for, and what they make of the answers.
pub(super) trait Workload {
    /// The connection is there, for the first time or again.
    fn connected(&mut self, connection: &mut Connection) {
        let _ = connection;
    }

    /// Something came.
    fn event(&mut self, connection: &mut Connection, event: Event<'_>, now: Instant);

    /// Begins what is due. Answers when it wants to be called again at the latest, `None` once it is
    /// through.
    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant>;

    /// The connection broke, and with it all calls under way.
    fn lost(&mut self, why: &Status);
}

/// Drives `workload` over a connection to `endpoint` until it is through; connects again when the
/// connection breaks. Without one at first the run ends.
pub(super) async fn drive(
    endpoint: String,
    mut workload: Box<dyn Workload>,
    run: Rc<Run>,
    at: usize,
) {
    let mut first = true;
    loop {
        let why = match connect(&endpoint, run.plan.keyspace.as_deref()).await {
            Ok(mut link) => {
                first = false;
                workload.connected(&mut link.connection);
                match link.work(workload.as_mut(), &run, at).await {
                    Ok(()) => return,
                    Err(why) => why,
                }
            }
            Err(why) => why,
        };
        let status = Status::new(Status::UNAVAILABLE, format!("{endpoint}: {why}"));
        if first {
            run.give_up(status);
            return;
        }
        workload.lost(&status);
        if run.is_over(Instant::now()) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Link {
    stream: TcpStream,
    connection: Connection,
    input: BytesMut,
    /// When the timer wakes this connection next.
    armed: Option<Instant>,
}

async fn connect(endpoint: &str, keyspace: Option<&str>) -> Result<Link, String> {
    let connecting = async {
        let stream = TcpStream::connect(endpoint).await?;
        stream.set_nodelay(true)?;
        let connection = Connection::new(endpoint, keyspace);
        let input = BytesMut::with_capacity(READ);
        let mut link = Link { stream, connection, input, armed: None };
        while !link.connection.is_ready() {
            link.write()?;
            if link.stream.read_buf(&mut link.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Link { connection, input, .. } = &mut link;
            let mut at = 0;
            let next = connection.next(input, &mut at).map_err(|why| io::Error::other(why.0))?;
            drop(next);
            input.advance(at);
        }
        Ok(link)
    };
    match tokio::time::timeout(GREETING, connecting).await {
        Ok(linked) => linked.map_err(|error: io::Error| error.to_string()),
        Err(_) => Err("it does not greet".to_owned()),
    }
}

impl Link {
    /// Works until the workload is through; the connection's end is an error.
    async fn work(
        &mut self,
        workload: &mut dyn Workload,
        run: &Run,
        at: usize,
    ) -> Result<(), String> {
        let words = |error: io::Error| error.to_string();
        loop {
            let now = Instant::now();
            self.events(workload, now)?;
            let next = workload.advance(&mut self.connection, now);
            self.write().map_err(words)?;
            let Some(next) = next else { return Ok(()) };
            if self.armed.is_none_or(|armed| armed <= now || next < armed) {
                run.timer.arm(at, next);
                self.armed = Some(next);
            }
            self.input.reserve(READ / 2);
            let blocked = !self.connection.output().is_empty();
            let (mut reader, writer) = self.stream.split();
            tokio::select! {
                biased;
                read = reader.read_buf(&mut self.input) => {
                    if read.map_err(words)? == 0 {
                        return Err("the server ended the connection".to_owned());
                    }
                }
                writable = writer.writable(), if blocked => writable.map_err(words)?,
                () = run.wakes[at].notified() => {}
            }
        }
    }

    fn events(&mut self, workload: &mut dyn Workload, now: Instant) -> Result<(), String> {
        let mut at = 0;
        let broken = loop {
            match self.connection.next(&self.input, &mut at) {
                Ok(Some(event)) => workload.event(&mut self.connection, event, now),
                Ok(None) => break None,
                Err(why) => break Some(why.0),
            }
        };
        self.input.advance(at);
        broken.map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// Writes what the socket takes.
    fn write(&mut self) -> io::Result<()> {
        let output = self.connection.output();
        let mut sent = 0;
        while sent < output.len() {
            match self.stream.try_write(&output[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        output.drain(..sent);
        Ok(())
    }
}
