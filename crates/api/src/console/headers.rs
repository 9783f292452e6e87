//! What stands beside every answer below `/ui/`, and what has to stand beside a request.

use hyper::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Nothing but what comes from here is run, shown or asked, no page of others has this one in a frame, and
/// no text becomes a part of the page as anything but text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
/// Other sites' pages cannot send it: a browser would ask here first whether they may, and is told nothing.
const OURS: HeaderName = HeaderName::from_static("hiraeth-console");
/// What browsers say of where a request comes from.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Adds what browsers are to know.
pub(super) fn guard(headers: &mut HeaderMap) {
    let all = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a page of ours asks, or something that is no browser.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let site = headers.get(SITE).map(HeaderValue::as_bytes);
    headers.contains_key(OURS) && matches!(site, None | Some(b"same-origin" | b"none"))
}
