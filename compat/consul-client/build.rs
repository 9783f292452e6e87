//! Brings the tests that `rs-consul` and `consul` ship into `OUT_DIR`, from wherever cargo keeps
//! their source.
//!
//! They are used as they are, but for one thing: `Config::new()` of `consul` has a fixed address.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const CONSUL: [&str; 4] = ["catalog", "health", "kv", "session"];

fn main() {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let metadata = metadata(&here);
    let source = package_source(&metadata, "consul-0.4.2").join("tests");
    for name in CONSUL {
        let text = read(&source.join(format!("{name}.rs")));
        let text = text.replace("Config::new()", "Config::new_from_env()");
        write(&out.join(format!("consul_{name}.rs")), &text);
    }
    let source = package_source(&metadata, "rs-consul-0.15.0").join("tests");
    write(&out.join("test_runner.rs"), &read(&source.join("test_runner.rs")));
    let setup = out.join("utils");
    fs::create_dir_all(&setup).unwrap_or_else(|error| panic!("{}: {error}", setup.display()));
    write(&setup.join("test_setup.rs"), &read(&source.join("utils/test_setup.rs")));
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

/// What cargo knows of the dependencies, as JSON.
fn metadata(manifest: &Path) -> String {
    let output = Command::new(variable("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        // Those of other platforms were never fetched.
        .args(["--filter-platform", &variable("TARGET")])
        .current_dir(manifest)
        .output()
        .unwrap_or_else(|error| panic!("cargo metadata: {error}"));
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where cargo keeps the source of a dependency.
fn package_source(metadata: &str, package: &str) -> PathBuf {
    metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .filter_map(|path| Path::new(path).parent())
        .find(|folder| folder.file_name().is_some_and(|name| name == package))
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
