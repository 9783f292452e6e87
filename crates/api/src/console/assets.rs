//! The pages' files, as they are in this binary.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// One file.
pub(super) struct Asset {
    /// Below `/ui/`, and below `assets/` in the sources.
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
    /// Another one whenever the bytes are others.
    pub(super) etag: String,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($kind:ident $path:literal;)*) => {
        &[$(($path, $kind, include_bytes!(concat!("assets/", $path)).as_slice())),*]
    };
}

const FILES: &[(&str, &str, &[u8])] = files! {
    HTML "index.html";
    SVG "icon.svg";
    CSS "style/base.css";
    CSS "style/frame.css";
    CSS "style/pages.css";
    CSS "style/parts.css";
    JS "lib/api.js";
    JS "lib/bytes.js";
    JS "lib/cluster.js";
    JS "lib/diff.js";
    JS "lib/dom.js";
    JS "lib/flight.js";
    JS "lib/format.js";
    JS "lib/history.js";
    JS "lib/problem.js";
    JS "lib/regions.js";
    JS "lib/route.js";
    JS "lib/session.js";
    JS "lib/stream.js";
    JS "lib/theme.js";
    JS "lib/view.js";
    JS "main.js";
    JS "pages/config-versions.js";
    JS "pages/config.js";
    JS "pages/configs.js";
    JS "pages/hot.js";
    JS "pages/key-versions.js";
    JS "pages/key.js";
    JS "pages/keys.js";
    JS "pages/map-nodes.js";
    JS "pages/map-regions.js";
    JS "pages/map.js";
    JS "pages/replay-events.js";
    JS "pages/replay-lanes.js";
    JS "pages/replay.js";
    JS "pages/service-audit.js";
    JS "pages/service.js";
    JS "pages/services.js";
    JS "pages/sessions.js";
    JS "parts/box.js";
    JS "parts/confirm.js";
    JS "parts/frame.js";
    JS "parts/keyboard.js";
    JS "parts/login.js";
    JS "parts/marks.js";
    JS "parts/pending.js";
    JS "parts/ring.js";
    JS "parts/table.js";
    JS "parts/value.js";
};

/// The file at `path`; the first page where there is none.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    static ASSETS: LazyLock<Vec<Asset>> =
        LazyLock::new(|| {
            let asset = |&(path, kind, bytes): &(&'static str, &'static str, &'static [u8])| {
                Asset { path, kind, bytes, etag: etag(bytes) }
            };
            FILES.iter().map(asset).collect()
        });
    let path = if path.is_empty() { "index.html" } else { path };
    ASSETS.iter().find(|asset| asset.path == path)
}

fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hexadecimal: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hexadecimal}\"")
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{FILES, find};

    fn below(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
    }

    /// A script without its file is a page that stays empty; one that nobody can get is of no use.
    #[test]
    fn every_file_is_served_and_every_import_is_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/assets");
        let mut files: Vec<String> = below(&folder)
            .iter()
            .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut served: Vec<&str> = FILES.iter().map(|(path, ..)| *path).collect();
        served.sort_unstable();
        assert_eq!(files, served);
        for (path, _, bytes) in FILES.iter().filter(|(path, ..)| path.ends_with(".js")) {
            let text = std::str::from_utf8(bytes).unwrap();
            let lines = text.lines().count();
            assert!(lines <= 300, "{path} has {lines} lines");
            for import in text.split(" from \"").skip(1) {
                let import = import.split('"').next().unwrap();
                let to = Path::new(path).parent().unwrap().join(import);
                let mut parts: Vec<&str> = Vec::new();
                for part in to.to_str().unwrap().split('/').filter(|part| *part != ".") {
                    if part == ".." {
                        parts.pop();
                    } else {
                        parts.push(part);
                    }
                }
                let to = parts.join("/");
                assert!(find(&to).is_some(), "{path} imports {to}");
            }
        }
    }

    /// What the policy forbids would only be seen in a browser.
    #[test]
    fn nothing_is_inline() {
        for (path, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            for inline in [
                "innerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=\"",
                "http://",
            ] {
                let is_name = inline == "http://" && text.contains("http://www.w3.org/2000/svg");
                assert!(is_name || !text.contains(inline), "{path} has {inline}");
            }
        }
    }
}
