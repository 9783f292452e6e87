//! What a server tells Prometheus, read again: series by name and labels, and histograms.

use std::collections::BTreeMap;

/// All series of one server at one moment.
#[derive(Clone, Default, Debug)]
pub(super) struct Series(BTreeMap<String, Vec<One>>);

/// Names and values.
type Labels = Vec<(String, String)>;

#[derive(Clone, Debug)]
struct One {
    labels: Labels,
    value: f64,
}

/// A histogram: how many values were up to each bound, ascending, the last of all.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Buckets(Vec<(f64, f64)>);

impl Series {
    /// What is no line of the format is passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<One>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, labels, value)) = split(line) else { continue };
            all.entry(name.to_owned()).or_default().push(One { labels, value });
        }
        Self(all)
    }

    fn of(&self, name: &str) -> &[One] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of a series without labels, or of the first of them.
    pub(super) fn one(&self, name: &str) -> Option<f64> {
        self.of(name).first().map(|one| one.value)
    }

    /// All series of a name together; 0 without any.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.of(name).iter().map(|one| one.value).sum()
    }

    /// Series of a name by the value of one label, added up.
    pub(super) fn by<'a>(&'a self, name: &str, label: &str) -> BTreeMap<&'a str, f64> {
        let mut all = BTreeMap::new();
        for one in self.of(name) {
            let value = one.labels.iter().find(|(name, _)| name == label);
            let value = value.map_or("", |(_, value)| value.as_str());
            *all.entry(value).or_default() += one.value;
        }
        all
    }

    /// A histogram by its family's name.
    pub(super) fn buckets(&self, name: &str) -> Buckets {
        let bounds = self.by(&format!("{name}_bucket"), "le");
        let bound = |text: &str| match text {
            "+Inf" => Some(f64::INFINITY),
            text => text.parse::<f64>().ok(),
        };
        let mut all: Vec<(f64, f64)> =
            bounds.into_iter().filter_map(|(text, count)| Some((bound(text)?, count))).collect();
        all.sort_by(|one, next| one.0.total_cmp(&next.0));
        Buckets(all)
    }
}

impl Buckets {
    /// What came after `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let old = |bound: f64| {
            let found = before.0.iter().find(|(it, _)| it.total_cmp(&bound).is_eq());
            found.map_or(0.0, |(_, count)| *count)
        };
        Self(self.0.iter().map(|(bound, count)| (*bound, (count - old(*bound)).max(0.0))).collect())
    }

    /// Both together.
    pub(super) fn with(&self, other: &Self) -> Self {
        if self.0.is_empty() {
            return other.clone();
        }
        let more = |bound: f64| {
            let found = other.0.iter().find(|(it, _)| it.total_cmp(&bound).is_eq());
            found.map_or(0.0, |(_, count)| *count)
        };
        Self(self.0.iter().map(|(bound, count)| (*bound, count + more(*bound))).collect())
    }

    /// How many values.
    pub(super) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The bound under which such a part of the values lie; the largest finite one if they are above it,
    /// `None` without values.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = self.count() * part;
        if self.count() <= 0.0 {
            return None;
        }
        let found = self.0.iter().find(|(_, count)| *count >= wanted).map(|(bound, _)| *bound);
        let finite = self.0.iter().rev().map(|(bound, _)| *bound).find(|it| it.is_finite());
        found.filter(|bound| bound.is_finite()).or(finite)
    }
}

/// Name, labels and value of a line.
fn split(line: &str) -> Option<(&str, Labels, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, rest)) = series.split_once('{') else {
        return Some((series, Vec::new(), value));
    };
    let mut rest = rest.strip_suffix('}')?;
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        labels.push((label.trim_start_matches(',').to_owned(), text));
        rest = characters.as_str();
    }
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Series};

    #[test]
    fn series_labels_and_histograms_are_read() {
        let series = Series::parse(
            "# HELP a_total What a is.\n# TYPE a_total counter\n\
             a_total{name=\"q\\\"\\\\\\n,\",other=\"x\"} 7\na_total{other=\"x\"} 1\nb 2.5\nrubbish\n\
             c_bucket{le=\"0.001\"} 10\nc_bucket{le=\"0.01\"} 99\nc_bucket{le=\"+Inf\"} 100\n",
        );
        assert_eq!(series.one("b"), Some(2.5));
        assert_eq!(series.one("missing"), None);
        assert!((series.sum("a_total") - 8.0).abs() < 1e-9);
        let by = series.by("a_total", "name");
        assert_eq!(by.keys().copied().collect::<Vec<_>>(), ["", "q\"\\\n,"]);
        assert_eq!(series.by("a_total", "other").len(), 1);
        let buckets = series.buckets("c");
        let at = |part| buckets.quantile(part).unwrap();
        assert!((at(0.1) - 0.001).abs() < 1e-9 && (at(0.5) - 0.01).abs() < 1e-9);
        assert!((at(1.0) - 0.01).abs() < 1e-9, "above all bounds is the last of them");
        assert_eq!(buckets.since(&buckets).quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
        assert!((buckets.with(&buckets).count() - 200.0).abs() < 1e-9);
        assert!((Buckets::default().with(&buckets).count() - 100.0).abs() < 1e-9);
    }
}
