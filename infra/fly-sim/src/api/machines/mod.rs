//! Machines: <https://fly.io/docs/machines/api/machines-resource/>.

pub(super) mod create;
pub(super) mod inside;
pub(super) mod lease;
pub(super) mod life;
pub(super) mod metadata;
pub(super) mod read;
pub(super) mod update;
pub(super) mod wait;

pub(super) mod reach;
mod view;
