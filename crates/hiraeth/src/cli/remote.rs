//! Which servers a command talks to, and how.

use std::path::PathBuf;
use std::time::Duration;

use client::{Client, Options, Tls, Token, User};

use super::failure::Usage;
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
        value_name = "[https://]HOST:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379",
        global = true
    )]
    pub(super) endpoints: Vec<String>,
    /// The keyspace [default: default].
    #[arg(long, env = "HIRAETH_KEYSPACE", value_name = "NAME", global = true)]
    keyspace: Option<String>,
    /// Who asks, where the cluster knows users. A password given here can be seen by whoever lists
    /// processes; one in the environment cannot.
    #[arg(
        long,
        env = "HIRAETH_USER",
        value_name = "NAME[:PASSWORD]",
        value_parser = parse_user,
        hide_env_values = true,
        global = true
    )]
    user: Option<Named>,
    /// The password of `--user`.
    #[arg(
        long,
        env = "HIRAETH_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        global = true
    )]
    password: Option<String>,
    /// A token's secret, where Consul's ACL is on. One given here can be seen by whoever lists processes; one
    /// in the environment cannot.
    #[arg(
        long,
        env = "HIRAETH_ACL_TOKEN",
        value_name = "SECRET",
        hide_env_values = true,
        global = true
    )]
    pub(super) acl_token: Option<String>,
    /// The authorities that vouch for the servers' certificates, in PEM form [default: the system's]. With
    /// it, or with a certificate, TLS is spoken with endpoints that do not say http://.
    #[arg(long, env = "HIRAETH_CACERT", value_name = "FILE", global = true)]
    cacert: Option<PathBuf>,
    /// This client's certificate, if the servers want one.
    #[arg(long = "cert", env = "HIRAETH_CERT", value_name = "FILE", global = true)]
    tls_cert: Option<PathBuf>,
    /// The key of `--cert`.
    #[arg(long = "key", env = "HIRAETH_KEY", value_name = "FILE", global = true)]
    tls_key: Option<PathBuf>,
    /// How to show results.
    #[arg(long, value_enum, default_value = "table", global = true)]
    pub(super) output: Format,
    /// How long one request may take, such as 500ms, 10s or 1m.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "10s", global = true)]
    timeout: Duration,
}

impl Remote {
    /// How to ask what everybody may.
    ///
    /// # Errors
    /// A file of certificates is wrong.
    pub(super) fn options(&self) -> Result<Options, client::Error> {
        let keyspace = self.keyspace.clone();
        let files = [&self.cacert, &self.tls_cert, &self.tls_key];
        let tls = match files.iter().any(|file| file.is_some()) {
            true => {
                let [ca, cert, key] = files.map(Clone::clone);
                Some(Tls::from_files(ca, cert, key)?)
            }
            false => None,
        };
        Ok(Options {
            keyspace,
            user: None,
            token: self.acl_token.clone().map(Token),
            tls,
            timeout: self.timeout,
            rounds: ROUNDS,
            direct: false,
            // Each call would be another client that regions remember.
            exactly_once: false,
        })
    }

    fn user(&self) -> Result<Option<User>, Usage> {
        let Some(Named { name, password }) = self.user.clone() else {
            return match &self.password {
                None => Ok(None),
                Some(_) => Err(Usage("whose password is it? --user says who asks".to_owned())),
            };
        };
        let password = password.or_else(|| self.password.clone()).ok_or_else(|| {
            Usage(format!(
                "the password of {name:?} is missing: say --user {name}:PASSWORD, or put it into \
                 HIRAETH_PASSWORD"
            ))
        })?;
        Ok(Some(User { name, password }))
    }

    /// The keyspace that was given.
    pub(super) fn keyspace(&self) -> Option<&str> {
        self.keyspace.as_deref()
    }

    /// A client that connects with the first request.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let options = Options { user: self.user()?, ..self.options()? };
        Ok(Client::lazy(self.endpoints.iter().map(String::as_str), options)?)
    }
}

/// A user as the command line names it.
#[derive(Clone)]
struct Named {
    name: String,
    password: Option<String>,
}

/// The first colon ends the name, as with etcdctl.
fn parse_user(text: &str) -> Result<Named, String> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("say NAME or NAME:PASSWORD".to_owned());
    }
    Ok(Named { name: name.to_owned(), password })
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

    use super::{parse_time, parse_user};

    #[test]
    fn a_password_may_have_colons_in_it() {
        let user = parse_user("bob:a:b").map(|user| (user.name, user.password));
        assert_eq!(user, Ok(("bob".to_owned(), Some("a:b".to_owned()))));
        assert!(parse_user("bob").is_ok_and(|user| user.password.is_none()));
        assert!(parse_user(":secret").is_err() && parse_user("").is_err());
    }

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
