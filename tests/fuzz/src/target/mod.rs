//! The targets, by what they are about.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod control;
pub(crate) mod edge;
pub(crate) mod fly;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod journal;
mod machine;
pub(crate) mod queue;
mod stage;
pub(crate) mod supervisor;

/// The text of an input, if it is one: what these parsers are given has been a string of HTTP or JSON before.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}
