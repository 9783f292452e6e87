//! How many refusals are written down. Anybody can be refused as often as it likes, and the files are
//! bounded: without a bound here, whoever has no rights at all could push out of them what somebody did who
//! had. So can who is let in by an auth method, by logging in and out again without end. And each kind of
//! them has its own bound: or who sends wrong tokens without end would hide who tries passwords.

/// Refusals of one kind that are written down in a second; the number of the others is.
const A_SECOND: u64 = 20;
/// The same of an hour. A refusal's line has some 300 bytes, and 3 KiB at most: of all kinds 9 MiB an hour
/// of 512, and 12 with the lines that tell how many were left out, where files are as many and as large as
/// they are by default.
const AN_HOUR: u64 = 400;
/// Milliseconds after which it is told again how many were left out, while there are more and more.
const AGAIN_MS: u64 = 60_000;

/// What anybody can bring about again and again, by whom it hides least when there is too much of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A token that nobody has.
    Token,
    /// A password that is wrong.
    Password,
    /// Somebody whom no auth method let in.
    Login,
    /// Somebody whom one let in, or who gave back what it got by that: the same client can do both again and
    /// again.
    Session,
    /// What somebody may not do of whom nothing is known.
    Nobody,
    /// What a user or the holder of a token may not do.
    Somebody,
    /// What was said of the cluster by those that may not run it, well ended or not.
    Management,
}

impl Refusal {
    pub(super) const ALL: [Self; 7] = [
        Self::Token,
        Self::Password,
        Self::Login,
        Self::Session,
        Self::Nobody,
        Self::Somebody,
        Self::Management,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Token => "tokens that nobody has",
            Self::Password => "wrong passwords",
            Self::Login => "refused logins",
            Self::Session => "logins and logouts",
            Self::Nobody => "of nobody known",
            Self::Somebody => "of users and tokens",
            Self::Management => "of the cluster's management",
        }
    }

    /// What a line says that tells how many there were.
    pub(super) const fn lines(self) -> &'static str {
        match self {
            Self::Session => "changes not written down",
            // Some of it may have been done: compacting is for who may write.
            Self::Management => "lines not written down",
            _ => "refusals not written down",
        }
    }
}

/// So many of a kind that were not written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LeftOut {
    pub(super) refusal: Refusal,
    pub(super) count: u64,
    /// When the last of them was.
    pub(super) at_ms: u64,
}

/// All kinds, each by itself.
#[derive(Default)]
pub(super) struct Denials([Kind; Refusal::ALL.len()]);

impl Denials {
    /// Whether one more of its kind is written down; and how many were left out, if that is to be told.
    pub(super) fn takes(&mut self, refusal: Refusal, now_ms: u64) -> (bool, Option<LeftOut>) {
        let kind = &mut self.0[refusal as usize];
        let takes = kind.takes(now_ms);
        let told = kind.tells(now_ms);
        (takes, told.map(|count| LeftOut { refusal, count, at_ms: now_ms }))
    }

    /// Those that are to be told where nothing was written for a second.
    pub(super) fn quiet(&mut self) -> Vec<LeftOut> {
        self.each(Kind::quiet)
    }

    /// Those that were not told yet.
    pub(super) fn last(&mut self) -> Vec<LeftOut> {
        self.each(Kind::last)
    }

    fn each(&mut self, told: impl Fn(&mut Kind) -> Option<(u64, u64)>) -> Vec<LeftOut> {
        let all = Refusal::ALL.into_iter().zip(&mut self.0);
        all.filter_map(|(refusal, kind)| {
            let (at_ms, count) = told(kind)?;
            Some(LeftOut { refusal, count, at_ms })
        })
        .collect()
    }
}

/// Refusals of the second and of the hour that go on, and how many were not written down since it was last
/// told how many.
#[derive(Default)]
struct Kind {
    second: Span,
    hour: Span,
    left_out: u64,
    /// How many that were when nothing came for a while.
    seen: u64,
    /// When the first of them was left out, and when the last.
    since_ms: u64,
    newest_ms: u64,
}

/// A stretch of time by its number, and how many were written down in it.
#[derive(Default)]
struct Span {
    number: u64,
    count: u64,
}

impl Span {
    fn has_room(&mut self, number: u64, most: u64) -> bool {
        if self.number != number {
            *self = Self { number, count: 0 };
        }
        self.count < most
    }
}

impl Kind {
    /// Whether one more is written down.
    fn takes(&mut self, now_ms: u64) -> bool {
        let of_second = self.second.has_room(now_ms / 1_000, A_SECOND);
        let of_hour = self.hour.has_room(now_ms / 3_600_000, AN_HOUR);
        if of_second && of_hour {
            self.second.count += 1;
            self.hour.count += 1;
            return true;
        }
        if self.left_out == 0 {
            self.since_ms = now_ms;
        }
        self.left_out += 1;
        self.newest_ms = now_ms;
        false
    }

    /// How many were left out, if that is to be told: their second is over, or it goes on and on.
    fn tells(&mut self, now_ms: u64) -> Option<u64> {
        let is_over = now_ms / 1_000 != self.newest_ms / 1_000;
        if is_over || self.is_long_ago(now_ms) { self.take() } else { None }
    }

    fn is_long_ago(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms) >= AGAIN_MS
    }

    /// The same, with when the last of them was, where nothing was written for a second: no more of them
    /// have come since the last such second, or it goes on and on.
    fn quiet(&mut self) -> Option<(u64, u64)> {
        let is_over = std::mem::replace(&mut self.seen, self.left_out) == self.left_out;
        if is_over || self.is_long_ago(self.newest_ms) { self.last() } else { None }
    }

    /// What was not told yet, with when the last of them was.
    fn last(&mut self) -> Option<(u64, u64)> {
        let now_ms = self.newest_ms;
        self.take().map(|count| (now_ms, count))
    }

    fn take(&mut self) -> Option<u64> {
        self.seen = 0;
        let left_out = std::mem::take(&mut self.left_out);
        (left_out > 0).then_some(left_out)
    }
}
