//! Every flow in a fake world, with everything that can go wrong going wrong at every point. One program, because each further one
//! links everything again.

mod desk;
mod epilogue;
mod judge;
mod play;
mod provisioning;
mod repairing;
mod residency;
mod retiring;
mod serving;
mod wishes;
