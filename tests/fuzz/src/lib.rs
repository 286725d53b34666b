//! What meets the outside, as functions of bytes: for a fuzzer, and for the corpora that it has left behind.
//!
//! A target takes any bytes at all and panics where something is wrong: a parser that panics, a rule that does not hold of what was
//! accepted, a secret in an answer. Three things call it:
//!
//! - `cargo test -p fuzz`, on any compiler: every file of the target's corpus, and as many changed copies of them as take about a second;
//! - [cargo-fuzz](https://rust-fuzz.github.io/book/cargo-fuzz.html) (libFuzzer, nightly compiler), which looks for inputs that reach code
//!   that no file has reached yet, and adds them to the corpus;
//! - somebody with one input: `cargo run -p fuzz --example one -- TARGET FILE`.
//!
//! Property tests beside each crate (`tests/hostile`) generate inputs by rules; here they come from what the code itself does with them.
#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod corpus;
mod target;

pub use corpus::Corpus;
pub use target::access::{access_keys, access_token};
pub use target::api::api_request;
pub use target::control::supervisor_answer;
pub use target::edge::{cursor, problem};
pub use target::fly::fly_answer;
pub use target::health::health_answer;
pub use target::identity::{identity_keys, identity_token};
pub use target::journal::journal;
pub use target::queue::queue_message;
pub use target::supervisor::supervisor_request;

/// A way to feed bytes to a parser, which says whether it took them.
pub type Target = fn(&[u8]) -> bool;

/// All of them by name: that of the program in `fuzz_targets` and of the folder in `corpus`.
pub const TARGETS: [(&str, Target); 13] = [
    ("access_keys", access_keys),
    ("access_token", access_token),
    ("api_request", api_request),
    ("cursor", cursor),
    ("fly_answer", fly_answer),
    ("health_answer", health_answer),
    ("identity_keys", identity_keys),
    ("identity_token", identity_token),
    ("journal", journal),
    ("problem", problem),
    ("queue_message", queue_message),
    ("supervisor_answer", supervisor_answer),
    ("supervisor_request", supervisor_request),
];
