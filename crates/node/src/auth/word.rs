//! What this process tells itself of who asks, where that was proven by other means than a token: by a
//! client's certificate. It goes where a token goes, and means something in this process only.

use env::Rng;

/// No token begins so: theirs are letters and digits of base64.
const KIND: &str = "certificate:";
/// Hexadecimal digits of the secret.
const DIGITS: usize = 32;

/// Gives words, and knows its own.
pub(crate) struct Words {
    /// Drawn at the start and kept nowhere: nobody outside can make a word.
    secret: String,
}

impl Words {
    pub(crate) fn new(rng: &dyn Rng) -> Self {
        Self { secret: format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()) }
    }

    /// The word for a user.
    pub(crate) fn give(&self, user: &str) -> Box<str> {
        format!("{KIND}{}{user}", self.secret).into()
    }

    /// Whose word it is, if it was given here.
    pub(crate) fn read<'a>(&self, word: &'a str) -> Option<&'a str> {
        let (secret, user) = word.strip_prefix(KIND)?.split_at_checked(DIGITS)?;
        // Looks at every digit, so that the time it takes tells nothing.
        let pairs = secret.bytes().zip(self.secret.bytes());
        let differs = pairs.fold(0, |differs, (given, own)| differs | (given ^ own));
        (differs == 0 && !user.is_empty()).then_some(user)
    }
}

#[cfg(test)]
mod tests {
    use env::OsRandom;

    use super::{KIND, Words};

    #[test]
    fn only_this_process_can_give_a_word() {
        let (words, others) = (Words::new(&OsRandom), Words::new(&OsRandom));
        let word = words.give("alice");
        assert_eq!(words.read(&word), Some("alice"));
        assert_eq!(others.read(&word), None);
        for forged in ["", "alice", KIND, &format!("{KIND}alice"), &format!("{KIND}{:032}root", 0)]
        {
            assert_eq!(words.read(forged), None, "{forged}");
        }
        assert_eq!(words.read(&words.give("")), None);
        assert_eq!(words.read(&word.replace("alice", "äöü").replacen('c', "C", 1)), None);
    }
}
