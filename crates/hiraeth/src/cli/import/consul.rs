//! `hiraeth import consul`: what `consul kv export` wrote, with its flags, through the API that Consul's own
//! clients write with.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tls::{Dial, Files, Set, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use types::limits;

use super::super::failure::{Done, EXIT_CODES, Refused, Unanswered, Usage};
use super::super::output::{Format, line, out};

/// Bytes of values in one transaction, as base64; more than one value is.
const BYTES: usize = limits::REQUEST_BYTES / 2;
/// Bytes of an answer.
const ANSWER: u64 = 64 << 20;
/// Bytes of a file.
const FILE: u64 = 4 << 30;

/// Take over the keys of a Consul: the file that `consul kv export` writes. Keys get their values and flags;
/// their indexes are new. They are what Consul's clients see here, beside the registry.
///
/// JSON: `{keys}`.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// The file: a JSON array of `{key, flags, value}`, values in base64.
    export: PathBuf,
    /// A server's client or HTTP address.
    #[arg(
        long,
        env = "HIRAETH_HTTP",
        value_name = "[https://]HOST:PORT",
        default_value = "127.0.0.1:8500"
    )]
    http: String,
    /// Who asks, where the cluster knows users: what Consul's clients give as their token. One given here can
    /// be seen by whoever lists processes; one in the environment cannot.
    #[arg(long, env = "HIRAETH_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The authorities that vouch for the server's certificate, in PEM form [default: the system's]. With it,
    /// or with a certificate, TLS is spoken unless the address says http://.
    #[arg(long, visible_alias = "cacert", env = "HIRAETH_CACERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// This client's certificate, if the server wants one.
    #[arg(long, env = "HIRAETH_CERT", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of `--cert`.
    #[arg(long, env = "HIRAETH_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write keys that are there, too; else nothing is written if there is any.
    #[arg(long)]
    overwrite: bool,
    /// How long one request may take, such as 500ms, 10s or 1m.
    #[arg(long, value_name = "TIME", value_parser = super::super::parse_time, default_value = "10s")]
    timeout: Duration,
    /// How to show the result.
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
}

/// A key as it was exported.
#[derive(Deserialize)]
struct Exported {
    key: String,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    value: String,
}

#[derive(Serialize)]
struct Json {
    keys: usize,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let keys = read(&arguments.export)?;
    let server = Server::of(&arguments)?;
    if !arguments.overwrite && !keys.is_empty() {
        let found = server.ask("GET", "/v1/kv/?keys&separator=", "").await?;
        match found {
            (404, _) => {}
            (200, body) if body.trim() == "[]" => {}
            (200, _) => {
                let text = "there are keys already, and nothing was written: --overwrite writes \
                            between them";
                return Err(Refused { status: 409, text: text.to_owned() }.into());
            }
            (status, body) => return Err(server.refusal(status, &body).into()),
        }
    }
    let mut written = 0;
    for some in parts(&keys) {
        let ops: Vec<Value> = some.iter().map(operation).collect();
        let answer = server.ask("PUT", "/v1/txn", &Value::Array(ops).to_string()).await;
        let answer = answer.and_then(|(status, body)| match status {
            200 => Ok(()),
            _ => Err(server.refusal(status, &body).into()),
        });
        let answer = answer.map_err(|error| match error.downcast::<Unanswered>() {
            // Something was done, whatever became of the rest.
            Ok(it) => {
                Unanswered { outcome_unknown: it.outcome_unknown || written > 0, ..it }.into()
            }
            Err(error) => error,
        });
        answer.with_context(|| {
            format!("{written} keys were written, and then it failed; do it again with --overwrite")
        })?;
        written += some.len();
    }
    let mut out = out();
    match arguments.output {
        Format::Json => line(&mut out, &Json { keys: written })?,
        Format::Table => writeln!(out, "{written} keys were written")?,
    }
    out.flush()?;
    Ok(Done::Well)
}

fn operation(key: &Exported) -> Value {
    json!({"KV": {"Verb": "set", "Key": key.key, "Value": key.value, "Flags": key.flags}})
}

/// All of the file, found to be good before anything is written.
fn read(path: &PathBuf) -> anyhow::Result<Vec<Exported>> {
    let name = path.display();
    let length = std::fs::metadata(path).with_context(|| name.to_string())?.len();
    if length > FILE {
        bail!("{name} has {length} bytes; at most {FILE} are read at once");
    }
    let text = std::fs::read(path).with_context(|| name.to_string())?;
    let keys: Vec<Exported> = serde_json::from_slice(&text).map_err(|error| {
        Usage(format!("{name} is not what `consul kv export` writes, or it is cut off: {error}"))
    })?;
    for (at, key) in keys.iter().enumerate() {
        let value = STANDARD.decode(&key.value);
        if key.key.is_empty() || value.is_err() {
            let what =
                if key.key.is_empty() { "has no key" } else { "has a value that is no base64" };
            return Err(Usage(format!("{name}: entry {at} {what}; nothing was written")).into());
        }
        if value.is_ok_and(|value| value.len() > limits::REQUEST_BYTES / 2) {
            let most = limits::REQUEST_BYTES / 2;
            let text = format!(
                "{name}: the value of {:?} is over {most} bytes; nothing was written",
                key.key
            );
            return Err(Usage(text).into());
        }
    }
    Ok(keys)
}

/// What goes into one transaction each.
fn parts(keys: &[Exported]) -> Vec<&[Exported]> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, key) in keys.iter().enumerate() {
        let more = key.key.len() + key.value.len();
        if at > from && (at - from >= limits::REGISTRY_TXN_OPERATIONS || bytes + more > BYTES) {
            parts.push(&keys[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += more;
    }
    if from < keys.len() {
        parts.push(&keys[from..]);
    }
    parts
}

/// Where keys are written.
struct Server {
    /// host:port.
    address: String,
    dial: Option<Dial>,
    /// A line of a request's head, or nothing.
    token: String,
    timeout: Duration,
}

impl Server {
    fn of(arguments: &Arguments) -> anyhow::Result<Self> {
        let Arguments { http, token, ca_cert, cert, key, timeout, .. } = arguments;
        let files = Files { cert: cert.clone(), key: key.clone(), trusted_ca: ca_cert.clone() };
        let (is_secure, address) = match http.split_once("://") {
            None => (files != Files::default(), http.as_str()),
            Some(("http", address)) => (false, address),
            Some(("https", address)) => (true, address),
            Some((other, _)) => {
                return Err(
                    Usage(format!("--http takes http:// or https://, not {other}://")).into()
                );
            }
        };
        let token = token.as_deref().unwrap_or_default();
        if token.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(Usage("--token has bytes that no token has".to_owned()).into());
        }
        let dial = match is_secure {
            false => None,
            true => {
                let set = Set::outgoing_http1("import", files);
                Some(Dial::new(set.map_err(|error| Usage(error.to_string()))?))
            }
        };
        let token = match token.is_empty() {
            true => String::new(),
            false => format!("x-consul-token: {token}\r\n"),
        };
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { address, dial, token, timeout: *timeout })
    }

    async fn connect(&self) -> std::io::Result<Stream> {
        match &self.dial {
            None => TcpStream::connect(&self.address).await.map(Stream::Plain),
            Some(dial) => dial.connect(&self.address).await,
        }
    }

    /// One request over HTTP/1.1; answers the status and the body.
    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let Self { address, token, .. } = self;
        let mut outcome_unknown = false;
        let exchange = async {
            let mut stream = self.connect().await?;
            outcome_unknown = method != "GET";
            let length = body.len();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{token}\
                 connection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            stream.flush().await?;
            let mut answer = Vec::new();
            stream.take(ANSWER).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = match timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let text = format!("{address} cannot be asked: {error}");
                return Err(Unanswered { outcome_unknown, text }.into());
            }
            Err(_) => {
                let text = format!("{address} gave no answer in {:?}", self.timeout);
                return Err(Unanswered { outcome_unknown, text }.into());
            }
        };
        let text = String::from_utf8_lossy(&answer);
        // One that was cut off says no more than none.
        let no_http = || {
            let text = format!("{address} gave an answer that is no HTTP, or was cut off");
            Unanswered { outcome_unknown, text }
        };
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_http)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(no_http)?;
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        Ok((status, body))
    }

    fn refusal(&self, status: u16, body: &str) -> Refused {
        let next = match (status, self.token.is_empty()) {
            (401 | 403, true) => {
                ": this cluster knows users, --token or HIRAETH_TOKEN says who asks"
            }
            _ => "",
        };
        let text = format!("{} answered {status}: {}{next}", self.address, body.trim());
        Refused { status, text }
    }
}

/// The body of an answer in chunks.
fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{Exported, parts, unchunk};

    #[test]
    fn keys_go_in_parts_that_the_servers_take() {
        let key = |size: usize| Exported { key: "k".into(), flags: 0, value: "v".repeat(size) };
        let keys: Vec<_> =
            (0..300).map(|at| key(if at % 50 == 7 { 700_000 } else { 10 })).collect();
        let parts = parts(&keys);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 300);
        assert!(parts.iter().all(|part| part.len() <= types::limits::REGISTRY_TXN_OPERATIONS));
        let bytes = |part: &&[Exported]| part.iter().map(|it| it.value.len() + 1).sum::<usize>();
        assert!(parts.iter().all(|part| part.len() == 1 || bytes(part) <= super::BYTES));
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunk("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
        assert_eq!(unchunk("ff\r\nabc"), "");
    }
}
