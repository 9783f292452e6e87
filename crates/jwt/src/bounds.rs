//! Whether a token counts now, and here.

use serde_json::{Map, Value};

use crate::{Claims, Refused};

/// How far clocks may differ, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leeways {
    /// Of all times.
    pub skew: i64,
    /// So long counts a token that does not say how long.
    pub expiration: i64,
    /// So long before its end counts a token that does not say since when.
    pub not_before: i64,
}

impl Default for Leeways {
    fn default() -> Self {
        Self { skew: 60, expiration: 150, not_before: 150 }
    }
}

/// Whose tokens are taken, and for whom they have to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// Who vouches for it; empty for whoever has the key.
    pub issuer: String,
    /// Whom it is for: one of these. A token that is for somebody is not taken where none is named.
    pub audiences: Vec<String>,
    /// How far clocks may differ.
    pub leeways: Leeways,
}

/// A time as tokens have it: seconds since 1970, with or without a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refused> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let seconds = value.as_i64().or_else(|| value.as_f64().map(|it| it as i64));
            seconds.map(Some).ok_or_else(|| Refused::Claim(name.to_owned()))
        }
    }
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, Refused> {
    let wrong = || Refused::Claim("aud".to_owned());
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(list)) => {
            list.iter().map(|it| it.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()
        }
        Some(_) => Err(wrong()),
    }
}

impl Bounds {
    /// Whether what is said counts at a time, in seconds since 1970.
    ///
    /// # Errors
    /// Why not.
    pub fn hold(&self, claims: &Claims, now: i64) -> Result<(), Refused> {
        self.in_time(&claims.0, now)?;
        if !self.issuer.is_empty()
            && claims.0.get("iss").and_then(Value::as_str) != Some(&*self.issuer)
        {
            return Err(Refused::Issuer);
        }
        let of = audiences(&claims.0)?;
        match (self.audiences.is_empty(), of.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(Refused::Unbound),
            _ if of.iter().any(|it| self.audiences.iter().any(|bound| bound == it)) => Ok(()),
            _ => Err(Refused::Audience),
        }
    }

    fn in_time(&self, claims: &Map<String, Value>, now: i64) -> Result<(), Refused> {
        let Leeways { skew, expiration, not_before } = self.leeways;
        let (issued, begin, end) =
            (time(claims, "iat")?, time(claims, "nbf")?, time(claims, "exp")?);
        let Some(latest) = issued.max(begin).or(end) else { return Err(Refused::Timeless) };
        let end = end.unwrap_or_else(|| latest.saturating_add(expiration));
        let begin = begin.or(issued).unwrap_or_else(|| end.saturating_sub(not_before));
        if now.saturating_add(skew) < begin {
            return Err(Refused::TooEarly);
        }
        if now.saturating_sub(skew) > end {
            return Err(Refused::Expired);
        }
        if issued.is_some_and(|issued| now.saturating_add(skew) < issued) {
            return Err(Refused::FromTheFuture);
        }
        Ok(())
    }
}
