//! The plays: every flow on good and on bad days, and what must be true when a performance is over, whatever went wrong in it.
//!
//! A [`Play`] is performed through [`durable::testing::Rehearsal`]: on a [`Desk`], which keeps one instance as a store would, and in a
//! [`FakeWorld`](crate::testing::FakeWorld). The tests perform every single adversity of each; the example `rehearse` performs the
//! whole.

mod desk;
mod epilogue;
mod judge;
mod play;
mod plays;

pub use desk::{Book, Desk};
pub use play::{Part, Play, Set};
pub use plays::*;
