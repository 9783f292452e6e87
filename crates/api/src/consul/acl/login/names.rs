//! Names with `${…}` in them.

/// Bytes of a name that is made.
const BYTES: usize = 4 << 10;

/// Puts what `look` says in the place of each `${name}`; `$${` stands for `${` itself.
///
/// # Errors
/// A brace that is not closed, or something that is not known.
pub(super) fn filled(
    template: &str,
    look: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("a brace is not closed in {template:?}"))?;
        let name = name.trim();
        out.push_str(&look(name).ok_or_else(|| format!("unknown variable accessed: {name}"))?);
        if out.len() > BYTES {
            return Err(format!("more than {BYTES} bytes come of {template:?}"));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
