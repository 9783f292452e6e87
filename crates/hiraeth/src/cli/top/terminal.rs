//! The terminal: taken over for as long as this lives, and given back however it ends.

use std::io::{self, Read, Stdin, Stdout, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Another screen without a cursor, and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// What is taken for the size where none is known.
const SIZE: (usize, usize) = (80, 24);
/// Keys that wait; who types faster is not waited for.
const KEYS: usize = 64;

/// What a person wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Quit,
    Sort,
    Pause,
    Keys,
    Up(usize),
    Down(usize),
    /// The terminal has another size.
    Resized,
    Other,
}

pub(super) struct Terminal {
    stdin: Stdin,
    out: Stdout,
    before: Termios,
    keys: mpsc::Receiver<Key>,
    resized: Signal,
    ended: Signal,
}

impl Terminal {
    pub(super) fn take() -> io::Result<Self> {
        let (stdin, mut out) = (io::stdin(), io::stdout());
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        let (sender, keys) = mpsc::channel(KEYS);
        // Reading a terminal blocks; the thread ends with the process.
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read(&sender))?;
        let (resized, ended) =
            (signal(SignalKind::window_change())?, signal(SignalKind::terminate())?);
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        let terminal = Self { stdin, out: io::stdout(), before, keys, resized, ended };
        out.write_all(ENTER)?;
        out.flush()?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.out) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => SIZE,
        }
    }

    /// The next key, or another size.
    pub(super) async fn key(&mut self) -> Key {
        tokio::select! {
            biased;
            // Without a keyboard nobody could end it.
            key = self.keys.recv() => key.unwrap_or(Key::Quit),
            _ = self.ended.recv() => Key::Quit,
            _ = self.resized.recv() => Key::Resized,
        }
    }

    /// Puts these lines on the screen, in one write: nothing flickers, and little goes over a slow line.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = b"\x1b[H".to_vec();
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(b"\x1b[0m\x1b[K");
        }
        text.extend_from_slice(b"\x1b[J");
        self.out.write_all(&text)?;
        self.out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody left to tell if it fails.
        let _ = self.out.write_all(LEAVE);
        let _ = self.out.flush();
        let _ = tcsetattr(&self.stdin, OptionalActions::Flush, &self.before);
    }
}

fn read(keys: &mpsc::Sender<Key>) {
    let mut input = io::stdin().lock();
    let mut bytes = [0; 64];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => {
                for key in meant(&bytes[..count]) {
                    if keys.blocking_send(key).is_err() {
                        return;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// What came from the keyboard at once. A lone escape ends; with more behind it, it is another key.
pub(super) fn meant(mut bytes: &[u8]) -> Vec<Key> {
    const PAGE: usize = 10;
    let mut keys = Vec::new();
    while let Some(first) = bytes.first() {
        let (key, length) = match (first, bytes) {
            (_, [0x1b, b'[' | b'O', b'A', ..]) => (Key::Up(1), 3),
            (_, [0x1b, b'[' | b'O', b'B', ..]) => (Key::Down(1), 3),
            (_, [0x1b, b'[', b'5', b'~', ..]) => (Key::Up(PAGE), 4),
            (_, [0x1b, b'[', b'6', b'~', ..]) => (Key::Down(PAGE), 4),
            (_, [0x1b]) => (Key::Quit, 1),
            (0x1b, _) => (Key::Other, bytes.len()),
            // Ctrl-C, as nobody makes a signal of it now.
            (b'q' | b'Q' | 0x03, _) => (Key::Quit, 1),
            (b's' | b'S', _) => (Key::Sort, 1),
            (b'p' | b'P' | b' ', _) => (Key::Pause, 1),
            (b'k' | b'K', _) => (Key::Keys, 1),
            _ => (Key::Other, 1),
        };
        keys.push(key);
        bytes = &bytes[length..];
    }
    keys
}
