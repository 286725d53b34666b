//! Doubles of the ports, the journal's conformance suite, and a harness that tries every adversity at every point of a flow.
//!
//! Behind the cargo feature `testing`, for the tests of this crate and of those that build on it:
//!
//! * [`ManualClock`], [`RecordingWake`] and [`MemoryJournal`] stand in for time, queue and store.
//! * [`journal_conformance`] says what a [`Journal`](crate::Journal) must do; every store passes it.
//! * [`Rehearsal`] performs a flow in a fake world under [`Schedule`]s of [`Adversity`] and checks what is always true; see there.
//! * [`Season`] performs many rehearsals with every pair of adversities and seeded triples, on all cores.

mod adversity;
mod clock;
mod conformance;
mod memory;
mod rehearsal;
mod season;
mod stage;
mod staged;
mod theatre;
mod wake;

pub use adversity::{Adversity, Point, PointKind, Schedule, ScheduleError};
pub use clock::ManualClock;
pub use conformance::{Bench, journal_conformance};
pub use memory::{MemoryJournal, Settle};
pub use rehearsal::{Explored, Rehearsal};
pub use season::{Casting, Failure, Played, Season};
pub use stage::Stage;
pub use theatre::{Check, Finish, Rival, Scene};
pub use wake::{RecordingWake, Sent};
