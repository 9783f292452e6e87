use node::Histogram;

use super::text::{Kind, Text};

#[test]
fn series_are_escaped_and_histograms_add_up() {
    let mut text = Text::default();
    text.family("a_total", Kind::Counter, "What a is.");
    text.value("a_total", &[("name", "q\"\\\n"), ("other", "ü")], 7);
    let histogram = Histogram::new(&[1_000, 2_000]);
    [1, 1_000, 1_500, 9_000].into_iter().for_each(|value| histogram.add(value));
    text.histogram("b_seconds", "What b is.", &histogram.tally(), 1e6);
    let expected = r#"# HELP a_total What a is.
# TYPE a_total counter
a_total{name="q\"\\\n",other="ü"} 7
# HELP b_seconds What b is.
# TYPE b_seconds histogram
b_seconds_bucket{le="0.001"} 2
b_seconds_bucket{le="0.002"} 3
b_seconds_bucket{le="+Inf"} 4
b_seconds_sum 0.011501
b_seconds_count 4
"#;
    assert_eq!(text.finish(), expected);
}
