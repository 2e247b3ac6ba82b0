//! Where things are in this checkout.

use std::env;
use std::path::PathBuf;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    // `cargo run` sets it for us too, and a copied tree with a shared target folder then means itself, not the original.
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().expect("xtask is a folder of the workspace").to_path_buf()
}

/// Where cargo and we leave what is built.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// A program that `cargo xtask build` makes.
pub(crate) fn release(program: &str) -> PathBuf {
    target().join("release").join(program)
}
