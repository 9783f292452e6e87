use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use client::native::{ConfigContentType, ReleaseResponse};
use client::{Client, ConfigurationName, Release};
use serde_json::json;

use super::parse_name;
use super::show::version_json;
use crate::cli::failure::{Done, Usage};
use crate::cli::output::{Format, Out, line};

/// Bytes that are read of a file: one more than can be released.
const MOST: u64 = (1 << 20) + 1;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    content: Content,
    /// How many versions are kept from now on: 1 to 1,000 [default: as before, at first 100].
    #[arg(long, value_name = "NUMBER")]
    keep: Option<u32>,
}

/// What is to be released.
#[derive(clap::Args)]
pub(super) struct Content {
    /// The configuration.
    #[arg(value_parser = parse_name)]
    pub(super) name: ConfigurationName,
    /// The file with the content [default: standard input].
    file: Option<PathBuf>,
    /// What it is written in [default: by the ending of the file's name or the configuration's, else text].
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// What is to be said about the version.
    #[arg(long, short = 'm', default_value = "", value_name = "WORDS")]
    comment: String,
    /// Only if this version is current; 0 for a configuration that is not to be there.
    #[arg(long, value_name = "VERSION")]
    expected: Option<u64>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Text,
    Json,
    Yaml,
    Toml,
    Properties,
}

impl From<Kind> for ConfigContentType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Json => Self::Json,
            Kind::Yaml => Self::Yaml,
            Kind::Toml => Self::Toml,
            Kind::Properties => Self::Properties,
        }
    }
}

/// By the ending of a name.
fn by_ending(name: &str) -> Option<ConfigContentType> {
    Some(match name.rsplit_once('.')?.1 {
        "json" => ConfigContentType::Json,
        "yaml" | "yml" => ConfigContentType::Yaml,
        "toml" => ConfigContentType::Toml,
        "properties" => ConfigContentType::Properties,
        _ => return None,
    })
}

/// What a file has, or standard input.
pub(super) fn read(file: Option<&PathBuf>) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => {
            let open =
                std::fs::File::open(file).and_then(|it| it.take(MOST).read_to_end(&mut content));
            open.with_context(|| file.display().to_string())?;
        }
        None => {
            let input = std::io::stdin().lock().take(MOST).read_to_end(&mut content);
            input.context("standard input")?;
        }
    }
    if content.len() as u64 == MOST {
        return Err(Usage("a content has 1 MiB at most; split it over several".to_owned()).into());
    }
    Ok(content)
}

impl Content {
    pub(super) fn release(self) -> anyhow::Result<(ConfigurationName, Release)> {
        let file = self.file.as_ref().map(|file| file.to_string_lossy().into_owned());
        let kind = self.kind.map(ConfigContentType::from);
        let kind = kind.or_else(|| by_ending(&file?)).or_else(|| by_ending(&self.name.name));
        let release = Release {
            content: read(self.file.as_ref())?.into(),
            content_type: kind.unwrap_or_default(),
            comment: self.comment,
            expected: self.expected,
            keep: None,
        };
        Ok((self.name, release))
    }
}

pub(super) async fn run(
    client: &Client,
    out: &mut Out,
    format: Format,
    arguments: Arguments,
) -> anyhow::Result<Done> {
    let (name, mut release) = arguments.content.release()?;
    release.keep = arguments.keep;
    let answer = client.configuration(name).release(&release).await?;
    told(out, format, answer)
}

/// That a version was released.
pub(super) fn told(out: &mut Out, format: Format, answer: ReleaseResponse) -> anyhow::Result<Done> {
    let version = answer.version.unwrap_or_default();
    match format {
        Format::Json => {
            let (version, unchanged, revision) =
                (version_json(&version), answer.unchanged, answer.revision);
            line(
                out,
                &json!({ "version": version, "unchanged": unchanged, "revision": revision }),
            )?;
        }
        Format::Table => {
            let how = if answer.unchanged { "is current already" } else { "is released" };
            writeln!(out, "version {} {how}", version.version)?;
        }
    }
    out.flush()?;
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use client::native::ConfigContentType;

    use super::by_ending;

    #[test]
    fn endings_say_what_it_is() {
        assert_eq!(by_ending("a.b.yml"), Some(ConfigContentType::Yaml));
        assert_eq!(by_ending("a.conf"), None);
        assert_eq!(by_ending("json"), None);
    }
}
