//! Brings the tests that `etcd-client` ships into `OUT_DIR`, from wherever cargo keeps its source.
//!
//! They are used as they are, but for the address: theirs is fixed, ours comes from `ENDPOINTS`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const SHIPPED: [&str; 2] = ["client", "namespace"];

fn main() {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let source = package_source(&here, "etcd-client").join("tests");
    for name in SHIPPED {
        let text = read(&source.join(format!("{name}.rs")));
        let text = text
            .replace("DEFAULT_TEST_ENDPOINT)", "default_test_endpoint())")
            .replace("DEFAULT_TEST_ENDPOINT", "default_test_endpoint");
        write(&out.join(format!("{name}.rs")), &text);
    }
    let testing = here.join("tests/shipped/testing.rs");
    write(&out.join("testing.rs"), &read(&testing));
    println!("cargo::rerun-if-changed={}", testing.display());
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

/// Where cargo keeps the source of a dependency.
fn package_source(manifest: &Path, package: &str) -> PathBuf {
    let output = Command::new(variable("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(manifest)
        .output()
        .unwrap_or_else(|error| panic!("cargo metadata: {error}"));
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = String::from_utf8_lossy(&output.stdout).into_owned();
    metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .filter_map(|path| Path::new(path).parent())
        .find(|folder| {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            *folder != manifest && name.is_some_and(|name| name.starts_with(&format!("{package}-")))
        })
        .unwrap_or_else(|| panic!("{package} is not among the dependencies"))
        .to_path_buf()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
