//! Moments as people write them.

/// A moment of the wall clock, given in milliseconds since 1970, as RFC 3339 in UTC.
#[must_use]
pub fn wall(millis: u64) -> String {
    const DAY: u64 = 86_400;
    let (seconds, milli) = (millis / 1_000, millis % 1_000);
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = tls::date(days);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::wall;

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_827_696, "2000-02-29T12:34:56.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"),
            (1_709_251_200, "2024-03-01T00:00:00.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(wall(seconds * 1000 + 7), text);
        }
    }
}
