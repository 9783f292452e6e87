//! Go's durations, as Consul's clients write them.

use std::time::Duration;

/// Nanoseconds of each unit, the longer names first.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];

/// Reads `1h15m30.5s` and the like; `None` for what Go's parser does not take, and for what is negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        if number == "." {
            return None;
        }
        let number: f64 = number.parse().ok()?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        nanos += number * UNITS.iter().find(|(name, _)| *name == unit)?.1;
        rest = tail;
    }
    // What Go's 64 bits hold.
    (nanos < 9.2e18).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// As Go writes it: `1m30s`, `1.5s`, `10ms`, `0s`.
pub(super) fn format(time: Duration) -> String {
    let nanos = time.as_nanos();
    let fraction = |nanos: u128, unit: u128, name: &str| {
        let mut text = format!("{}", nanos / unit);
        let rest = nanos % unit;
        if rest > 0 {
            let width = unit.ilog10() as usize;
            let digits = format!("{rest:0width$}");
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        text + name
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let seconds = time.as_secs();
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let below = nanos - u128::from(seconds / 60) * 60_000_000_000;
            let below = fraction(below, 1_000_000_000, "s");
            match (hours, minutes) {
                (0, 0) => below,
                (0, minutes) => format!("{minutes}m{below}"),
                (hours, minutes) => format!("{hours}h{minutes}m{below}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{format, parse};

    #[test]
    fn they_are_read_and_written_as_go_does() {
        let nanos = |text: &str| parse(text).map(|it| it.as_nanos());
        assert_eq!(nanos("10s"), Some(10_000_000_000));
        assert_eq!(nanos("15.0s"), Some(15_000_000_000));
        assert_eq!(nanos("1m30s"), Some(90_000_000_000));
        assert_eq!(nanos("1.5h"), Some(5_400_000_000_000));
        assert_eq!(nanos("100ms"), Some(100_000_000));
        assert_eq!(nanos(".5s"), Some(500_000_000));
        assert_eq!(nanos("0"), Some(0));
        assert_eq!(nanos("24h0m0s"), Some(86_400_000_000_000));
        for bad in ["", "10", "s", "-5s", "1x", "1.2.3s", "nope", ".s", "99999999999h", "5 s"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        for text in ["0s", "1ns", "1.5µs", "10ms", "1s", "1.5s", "1m30s", "1h0m0s", "24h0m0.1s"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(millis in 0_u64..100_000_000_000) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(time)), Some(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
