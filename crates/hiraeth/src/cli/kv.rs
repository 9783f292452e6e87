//! `hiraeth kv`.

use std::io::{IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use client::{Age, Client, Delete, Get, KeyValue, Put, Span};
use types::Code;

use super::failure::{Done, EXIT_CODES, Usage};
use super::output::{Format, Out, line, out};
use super::remote::{Remote, parse_time};
use super::table::Table;
use super::{json, text, txn, watch};

/// Read, write, watch keys and values
///
/// Tables escape what is not printable text: \n, \t, \u{..}, \xNN for bytes that are no UTF-8, and
/// \\ for a backslash.
///
/// JSON:
///   record  {key, key_text, value, value_text, create_revision, mod_revision, version, lease}
///   get     {revision, kv: record or null, stale_millis: how long ago the copy was caught up;
///           left out if that is unknown or the read is not stale}
///   put     {revision, previous: record or null}
///   delete  {revision, deleted, previous: [record]}; over several regions of a sharded keyspace, one
///           by one: {deleted, regions}
///   scan    {kvs: [record], count, more, revision}
///   watch   {type: "put" or "delete", revision, kv: record, previous: record or null}, one a line
///   txn     {succeeded, revision, results: [{type: "get", count, more, kvs: [record]} or
///           {type: "put", previous} or {type: "delete", deleted, previous: [record]}]}
/// Keys and values are base64; the texts are null where the bytes are no UTF-8, the value where it
/// was not asked for, the lease where there is none.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES, verbatim_doc_comment)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read one key; exit code 3 if it is not there.
    Get(GetArguments),
    /// Write one key.
    Put(PutArguments),
    /// Remove keys.
    Delete(DeleteArguments),
    /// Read all keys with a prefix or in a range, in order, as of one revision. In a sharded keyspace
    /// each page is as of its own moment.
    Scan(ScanArguments),
    /// Follow changes until Ctrl-C, across restarts of servers.
    Watch(watch::Arguments),
    Txn(txn::Arguments),
}

#[derive(clap::Args)]
struct GetArguments {
    key: String,
    /// As it was at this revision.
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    rev: i64,
    /// How fresh the answer must be.
    #[arg(long, value_name = "MODE", value_enum, default_value = "linearizable")]
    read: ReadMode,
    /// The same as `--read stale`.
    #[arg(long, conflicts_with = "read")]
    serializable: bool,
    /// Refuse a stale answer that is older, such as 500ms or 10s.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    max_stale: Option<Duration>,
    /// Print the value's bytes as they are; at a terminal a line end follows.
    #[arg(long)]
    value_only: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ReadMode {
    /// Confirmed by a majority.
    Linearizable,
    /// By the leader alone, as long as the servers' clocks run about alike.
    Lease,
    /// From the asked server, once it has all that the leader has.
    Follower,
    /// From the asked server, however old: works without a leader. Shows how old.
    Stale,
}

impl GetArguments {
    fn freshness(&self) -> Result<client::Read, Usage> {
        let mode = if self.serializable { ReadMode::Stale } else { self.read };
        Ok(match (mode, self.max_stale) {
            (ReadMode::Stale, Some(most)) => client::Read::StaleWithin(most),
            (ReadMode::Stale, None) => client::Read::Stale,
            (_, Some(_)) => {
                return Err(Usage("--max-stale is for stale reads: add --read stale".to_owned()));
            }
            (ReadMode::Linearizable, None) => client::Read::Linearizable,
            (ReadMode::Lease, None) => client::Read::Lease,
            (ReadMode::Follower, None) => client::Read::Follower,
        })
    }
}

#[derive(clap::Args)]
struct PutArguments {
    key: String,
    /// The value; `-` reads it from standard input.
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// The key goes when this lease does.
    #[arg(long, value_name = "LEASE", value_parser = text::parse_lease)]
    lease: Option<i64>,
    /// Keep the lease the key has.
    #[arg(long, conflicts_with = "lease")]
    keep_lease: bool,
    /// Show the record as it was before.
    #[arg(long)]
    previous: bool,
}

#[derive(clap::Args)]
struct DeleteArguments {
    #[command(flatten)]
    keys: Keys,
    /// Show the records as they were before.
    #[arg(long)]
    previous: bool,
}

#[derive(clap::Args)]
struct ScanArguments {
    /// What keys begin with [default: all keys].
    #[arg(conflicts_with_all = ["from", "to"])]
    prefix: Option<String>,
    /// The first key.
    #[arg(long, value_name = "KEY")]
    from: Option<String>,
    /// The key to stop before.
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// From the last key to the first.
    #[arg(long)]
    reverse: bool,
    /// Without values.
    #[arg(long)]
    keys_only: bool,
    /// As it was at this revision.
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    rev: i64,
    /// From the asked server's own copy, however old: works without a leader.
    #[arg(long)]
    serializable: bool,
}

/// One key, all with a prefix, or a range.
#[derive(Clone, clap::Args)]
pub(super) struct Keys {
    #[arg(required_unless_present_any = ["from", "to"], conflicts_with_all = ["from", "to"])]
    key: Option<String>,
    /// All keys that begin with KEY.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    prefix: bool,
    /// All keys from this one on.
    #[arg(long, value_name = "KEY")]
    from: Option<String>,
    /// All keys before this one.
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
}

impl Keys {
    pub(super) fn span(self) -> Span {
        match self.key {
            Some(key) if self.prefix => Span::prefix(key),
            Some(key) => Span::key(key),
            None => Span::range(self.from.unwrap_or_default(), self.to.unwrap_or_default()),
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let client = arguments.remote.client()?;
    let format = arguments.remote.output;
    let mut out = out();
    let done = match arguments.command {
        Command::Get(arguments) => get(&client, &mut out, format, arguments).await,
        Command::Put(arguments) => put(&client, &mut out, format, arguments).await,
        Command::Delete(arguments) => delete(&client, &mut out, format, arguments).await,
        Command::Scan(arguments) => scan(&client, &mut out, format, arguments).await,
        Command::Watch(arguments) => watch::run(&client, &mut out, format, arguments).await,
        Command::Txn(arguments) => txn::run(&client, &mut out, format, arguments).await,
    }?;
    out.flush()?;
    Ok(done)
}

const COLUMNS: [&str; 5] = ["KEY", "REVISION", "VERSION", "LEASE", "VALUE"];

/// A table of records; the value comes last because it may be long.
pub(super) fn table() -> Table {
    Table::new(&COLUMNS)
}

pub(super) fn row(kv: &KeyValue) -> [String; 5] {
    let lease = if kv.lease == 0 { "-".to_owned() } else { text::lease(kv.lease) };
    let (revision, version) = (kv.mod_revision.to_string(), kv.version.to_string());
    [text::shown(&kv.key), revision, version, lease, text::shown(&kv.value)]
}

async fn get(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: GetArguments,
) -> anyhow::Result<Done> {
    let get = Get::key(arguments.key.clone()).revision(arguments.rev);
    let get = get.read(arguments.freshness()?);
    let records = client.get(get).await?;
    let kv = records.kvs.first();
    match (format, kv) {
        (_, Some(kv)) if arguments.value_only => {
            out.write_all(&kv.value)?;
            if std::io::stdout().is_terminal() {
                out.write_all(b"\n")?;
            }
        }
        (Format::Json, _) if !arguments.value_only => {
            let kv = kv.map(json::Record::new);
            let stale_millis = match records.age {
                Some(Age::Known(age)) => u64::try_from(age.as_millis()).ok(),
                _ => None,
            };
            line(out, &json::Got { revision: records.revision, kv, stale_millis })?;
        }
        (_, Some(kv)) => {
            let mut table = table();
            table.row(row(kv));
            table.print(out)?;
        }
        (_, None) => eprintln!("key not found: {}", text::shown(arguments.key.as_bytes())),
    }
    if format == Format::Table && !arguments.value_only {
        match records.age {
            Some(Age::Known(age)) => {
                writeln!(out, "the server was caught up {} ms ago", age.as_millis())?;
            }
            Some(Age::Unknown) => writeln!(out, "the server was not caught up since its start")?,
            None => {}
        }
    }
    Ok(if kv.is_some() { Done::Well } else { Done::NotFound })
}

fn value(argument: String) -> anyhow::Result<Vec<u8>> {
    /// More than any server takes; without a bound, an endless pipe would fill the memory first.
    const MOST: u64 = 64 << 20;
    if argument != "-" {
        return Ok(argument.into_bytes());
    }
    let mut value = Vec::new();
    std::io::stdin().lock().take(MOST + 1).read_to_end(&mut value)?;
    if value.len() as u64 > MOST {
        return Err(Usage("the value on standard input is over 64 MiB".to_owned()).into());
    }
    Ok(value)
}

async fn put(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: PutArguments,
) -> anyhow::Result<Done> {
    let mut put = Put::new(arguments.key, value(arguments.value)?);
    put = put.lease(arguments.lease.unwrap_or(0));
    if arguments.keep_lease {
        put = put.keep_lease();
    }
    if arguments.previous {
        put = put.previous();
    }
    let written = client.put(put).await?;
    match format {
        Format::Json => {
            let previous = written.previous.as_ref().map(json::Record::new);
            line(out, &json::Written { revision: written.revision, previous })?;
        }
        Format::Table => {
            writeln!(out, "revision {}", written.revision)?;
            if let Some(previous) = &written.previous {
                let mut table = table();
                table.row(row(previous));
                table.print(out)?;
            }
        }
    }
    Ok(Done::Well)
}

async fn delete(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: DeleteArguments,
) -> anyhow::Result<Done> {
    let span = arguments.keys.span();
    let mut delete = Delete::span(span.clone());
    if arguments.previous {
        delete = delete.previous();
    }
    let deleted = match client.delete(delete).await {
        Ok(deleted) => deleted,
        // The keys lie in several regions of a sharded keyspace.
        Err(error) if error.code() == Some(Code::Unsupported) && !arguments.previous => {
            return delete_regions(client, out, format, span).await;
        }
        Err(error) => return Err(error.into()),
    };
    match format {
        Format::Json => line(out, &json::Deleted::new(&deleted))?,
        Format::Table => {
            writeln!(out, "deleted {}, revision {}", deleted.deleted, deleted.revision)?;
            if !deleted.previous.is_empty() {
                let mut table = table();
                deleted.previous.iter().for_each(|kv| table.row(row(kv)));
                table.print(out)?;
            }
        }
    }
    Ok(Done::Well)
}

/// Region by region, for no one removes them together.
async fn delete_regions(
    client: &Client,
    out: &mut Out,
    format: Format,
    span: Span,
) -> anyhow::Result<Done> {
    let parts = client.delete_regions(span).await?;
    let (mut deleted, mut regions) = (0, 0);
    for part in parts {
        match part.outcome {
            Ok(more) => (deleted, regions) = (deleted + more, regions + 1),
            Err(error) => {
                let done = format!("{deleted} were deleted in {regions} regions before this");
                return Err(anyhow::Error::from(error).context(done));
            }
        }
    }
    match format {
        Format::Json => line(out, &serde_json::json!({ "deleted": deleted, "regions": regions }))?,
        Format::Table => writeln!(out, "deleted {deleted}, in {regions} regions one by one")?,
    }
    Ok(Done::Well)
}

async fn scan(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: ScanArguments,
) -> anyhow::Result<Done> {
    let span = match (arguments.prefix, arguments.from, arguments.to) {
        (Some(prefix), _, _) => Span::prefix(prefix),
        (None, None, None) => Span::prefix(""),
        (None, from, to) => Span::range(from.unwrap_or_default(), to.unwrap_or_default()),
    };
    let mut get = Get::span(span).revision(arguments.rev);
    if arguments.serializable {
        get = get.serializable();
    }
    if arguments.keys_only {
        get = get.keys_only();
    }
    let mut backwards = (arguments.reverse && arguments.rev == 0).then(|| get.clone());
    let mut pages = client.pages(get, arguments.reverse, arguments.limit);
    let mut shown = Shown::new(format, arguments.keys_only);
    let mut progress = Progress::new();
    loop {
        let kvs = match pages.next().await {
            Ok(Some(kvs)) => kvs,
            Ok(None) => break,
            // Backwards over several regions of a sharded keyspace.
            Err(error) if backwards.is_some() && error.code() == Some(Code::Unsupported) => {
                if let Some(get) = backwards.take() {
                    scan_backwards(client, out, &mut shown, get, arguments.limit).await?;
                }
                break;
            }
            Err(error) => return Err(error.into()),
        };
        backwards = None;
        shown.page(out, &kvs)?;
        progress.tell(shown.records, pages.count());
    }
    progress.clear();
    if format == Format::Json {
        // Backwards over several regions, what was read is what is known.
        let read = i64::try_from(shown.records).unwrap_or(i64::MAX);
        let (count, more) = (pages.count().unwrap_or(read), pages.more());
        let revision = pages.revision();
        writeln!(out, "],\"count\":{count},\"more\":{more},\"revision\":{revision}}}")?;
    }
    Ok(Done::Well)
}

async fn scan_backwards(
    client: &Client,
    out: &mut Out,
    shown: &mut Shown,
    get: Get,
    limit: Option<u64>,
) -> anyhow::Result<()> {
    let mut pages = client.scan_regions(get, true);
    let mut is_first = true;
    while let Some(mut kvs) = pages.next().await? {
        let left = limit.map(|limit| limit.saturating_sub(shown.records));
        let left = left.and_then(|left| usize::try_from(left).ok());
        kvs.truncate(left.unwrap_or(usize::MAX));
        if kvs.is_empty() {
            break;
        }
        shown.page(out, &kvs)?;
        is_first = false;
    }
    if is_first {
        shown.page(out, &[])?;
    }
    Ok(())
}

/// What of a scan was printed.
struct Shown {
    format: Format,
    keys_only: bool,
    table: Table,
    records: u64,
}

impl Shown {
    fn new(format: Format, keys_only: bool) -> Self {
        let table = if keys_only { Table::new(&COLUMNS[..4]) } else { table() };
        Self { format, keys_only, table, records: 0 }
    }

    fn page(&mut self, out: &mut Out, kvs: &[KeyValue]) -> anyhow::Result<()> {
        let columns = if self.keys_only { 4 } else { 5 };
        if self.format == Format::Json && self.records == 0 {
            out.write_all(if kvs.is_empty() { b"{\"kvs\":[" } else { b"{\"kvs\":[\n" })?;
        }
        for kv in kvs {
            if self.format == Format::Table {
                self.table.row(row(kv).into_iter().take(columns));
            } else {
                if self.records > 0 {
                    out.write_all(b",\n")?;
                }
                let record = match self.keys_only {
                    true => json::Record::without_value(kv),
                    false => json::Record::new(kv),
                };
                serde_json::to_writer(&mut *out, &record).map_err(std::io::Error::from)?;
            }
            self.records += 1;
        }
        if self.format == Format::Table {
            self.table.print(out)?;
        }
        Ok(())
    }
}

/// A line on standard error while a scan is long, if a person sees it and it disturbs no output.
struct Progress {
    told: Instant,
    visible: bool,
    written: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(500);

    fn new() -> Self {
        let visible = std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        Self { told: Instant::now(), visible, written: false }
    }

    fn tell(&mut self, records: u64, count: Option<i64>) {
        if self.visible && self.told.elapsed() >= Self::EVERY {
            self.told = Instant::now();
            self.written = true;
            eprint!("\r{records} of {} keys", count.unwrap_or(0));
        }
    }

    fn clear(&self) {
        if self.written {
            eprint!("\r{:40}\r", "");
        }
    }
}
