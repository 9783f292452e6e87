//! Which servers a command talks to, and how.

use std::time::Duration;

use client::{Client, Options};

use super::output::Format;

/// Failed attempts at all endpoints, after which a person rather wants to know.
const ROUNDS: u32 = 3;

/// The servers, and how to show what they say.
#[derive(clap::Args)]
#[command(next_help_heading = "Server and output options")]
pub(super) struct Remote {
    /// Servers to ask; if one cannot be reached, the next.
    #[arg(
        long,
        env = "HIRAETH_ENDPOINTS",
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379",
        global = true
    )]
    pub(super) endpoints: Vec<String>,
    /// The keyspace [default: default].
    #[arg(long, env = "HIRAETH_KEYSPACE", value_name = "NAME", global = true)]
    keyspace: Option<String>,
    /// How to show results.
    #[arg(long, value_enum, default_value = "table", global = true)]
    pub(super) output: Format,
    /// How long one request may take, such as 500ms, 10s or 1m.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10s", global = true)]
    timeout: Duration,
}

impl Remote {
    pub(super) fn options(&self) -> Options {
        Options { keyspace: self.keyspace.clone(), timeout: self.timeout, rounds: ROUNDS }
    }

    /// The keyspace that was given.
    pub(super) fn keyspace(&self) -> Option<&str> {
        self.keyspace.as_deref()
    }

    /// A client that connects with the first request.
    pub(super) fn client(&self) -> Result<Client, client::Error> {
        Client::lazy(self.endpoints.iter().map(String::as_str), self.options())
    }
}

pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let number: f64 = number.parse().map_err(|_| "say 500ms, 10s or 1m".to_owned())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" | "" => number,
        "m" => number * 60.0,
        _ => return Err(format!("{unit:?} is no unit of time; say ms, s or m")),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && seconds < 1e6 => Ok(time),
        _ => Err("it must be above 0, and below some days".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_time;

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [("250ms", 250), ("1.5s", 1500), ("2", 2000), ("1m", 60_000)] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["", "s", "0s", "-1s", "1h", "NaN", "inf", "1e300s", "1 s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
