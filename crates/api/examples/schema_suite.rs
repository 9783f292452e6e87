//! Holds our reading of JSON Schema against the public test suite of its authors, which is not part of this
//! project: `cargo run -p api --example schema_suite -- JSON-Schema-Test-Suite/tests/draft2020-12`.
//! Prints where the two differ; cases with words that are refused on purpose are counted apart.
#![allow(clippy::unwrap_used, reason = "a tool for developers")]

use configuration::schema::Schema;
use serde_json::Value;

fn main() {
    let (mut same, mut refused, mut other) = (0, 0, 0);
    for folder in std::env::args().skip(1) {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "json")) {
            let cases: Value =
                serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            for case in cases.as_array().unwrap() {
                let tests = case["tests"].as_array().unwrap();
                let schema = match Schema::parse(&case["schema"].to_string()) {
                    Ok(schema) => schema,
                    Err(fault) => {
                        println!("refused: {}: {}: {fault}", file.display(), case["description"]);
                        refused += tests.len();
                        continue;
                    }
                };
                for test in tests {
                    let found = schema.violations(&test["data"]);
                    if found.as_ref().is_ok_and(|all| all.is_empty() == (test["valid"] == true)) {
                        same += 1;
                    } else {
                        other += 1;
                        let (file, case) = (file.display(), &case["description"]);
                        println!("OTHERWISE: {file}: {case}: {}: {found:?}", test["description"]);
                    }
                }
            }
        }
    }
    println!("{same} tests come out as they should, {other} otherwise; {refused} are refused");
}
