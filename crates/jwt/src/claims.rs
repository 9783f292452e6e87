//! What a token says.

use serde_json::{Map, Value};

use crate::Refused;

/// What a token says that somebody signed.
#[derive(Clone, PartialEq, Debug)]
pub struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    /// A claim by its name; or, if it begins with a slash, one within others (JSON pointer, RFC 6901).
    fn at(&self, name: &str) -> Option<&Value> {
        let found = match name.strip_prefix('/') {
            None => self.0.get(name),
            Some(rest) => {
                let (first, rest) = match rest.split_once('/') {
                    Some((first, rest)) => (first, format!("/{rest}")),
                    None => (rest, String::new()),
                };
                let first = first.replace("~1", "/").replace("~0", "~");
                self.0.get(&first).and_then(|value| value.pointer(&rest))
            }
        };
        found.filter(|value| !value.is_null())
    }

    /// One text; numbers and truths become what they look like.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        self.at(name).map(|value| plain(value).ok_or_else(|| wrong(name))).transpose()
    }

    /// Several, or one, which is as good.
    ///
    /// # Errors
    /// They are something else.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refused> {
        let Some(value) = self.at(name) else { return Ok(None) };
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let texts = list.iter().map(|it| plain(it).ok_or_else(|| wrong(name)));
        texts.collect::<Result<_, _>>().map(Some)
    }
}

fn wrong(name: &str) -> Refused {
    Refused::Claim(name.to_owned())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
