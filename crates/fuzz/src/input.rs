//! What is sent, and how it is written down, so that it can be sent again.
//!
//! ```text
//! # why it is kept
//! call POST /etcdserverpb.KV/Put
//! header content-type 6170706c69636174696f6e2f67727063
//! data 1 0000000000
//! end
//! ```
//!
//! Names, values and data are hexadecimal; `data` is preceded by how often it is repeated. `open` in
//! place of `end` leaves the request unfinished. Bytes as they are begin with `wire PORT`.

use std::fmt::{self, Write};

use anyhow::{Context, bail};

/// Bytes, so many times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) unit: Vec<u8>,
    pub(crate) times: usize,
}

impl Piece {
    pub(crate) fn once(unit: Vec<u8>) -> Self {
        Self { unit, times: 1 }
    }

    pub(crate) fn len(&self) -> usize {
        self.unit.len() * self.times
    }

    pub(crate) fn whole(&self) -> Vec<u8> {
        self.unit.repeat(self.times)
    }
}

/// A request over HTTP/2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) data: Vec<Piece>,
    pub(crate) ends: bool,
}

/// Which of a node's ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    Client,
    Peer,
    Http,
    Dns,
    /// Each piece is a packet.
    DnsUdp,
}

/// Bytes on a connection of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wire {
    pub(crate) port: Port,
    pub(crate) data: Vec<Piece>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    Call(Call),
    Wire(Wire),
}

impl fmt::Display for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match self {
            Self::Call(call) => {
                writeln!(out, "call {} {}", call.verb, hex(call.path.as_bytes()))?;
                for (name, value) in &call.headers {
                    writeln!(out, "header {name} {}", hex(value))?;
                }
                &call.data
            }
            Self::Wire(wire) => {
                writeln!(out, "wire {}", format!("{:?}", wire.port).to_lowercase())?;
                &wire.data
            }
        };
        for piece in data {
            writeln!(out, "data {} {}", piece.times, hex(&piece.unit))?;
        }
        match self {
            Self::Call(call) if call.ends => writeln!(out, "end"),
            Self::Call(_) => writeln!(out, "open"),
            Self::Wire(_) => Ok(()),
        }
    }
}

impl Input {
    /// All inputs of a file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Self>> {
        let mut inputs = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            add(&mut inputs, line).with_context(|| line.to_owned())?;
        }
        Ok(inputs)
    }
}

fn add(inputs: &mut Vec<Input>, line: &str) -> anyhow::Result<()> {
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    match (word(), inputs.last_mut()) {
        ("call", _) => inputs.push(Input::Call(Call {
            verb: word().to_owned(),
            path: String::from_utf8(unhex(word())?)?,
            headers: Vec::new(),
            data: Vec::new(),
            ends: true,
        })),
        ("wire", _) => {
            let port = match word() {
                "client" => Port::Client,
                "peer" => Port::Peer,
                "http" => Port::Http,
                "dns" => Port::Dns,
                "dnsudp" => Port::DnsUdp,
                other => bail!("there is no port {other}"),
            };
            inputs.push(Input::Wire(Wire { port, data: Vec::new() }));
        }
        ("header", Some(Input::Call(call))) => {
            call.headers.push((word().to_owned(), unhex(word())?));
        }
        ("data", Some(input)) => {
            let piece = Piece { times: word().parse()?, unit: unhex(word())? };
            match input {
                Input::Call(call) => call.data.push(piece),
                Input::Wire(wire) => wire.data.push(piece),
            }
        }
        ("end", Some(Input::Call(call))) => call.ends = true,
        ("open", Some(Input::Call(call))) => call.ends = false,
        _ => bail!("this is no line of an input"),
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        bail!("not hexadecimal");
    }
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&text[at..at + 2], 16)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Call, Input, Piece, Port, Wire};

    #[test]
    fn what_is_written_reads_back() {
        let call = Call {
            verb: "POST".to_owned(),
            path: "/a b\u{e9}".to_owned(),
            headers: vec![("token".to_owned(), b"\xff x".to_vec()), ("te".to_owned(), Vec::new())],
            data: vec![Piece::once(Vec::new()), Piece { unit: vec![0, 255], times: 3 }],
            ends: false,
        };
        let ended = Call { ends: true, headers: Vec::new(), ..call.clone() };
        let wire = Wire { port: Port::Peer, data: vec![Piece::once(b"PRI".to_vec())] };
        let inputs = [Input::Call(call), Input::Wire(wire), Input::Call(ended)];
        let text: String = inputs.iter().map(|input| format!("# why\n{input}\n")).collect();
        assert_eq!(Input::parse(&text).unwrap(), inputs);
        for wrong in ["data 1 00", "wire there", "call POST zz", "wire peer\nend", "jump"] {
            assert!(Input::parse(wrong).is_err(), "{wrong}");
        }
    }
}
