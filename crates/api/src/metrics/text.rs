use std::fmt::Write;

use node::Tally;

/// Prometheus' text format, family by family.
#[derive(Default)]
pub(super) struct Text(String);

/// What kind of number a family is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Names and values that tell the series of a family apart.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

impl Text {
    /// Begins a family; its series follow.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing into a string cannot fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One series.
    pub(super) fn value(&mut self, name: &str, labels: &Labels<'_>, value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// A family of one series.
    pub(super) fn one(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        value: impl std::fmt::Display,
    ) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }

    /// A histogram; so many of its units make one of what the name says.
    pub(super) fn histogram(&mut self, name: &str, help: &str, tally: &Tally, per: f64) {
        self.family(name, Kind::Histogram, help);
        let (bucket, mut seen) = (format!("{name}_bucket"), 0);
        for (at, count) in tally.counts.iter().enumerate() {
            seen += count;
            let bound = tally.bounds.get(at).map(|bound| scaled(*bound, per).to_string());
            self.value(&bucket, &[("le", bound.as_deref().unwrap_or("+Inf"))], seen);
        }
        self.value(&format!("{name}_sum"), &[], scaled(tally.sum, per));
        self.value(&format!("{name}_count"), &[], seen);
    }

    /// Families that somebody else wrote.
    pub(super) fn append(&mut self, families: &str) {
        self.0.push_str(families);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Counts lose nothing that matters as floats.
#[allow(
    clippy::cast_precision_loss,
    reason = "a metric is a 64-bit float on the other side anyway"
)]
pub(super) fn scaled(value: u64, per: f64) -> f64 {
    value as f64 / per
}
