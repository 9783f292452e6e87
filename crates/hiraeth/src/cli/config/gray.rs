use std::io::Write;
use std::time::Duration;

use client::native::GrayResponse;
use client::{Client, ConfigurationName, Gray, GrayWider};
use serde_json::json;

use super::show::{self, version_json};
use super::{by_label, parse_name, parse_pair, put};
use crate::cli::failure::Done;
use crate::cli::output::{Format, Out, line};
use crate::cli::remote::parse_time;
use crate::cli::text::shown;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Release a content to some.
    Start {
        #[command(flatten)]
        content: put::Content,
        #[command(flatten)]
        whom: Whom,
    },
    /// Give a gray release to more.
    Widen(WidenArguments),
    /// Give a gray release to everybody.
    Promote(EndArguments),
    /// Take a gray release back.
    Abort(EndArguments),
    /// Show the gray release under way, with what clients reported.
    Status {
        /// The configuration.
        #[arg(value_parser = parse_name)]
        name: ConfigurationName,
    },
}

/// Whom a gray release is for.
#[derive(clap::Args)]
pub(super) struct Whom {
    /// How many of the clients, from 0 to 100, with two decimal places at most [default: all of those with
    /// the labels, if there are any].
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    percent: Option<u32>,
    /// A label that clients have to have; given many times, they need one value of each label.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
    /// A client that gets it in any case; may be given many times.
    #[arg(long = "client", value_name = "ID")]
    ids: Vec<String>,
}

impl Whom {
    fn gray(self) -> Gray {
        let (basis_points, ids) = (self.percent, self.ids);
        Gray { labels: by_label(self.labels), basis_points, ids, ..Gray::default() }
    }
}

/// Percents as hundredths of them.
fn parse_percent(text: &str) -> Result<u32, String> {
    let wrong = || "it is from 0 to 100, as 5 or 0.25".to_owned();
    let number: f64 = text.parse().map_err(|_| wrong())?;
    let points = number * 100.0;
    let is_whole = (points - points.round()).abs() < 1e-6;
    if !(0.0..=10_000.0).contains(&points) || !is_whole {
        return Err(wrong());
    }
    Ok(points.round() as u32)
}

#[derive(clap::Args)]
pub(super) struct WidenArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    #[command(flatten)]
    whom: Whom,
    /// A label that does not matter any more; may be given many times.
    #[arg(long = "drop-label", value_name = "KEY")]
    drop_labels: Vec<String>,
}

#[derive(clap::Args)]
pub(super) struct EndArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// Only if this version is the gray release.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "VERSION")]
    at: u64,
    /// Why, for people.
    #[arg(long, short = 'm', default_value = "", value_name = "WORDS")]
    why: String,
}

#[derive(clap::Args)]
pub(super) struct CanaryArguments {
    #[command(flatten)]
    content: put::Content,
    #[command(flatten)]
    whom: Whom,
    /// How long it lasts, such as 90s or 30m.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    lasts: Duration,
    /// Clients that have to report failure for it to be rolled back.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    failures: u32,
    /// Promote it at its end, if nobody reported failure; else it is aborted then.
    #[arg(long)]
    promote: bool,
    /// Clients that have to have reported success by then to promote it.
    #[arg(
        long,
        default_value_t = 0,
        hide_default_value = true,
        value_name = "NUMBER",
        requires = "promote"
    )]
    least_ok: u32,
}

#[derive(clap::Args)]
pub(super) struct ReportArguments {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    name: ConfigurationName,
    /// How the client fares.
    #[arg(value_enum)]
    how: How,
    /// The client.
    #[arg(long = "client", value_name = "ID")]
    id: String,
    /// The version that it has [default: whichever is under way].
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "VERSION")]
    at: u64,
    /// What is wrong, for people.
    #[arg(long, short = 'm', default_value = "", value_name = "WORDS")]
    message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum How {
    Ok,
    Failed,
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    command: Command,
) -> anyhow::Result<Done> {
    let answer = match command {
        Command::Start { content, whom } => {
            let (name, release) = content.release()?;
            client.configuration(name).start_gray(&release, &whom.gray()).await?
        }
        Command::Widen(WidenArguments { name, whom, drop_labels }) => {
            let Gray { labels, basis_points, ids, .. } = whom.gray();
            let wider = GrayWider { allow: labels, drop_labels, basis_points, ids };
            client.configuration(name).widen_gray(&wider).await?
        }
        Command::Promote(EndArguments { name, at, why }) => {
            client.configuration(name).promote_gray(at, &why).await?
        }
        Command::Abort(EndArguments { name, at, why }) => {
            client.configuration(name).abort_gray(at, &why).await?
        }
        Command::Status { name } => client.configuration(name).gray_status().await?,
    };
    show(out, format, &answer)
}

pub(super) async fn canary(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: CanaryArguments,
) -> anyhow::Result<Done> {
    let CanaryArguments { content, whom, lasts, failures, promote, least_ok } = arguments;
    let (name, release) = content.release()?;
    let gray = Gray { lasts: Some(lasts), failures, promote, least_ok, ..whom.gray() };
    let answer = client.configuration(name).start_gray(&release, &gray).await?;
    show(out, format, &answer)
}

pub(super) async fn report(client: &Client, arguments: ReportArguments) -> anyhow::Result<Done> {
    let ReportArguments { name, how, id, at, message } = arguments;
    let configuration = client.configuration(name);
    let counted = configuration.report(&id, at, how == How::Failed, &message).await?;
    if !counted {
        eprintln!("enough clients have said so already; this one is not counted");
    }
    Ok(Done::Well)
}

fn show(out: &mut Out, format: Format, answer: &GrayResponse) -> anyhow::Result<Done> {
    let version = answer.version.clone().unwrap_or_default();
    let stable = answer.stable.clone().unwrap_or_default();
    if format == Format::Json {
        let rules = answer.rules.iter().map(|it| json!({ "label": it.label, "values": it.values }));
        let failures = answer
            .failures
            .iter()
            .map(|it| json!({ "client": it.client, "message": it.message, "at_ms": it.at_ms }));
        let canary = answer.canary.as_ref().map(|it| {
            json!({
                "lasts_ms": it.lasts_ms, "ends_at_ms": it.ends_at_ms, "failures": it.failures,
                "promote": it.promote, "least_ok": it.least_ok,
            })
        });
        line(
            out,
            &json!({
                "running": answer.running,
                "version": version_json(&version),
                "stable": version_json(&stable),
                "rules": rules.collect::<Vec<_>>(),
                "basis_points": answer.basis_points,
                "clients": answer.ids,
                "canary": canary,
                "ok": answer.ok,
                "failed": answer.failed,
                "failures": failures.collect::<Vec<_>>(),
                "revision": answer.revision,
            }),
        )?;
        return Ok(Done::Well);
    }
    if !answer.running {
        let (number, stable) = (version.version, stable.version);
        writeln!(
            out,
            "version {number} is no gray release any more; everybody gets version {stable}"
        )?;
        out.flush()?;
        return Ok(Done::Well);
    }
    let (number, others) = (version.version, stable.version);
    writeln!(out, "version {number} for {}; version {others} for the others", whom(answer))?;
    if let Some(canary) = &answer.canary {
        let end = if canary.promote { "promoted" } else { "aborted" };
        let least = match canary.least_ok {
            0 => String::new(),
            least => format!(", if {least} clients report success"),
        };
        writeln!(
            out,
            "{end} at {} UTC{least}; rolled back once {} clients report failure",
            show::at(canary.ends_at_ms),
            canary.failures,
        )?;
    }
    writeln!(out, "reported success: {}, failure: {}", answer.ok, answer.failed)?;
    for failure in &answer.failures {
        let (client, message) =
            (shown(failure.client.as_bytes()), shown(failure.message.as_bytes()));
        writeln!(out, "  {} {client}: {message}", show::at(failure.at_ms))?;
    }
    out.flush()?;
    Ok(Done::Well)
}

fn whom(answer: &GrayResponse) -> String {
    let percent = f64::from(answer.basis_points) / 100.0;
    let mut text = format!("{percent} %");
    for (at, rule) in answer.rules.iter().enumerate() {
        let values: Vec<String> = rule.values.iter().map(|value| shown(value.as_bytes())).collect();
        let with = if at == 0 { " of those with" } else { " and" };
        text += &format!("{with} {}={}", shown(rule.label.as_bytes()), values.join("|"));
    }
    match answer.ids.len() {
        0 => text,
        1 => format!("{text}, and for {}", shown(answer.ids[0].as_bytes())),
        number => format!("{text}, and for {number} clients that are named"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_percent;

    #[test]
    fn percents_are_hundredths() {
        for (text, points) in
            [("0", 0), ("5", 500), ("0.25", 25), ("100", 10_000), ("33.33", 3_333)]
        {
            assert_eq!(parse_percent(text), Ok(points));
        }
        for text in ["", "-1", "100.01", "0.001", "5%", "NaN"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
