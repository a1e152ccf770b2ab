//! Lets the crate's own binaries find libtorch at run time.
//!
//! torch-sys says where the libtorch in use lies (`DEP_TCH_LIBTORCH_LIB`). Tests, examples and benchmarks get that
//! folder as their run path. A link argument does not reach the binaries of crates that depend on this one, so the folder
//! is handed on to their build scripts as `DEP_ISOGLOSS_LIBTORCH_LIB` (see docs/setup.md).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Absent without the feature `torch`, and with `doc-only`, where torch-sys looks for no libtorch.
    let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo:libtorch_lib={folder}");
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "unix") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
