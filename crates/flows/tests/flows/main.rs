//! Every flow in a fake world, with everything that can go wrong going wrong at every point. One program, because each further one
//! links everything again. The plays are those of `flows::testing::repertoire`; the example `rehearse` performs the whole of them.

mod provisioning;
mod repairing;
mod residency;
mod retiring;
mod serving;
mod wishes;
