//!
//! Behind the cargo feature `testing`, for the tests of this crate and of those that build on it:
//!
//! * [`ManualClock`], [`RecordingWake`] and [`MemoryJournal`] stand in for time, queue and store.
//! * [`Rehearsal`] performs a flow in a fake world under [`Schedule`]s of [`Adversity`] and checks what is always true; see there.

mod adversity;

mod clock;
mod memory;
mod stage;
mod wake;

pub use adversity::{Adversity, Point, PointKind, Schedule, ScheduleError};
pub use clock::ManualClock;
pub use memory::{MemoryJournal, Settle};
pub use stage::Stage;
pub use wake::{RecordingWake, Sent};
