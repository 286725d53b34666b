//! The engine against its doubles: each rule by name, every single adversity at every point of a small flow, and the journal's
//! conformance. One program, because each further one links everything again.

mod adversities;
mod cancelling;
mod conformance;
mod edges;
mod ending;
mod fixture;
mod giving_up;
mod parking;
mod sample;
mod stale;
mod sweeping;
mod trying;
mod unwinding;
mod waiting;
mod walking;
mod writing;
