//! The build script of every function: how its program is linked for Linux.
//!
//! At a fixed address. A program that may lie anywhere has to be told at each start where it lies: 20,000 addresses and more are written
//! into its read-only data, which costs a tenth of the start, ninety pages of memory, and half a megabyte of the file. What this gives up
//! is the random place of the program itself in its address space; stack, heap and libraries keep theirs.

fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
