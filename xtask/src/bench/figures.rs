//! What was measured.

use serde::Serialize;
use serde_json::Value;

use super::rows::{Metric, Row};

/// One measurement of a row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) row: &'static str,
    pub(super) peer: &'static str,
    pub(super) round: u32,
    pub(super) report: Value,
    /// Why there is no report.
    pub(super) error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Figures(pub(super) Vec<Figure>);

impl Figures {
    pub(super) fn add(&mut self, row: &Row, peer: &'static str, round: u32, report: Value) {
        self.0.push(Figure { row: row.name, peer, round, report, error: None });
    }

    pub(super) fn failed(
        &mut self,
        row: &Row,
        peer: &'static str,
        round: u32,
        why: &anyhow::Error,
    ) {
        let error = Some(format!("{why:#}"));
        self.0.push(Figure { row: row.name, peer, round, report: Value::Null, error });
    }

    fn of<'a>(&'a self, row: &'a str, peer: &'a str) -> impl Iterator<Item = &'a Figure> {
        self.0.iter().filter(move |figure| figure.row == row && figure.peer == peer)
    }

    /// A metric of all rounds, in their order.
    pub(super) fn values(&self, row: &str, peer: &str, metric: &Metric) -> Vec<f64> {
        let value =
            |figure: &Figure| Some(metric.shown.of(figure.report.pointer(metric.at)?.as_f64()?));
        self.of(row, peer).filter_map(value).collect()
    }

    /// Why a row has no figures.
    pub(super) fn error<'a>(&'a self, row: &'a str, peer: &'a str) -> Option<&'a str> {
        self.of(row, peer).find_map(|figure| figure.error.as_deref())
    }

    /// The least and the most of what others did while this row was measured: load average of a minute,
    /// processors kept busy.
    pub(super) fn machine(&self, row: &str, peer: &str) -> Option<[f64; 4]> {
        let number = |figure: &Figure, at: &str| figure.report.pointer(at).and_then(Value::as_f64);
        let bounds = |at: &str| {
            let all: Vec<f64> =
                self.of(row, peer).filter_map(|figure| number(figure, at)).collect();
            let least = all.iter().copied().reduce(f64::min)?;
            Some((least, all.into_iter().fold(least, f64::max)))
        };
        let (load, others) = (bounds("/load_average/0")?, bounds("/other_cores")?);
        Some([load.0, load.1, others.0, others.1])
    }
}

/// The one in the middle; of two the mean.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
