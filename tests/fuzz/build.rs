//! Builds the second HTTP parser, llhttp, which `tests/fuzz/run` fetches.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=TOLLGATE_LLHTTP");
    println!("cargo::rerun-if-changed=src/llhttp.c");
    let sources =
        env::var_os("TOLLGATE_LLHTTP").expect("TOLLGATE_LLHTTP: run tests/fuzz/run, which sets it");
    let sources = PathBuf::from(sources);
    cc::Build::new()
        .include(sources.join("include"))
        .files(["src/api.c", "src/http.c", "src/llhttp.c"].map(|file| sources.join(file)))
        .file("src/llhttp.c")
        .warnings(false)
        .compile("second_parser");
}
