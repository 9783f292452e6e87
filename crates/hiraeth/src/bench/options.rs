//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use super::data::{Shape, Values};
use super::workload::STAMP_BYTES;
use crate::cli::{EXIT_CODES, Format, Usage, parse_time};

/// Put load on servers that speak etcd's API, and measure them.
///
/// By default each client asks for the next thing as soon as it has its answer (closed loop). With --rate
/// operations are due at fixed times whatever the answers do (open loop), and latency counts from when
/// one was due.
///
/// JSON: one object; times in milliseconds, sizes in bytes. `operations` are those of the measured time,
/// `acknowledged` those of the whole run.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) options: Options,
    #[command(subcommand)]
    pub(super) mode: Mode,
}

/// What is asked.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum Mode {
    /// Put random keys.
    Put,
    /// Get random keys.
    Get {
        /// Take what the asked server has, without asking the others.
        #[arg(long)]
        serializable: bool,
    },
    /// Put and get random keys.
    Mix {
        /// Gets among 100 operations.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..100))]
        reads: u64,
        /// Gets take what the asked server has.
        #[arg(long)]
        serializable: bool,
    },
    /// Read the first keys of all, with the count of all.
    Range {
        /// How many keys an answer has at most; 0 for all.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        /// Take what the asked server has.
        #[arg(long)]
        serializable: bool,
    },
    /// Compare and put in one transaction.
    Txn,
    /// Put and get many keys of a region with one call, at who leads it; each key is an operation.
    Batch {
        /// Keys of a call; of a region with fewer, all.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=128))]
        size: u64,
        /// Calls among 100 that get.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=100))]
        reads: u64,
    },
    /// Put keys that are watched; an operation is an event at a watcher.
    Watch {
        /// How many watchers, over all connections.
        #[arg(
            long, default_value_t = 1000,
            value_parser = clap::value_parser!(u32).range(1..=1_000_000)
        )]
        watchers: u32,
        /// How many keys they watch, one each.
        #[arg(
            long, default_value_t = 1,
            value_parser = clap::value_parser!(u32).range(1..=1_000_000)
        )]
        watched_keys: u32,
        /// How many puts are under way at once; each waits for all its events, without --rate.
        #[arg(
            long, default_value_t = 1,
            value_parser = clap::value_parser!(u32).range(1..=100_000)
        )]
        writers: u32,
        /// How many streams the watchers of one connection share.
        #[arg(
            long, default_value_t = 1,
            value_parser = clap::value_parser!(u32).range(1..=100_000)
        )]
        streams: u32,
    },
    /// Renew leases, one per client.
    KeepAlive {
        /// How many streams the leases of one connection share.
        #[arg(
            long, default_value_t = 1,
            value_parser = clap::value_parser!(u32).range(1..=100_000)
        )]
        streams: u32,
    },
    /// Lock and unlock, by etcd's lock service.
    Lock {
        /// How many locks there are; the fewer, the more clients wait for one another.
        #[arg(
            long, default_value_t = 1_000_000,
            value_parser = clap::value_parser!(u64).range(1..)
        )]
        names: u64,
    },
    /// Register instances, each another one, and leave them there; at most 256 of a connection at once.
    Register {
        #[command(flatten)]
        fleet: Fleet,
    },
    /// Register instances, and beat for them in turn; an operation is a message of beats.
    Beat {
        /// How many there are, over all connections.
        #[arg(
            long, default_value_t = 100_000,
            value_parser = clap::value_parser!(u32).range(1..=2_000_000)
        )]
        instances: u32,
        /// How many beats go in one message.
        #[arg(
            long, default_value_t = 100,
            value_parser = clap::value_parser!(u32).range(1..=65_536)
        )]
        group: u32,
        #[command(flatten)]
        fleet: Fleet,
    },
    /// Change an instance of a service that many subscribed to; an operation is a push to one of them.
    Push {
        /// How many subscribers, each with a stream of its own.
        #[arg(
            long, default_value_t = 1000,
            value_parser = clap::value_parser!(u32).range(1..=1_000_000)
        )]
        subscribers: u32,
        /// Other instances of the service.
        #[arg(
            long, default_value_t = 0,
            value_parser = clap::value_parser!(u32).range(0..=100_000)
        )]
        others: u32,
    },
    /// Write every key once, in order, many to a transaction; nothing else.
    Fill,
    /// Serve puts and gets from memory at once: what any server of this API costs at least.
    #[command(hide = true)]
    Floor {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:2379")]
        listen: String,
    },
}

/// The instances that are registered.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Fleet {
    /// How many services they are of.
    #[arg(
        long, default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub(super) services: u64,
    /// Silence after which one does not pass any more.
    #[arg(long, default_value = "15s", value_parser = parse_time, value_name = "TIME")]
    pub(super) ttl: Duration,
}

/// How it is asked.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Load options")]
pub(super) struct Options {
    /// Servers to load; connections are spread over them.
    #[arg(
        long,
        env = "HIRAETH_ENDPOINTS",
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379",
        global = true
    )]
    pub(super) endpoints: Vec<String>,
    /// Ask for keys of this keyspace of ours, ordered or sharded, instead of etcd's.
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) keyspace: Option<String>,
    /// Connections; never more than clients.
    #[arg(
        long, default_value_t = 32, global = true,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub(super) connections: u32,
    /// Operations under way at once, at most.
    #[arg(
        long, default_value_t = 64, global = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(super) clients: u32,
    /// Operations due in a second (puts for `watch`) [default: as fast as answers come].
    #[arg(long, value_name = "N", global = true, value_parser = parse_rate)]
    pub(super) rate: Option<f64>,
    /// The measured time.
    #[arg(
        long, value_name = "TIME",
        value_parser = parse_time, default_value = "5s", global = true
    )]
    pub(super) duration: Duration,
    /// Load before the measured time [default: 1s; none with --total].
    #[arg(long, value_name = "TIME", value_parser = parse_time, global = true)]
    pub(super) warm_up: Option<Duration>,
    /// Measure so many operations, whatever time they take.
    #[arg(long, value_name = "N", global = true, conflicts_with_all = ["duration", "warm_up"],
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) total: Option<u64>,
    /// How long one operation may take.
    #[arg(
        long, value_name = "TIME",
        value_parser = parse_time, default_value = "10s", global = true
    )]
    pub(super) timeout: Duration,
    /// Different keys.
    #[arg(
        long, default_value_t = 100_000, global = true,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(super) keys: u64,
    /// Bytes of a key.
    #[arg(
        long, default_value_t = 8, global = true,
        value_parser = clap::value_parser!(u32).range(1..=65_536)
    )]
    pub(super) key_size: u32,
    /// Bytes of a value.
    #[arg(
        long, default_value_t = 256, global = true,
        value_parser = clap::value_parser!(u32).range(0..=1_400_000)
    )]
    pub(super) value_size: u32,
    /// What values are made of.
    #[arg(long, value_enum, default_value = "random", global = true)]
    pub(super) values: Values,
    /// Write every key once before.
    #[arg(long, global = true)]
    pub(super) fill: bool,
    /// Processes of the servers: their processor time, memory and bytes written are measured.
    #[arg(long, value_name = "PID,...", value_delimiter = ',', global = true)]
    pub(super) pids: Vec<u32>,
    /// Where random keys and values begin.
    #[arg(long, default_value_t = 1, global = true)]
    pub(super) seed: u64,
    /// Tell every second how it goes, even where nobody looks.
    #[arg(long, global = true)]
    pub(super) progress: bool,
    /// How to show results.
    #[arg(long, value_enum, default_value = "table", global = true)]
    pub(super) output: Format,
    /// Write the JSON here as well.
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) json_file: Option<PathBuf>,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e8).contains(&rate) => Ok(rate),
        _ => Err("operations a second, such as 500".to_owned()),
    }
}

impl Options {
    /// The keys and values; what cannot be is an error.
    pub(super) fn shape(&self, mode: &Mode) -> anyhow::Result<Shape> {
        let shape = Shape {
            keys: self.keys,
            key_bytes: self.key_size as usize,
            value_bytes: self.value_size as usize,
            values: self.values,
        };
        if !shape.fits() {
            let words = format!("there are no {} keys of {} digits", shape.keys, shape.key_bytes);
            return Err(Usage(words).into());
        }
        if matches!(mode, Mode::Watch { .. }) && shape.value_bytes < STAMP_BYTES {
            let words = format!("values of watched keys need {STAMP_BYTES} bytes");
            return Err(Usage(words).into());
        }
        Ok(shape)
    }

    /// Connections and clients: none idle.
    pub(super) fn connections(&self) -> usize {
        self.connections.min(self.clients) as usize
    }

    /// How many of `all` fall to connection `at`.
    pub(super) fn share(&self, all: usize, at: usize) -> usize {
        let connections = self.connections();
        all / connections + usize::from(at < all % connections)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Arguments, Mode};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, String> {
        let parsed = Program::try_parse_from(line.split_whitespace());
        parsed.map(|program| program.arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn options_may_stand_on_both_sides_and_wrong_ones_are_told() {
        let arguments =
            parse("bench --clients 7 put --connections 3 --rate 500 --pids 1,2").unwrap();
        let options = &arguments.options;
        assert_eq!(
            (options.clients, options.rate, &options.pids[..]),
            (7, Some(500.0), &[1, 2][..])
        );
        let shares: Vec<usize> = (0..3).map(|at| options.share(7, at)).collect();
        assert_eq!(shares, [3, 2, 2]);
        assert!(matches!(arguments.mode, Mode::Put));
        assert_eq!(parse("bench put --clients 2").unwrap().options.connections(), 2);
        let wrong = [
            "bench",
            "bench put --clients 0",
            "bench put --rate 0",
            "bench put --rate NaN",
            "bench mix --reads 100",
            "bench put --total 5 --duration 1s",
            "bench put --duration 5h",
            "bench get --reads 5",
            "bench put --values zeros",
            "bench watch --watchers 0",
        ];
        for line in wrong {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let shape = |line: &str| {
            let arguments = parse(line).unwrap();
            arguments.options.shape(&arguments.mode).map_err(|error| error.to_string())
        };
        assert!(shape("bench put --keys 100000000").is_ok());
        let error = shape("bench put --keys 100000001").unwrap_err();
        assert_eq!(error, "there are no 100000001 keys of 8 digits");
        assert!(shape("bench put --value-size 1").is_ok());
        assert!(shape("bench watch --value-size 15").is_err());
    }
}
