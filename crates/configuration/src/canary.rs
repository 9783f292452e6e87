//! When a gray release ends by itself.

use crate::record::{Canary, Gray};

/// How many clients have reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// That they work with it,
    pub ok: u32,
    /// and that they do not.
    pub failed: u32,
}

/// What is to be done about a canary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Look again then, in milliseconds since 1970; or when something was reported.
    Wait(u64),
    /// Give it to everybody.
    Promote(String),
    /// Take it back: its time is over.
    Abort(String),
    /// Take it back: it failed.
    RollBack(String),
}

/// What is to be done now about a gray release; `None` for one that has no canary.
#[must_use]
pub fn decide(gray: &Gray, counts: Counts, now_ms: u64) -> Option<Decision> {
    let canary = gray.canary.as_ref()?;
    Some(of(canary, counts, now_ms))
}

fn of(canary: &Canary, counts: Counts, now_ms: u64) -> Decision {
    let Counts { ok, failed } = counts;
    if failed >= canary.failures.max(1) {
        return Decision::RollBack(format!("canary: {failed} clients reported failure"));
    }
    if now_ms < canary.ends_at_ms {
        return Decision::Wait(canary.ends_at_ms);
    }
    if !canary.promote {
        return Decision::Abort("canary: its time is over".to_owned());
    }
    if failed > 0 {
        return Decision::Abort(format!(
            "canary: its time is over, and {failed} clients reported failure"
        ));
    }
    if ok < canary.least_ok {
        let least = canary.least_ok;
        return Decision::Abort(format!(
            "canary: its time is over, and {ok} clients reported success, not {least}"
        ));
    }
    Decision::Promote(format!(
        "canary: its time is over without a failure; {ok} clients reported success"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Counts, Decision, of};
    use crate::record::Canary;

    #[test]
    fn a_canary_ends_as_it_was_told_to() {
        let canary =
            |promote, least_ok| Canary { ends_at_ms: 1_000, failures: 3, promote, least_ok };
        let kind = |canary: Canary, ok, failed, now| match of(&canary, Counts { ok, failed }, now) {
            Decision::Wait(until) => format!("wait {until}"),
            Decision::Promote(_) => "promote".to_owned(),
            Decision::Abort(_) => "abort".to_owned(),
            Decision::RollBack(_) => "roll back".to_owned(),
        };
        for (promote, least_ok, ok, failed, now, expected) in [
            (true, 0, 0, 0, 999, "wait 1000"),
            (true, 0, 0, 2, 999, "wait 1000"),
            (true, 0, 9, 3, 0, "roll back"),
            (false, 0, 9, 3, 2_000, "roll back"),
            (true, 0, 0, 0, 1_000, "promote"),
            (true, 5, 4, 0, 1_000, "abort"),
            (true, 5, 5, 0, 1_000, "promote"),
            (true, 0, 5, 1, 1_000, "abort"),
            (false, 0, 5, 0, 1_000, "abort"),
        ] {
            assert_eq!(kind(canary(promote, least_ok), ok, failed, now), expected);
        }
        // A record that says 0 is one that nobody can have made: it must not end at once.
        let none = Canary { failures: 0, ..canary(true, 0) };
        assert_eq!(kind(none, 0, 0, 0), "wait 1000");
    }
}
