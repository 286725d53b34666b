//! Tokens, keys and replays as somebody would write them who wants in.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod forge;
mod keys;
mod replays;
mod texts;
mod tokens;
