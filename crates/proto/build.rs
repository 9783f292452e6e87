//! Compiles every `.proto` file below `proto/`, and those of OTLP below `otlp/`. No `protoc` is needed:
//! `protox` is written in Rust.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = compile(Path::new("proto"))?;
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        // Comments and places in files: nobody asks a running server for them.
        file.source_code_info = None;
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), bare.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    // Not among the descriptors: no client of ours speaks it.
    let traces = compile(Path::new("otlp"))?;
    tonic_prost_build::configure().bytes(".").compile_fds(traces)?;
    Ok(())
}

fn compile(root: &Path) -> Result<prost_types::FileDescriptorSet, Box<dyn Error>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    // The order of a directory is the file system's; the generated code must not depend on it.
    files.sort();
    println!("cargo::rerun-if-changed={}", root.display());
    Ok(protox::compile(&files, [root])?)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
