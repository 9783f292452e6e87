//! Where spans go, and of which requests there are any.

use anyhow::{Context, bail};
use spans::{Endpoint, Exporter, Settings, Tracer};

/// What programs that speak OTLP are told by.
const OTEL_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Requests traced in one second, if nothing is said.
const PER_SECOND: u32 = 100;

/// As it is given, by whatever way.
#[derive(Default)]
pub(super) struct Given {
    pub(super) endpoint: Option<String>,
    pub(super) ratio: Option<f64>,
    pub(super) per_second: Option<u32>,
}

/// Nothing is traced where nobody says where spans should go.
pub(super) fn resolve(given: Given, node: &str) -> anyhow::Result<(Tracer, Option<Exporter>)> {
    let of_otel = || std::env::var(OTEL_ENDPOINT).ok();
    resolve_with(given, node, of_otel)
}

fn resolve_with(
    given: Given,
    node: &str,
    of_otel: impl FnOnce() -> Option<String>,
) -> anyhow::Result<(Tracer, Option<Exporter>)> {
    let ratio = given.ratio.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&ratio) {
        bail!("--trace-ratio is between 0 and 1, not {ratio}");
    }
    let (endpoint, name) = match given.endpoint {
        Some(endpoint) => (Some(endpoint), "--otlp-endpoint"),
        None => (of_otel(), OTEL_ENDPOINT),
    };
    // Empty is how it is taken back that the environment says it.
    let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else {
        return Ok(Default::default());
    };
    let (tracer, exporter) = Tracer::new(Settings {
        endpoint: Endpoint::parse(&endpoint).context(name)?,
        node: node.to_owned(),
        ratio,
        per_second: given.per_second.unwrap_or(PER_SECOND),
    });
    Ok((tracer, Some(exporter)))
}

#[cfg(test)]
mod tests {
    use super::{Given, resolve_with};

    #[test]
    fn others_environment_says_it_where_ours_does_not() {
        let is_on = |endpoint: Option<&str>, of_otel: Option<&str>| {
            let given = Given { endpoint: endpoint.map(String::from), ..Given::default() };
            resolve_with(given, "n1", || of_otel.map(String::from)).map(|(it, _)| it.is_on())
        };
        assert!(!is_on(None, None).unwrap());
        assert!(is_on(None, Some("http://collector:4317")).unwrap());
        assert!(is_on(Some("collector:4317"), None).unwrap());
        assert!(!is_on(Some(""), Some("http://collector:4317")).unwrap(), "it is taken back");
        let wrong = is_on(None, Some("ftp://collector")).unwrap_err();
        assert!(wrong.to_string().contains("OTEL_EXPORTER"), "{wrong}");
        for ratio in [-0.1, 1.1, f64::NAN] {
            let given = Given { ratio: Some(ratio), ..Given::default() };
            assert!(resolve_with(given, "n1", || None).is_err());
        }
    }
}
