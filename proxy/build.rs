//! Puts the kernel object where `kernel/load.rs` embeds it from. `cargo xtask build-ebpf` makes it: that needs a nightly
//! toolchain and a linker of its own, which a build script should not fetch.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let object = root.join("../target/bpf/meshlet-ebpf");
    println!("cargo::rerun-if-changed={}", object.display());
    let embedded = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("meshlet-ebpf");
    if fs::copy(&object, &embedded).is_err() {
        println!(
            "cargo::error=the kernel object is not built: run `cargo xtask build-ebpf`, or `cargo xtask build` for everything"
        );
    }
}
