//! What history is to be kept, as etcd's flags say it.

use std::time::Duration;

use anyhow::{Context, bail};
use node::AutoCompaction;

/// How often a number of revisions is looked at, as etcd does.
const EVERY: Duration = Duration::from_secs(300);

/// `mode` is `periodic`, where a bare number is of hours, or `revision`; a retention of 0 keeps all.
pub(super) fn parse(mode: &str, retention: &str) -> anyhow::Result<Option<AutoCompaction>> {
    let wrong = || format!("--auto-compaction-retention {retention:?} is wrong for mode {mode}");
    match mode {
        "periodic" => {
            let period = match retention.parse::<u64>() {
                Ok(hours) => Duration::from_secs(hours.saturating_mul(3600)),
                Err(_) => duration(retention).with_context(wrong)?,
            };
            Ok((!period.is_zero()).then_some(AutoCompaction::Periodic(period)))
        }
        "revision" => {
            let keep: u64 = retention.parse().with_context(wrong)?;
            Ok((keep > 0).then_some(AutoCompaction::Revisions { keep, every: EVERY }))
        }
        _ => bail!("--auto-compaction-mode is periodic or revision, not {mode:?}"),
    }
}

/// A time in Go's words: `1h30m`, `90s`, `500ms`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, unit) = rest.split_at(digits);
        let length = unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(length);
        let number: u64 = number.parse().context("a time is numbers and units, such as 1h30m")?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            "h" => Duration::from_secs(number.saturating_mul(3600)),
            _ => bail!("a unit of time is h, m, s or ms, not {unit:?}"),
        };
        total = total.saturating_add(part);
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use node::AutoCompaction;

    use super::parse;

    #[test]
    fn retention_is_said_as_to_an_etcd() {
        let periodic = |text| match parse("periodic", text).unwrap() {
            Some(AutoCompaction::Periodic(period)) => period.as_millis(),
            None => 0,
            Some(other) => panic!("{other:?}"),
        };
        for (text, millis) in
            [("0", 0), ("0s", 0), ("1", 3_600_000), ("90s", 90_000), ("1h30m", 5_400_000)]
        {
            assert_eq!(periodic(text), millis, "{text}");
        }
        let every = Duration::from_secs(300);
        let kept = parse("revision", "1000").unwrap();
        assert_eq!(kept, Some(AutoCompaction::Revisions { keep: 1000, every }));
        assert_eq!(parse("revision", "0").unwrap(), None);
        for (mode, text) in [
            ("hourly", "1"),
            ("revision", "1h"),
            ("periodic", "1x"),
            ("periodic", "h"),
            ("periodic", "-1"),
        ] {
            assert!(parse(mode, text).is_err(), "{mode} {text}");
        }
    }
}
