//! When a token is to end, as clients write it.

use std::time::Duration;

use crate::consul::input::Input;
use crate::consul::problem::Problem;

/// A token that ends sooner is of no use.
const SHORTEST: Duration = Duration::from_secs(1);
const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970 by `ExpirationTTL` or `ExpirationTime`; 0 for never.
pub(super) fn end(input: &Input<'_>, now_ms: u64) -> Result<u64, Problem> {
    let ttl = input.duration(&["expirationttl"])?.unwrap_or_default();
    let at = input.text(&["expirationtime"])?;
    match (ttl.is_zero(), at) {
        (true, "") => Ok(0),
        (false, "") if ttl < SHORTEST => {
            Err(Problem::bad("Token Expiration TTL must be at least 1s"))
        }
        (false, "") => {
            Ok(now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)))
        }
        (true, at) => match parse(at) {
            Some(end) if end > now_ms => Ok(end),
            Some(_) => Err(Problem::bad("ExpirationTime cannot be before CreateTime")),
            None => {
                Err(Problem::bad(format!("ExpirationTime {at:?} is not a time as RFC 3339 has it")))
            }
        },
        (false, _) => {
            Err(Problem::bad("Token Expiration TTL and Expiration Time cannot both be set"))
        }
    }
}

/// RFC 3339: `2026-11-29T01:02:03.5+01:00`.
fn parse(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let number = |text: &str| text.parse::<i64>().ok().filter(|it| (0..10_000).contains(it));
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let millis = number(format!("{fraction:0<3}").get(..3)?)?;
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_one || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let minutes = number(hours)? * 60 + number(minutes)?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    // Years begin with March here, so that a leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let in_day = ((hour * 60 + minute - offset) * 60 + second) * 1_000 + millis;
    u64::try_from(days * DAY_MS + in_day).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::calendar;

    #[test]
    fn times_are_read_as_they_are_written() {
        for millis in [0, 951_782_400_000, 1_764_331_200_120, 4_102_444_799_999, 68_256_000_000] {
            assert_eq!(parse(&calendar::wall(millis)), Some(millis));
        }
        assert_eq!(parse("1970-01-01T01:30:00+01:00"), Some(1_800_000));
        for bad in
            ["", "now", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "ä-ä-äTä:ä:äZ"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
