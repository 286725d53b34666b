//! The composition root of the control plane: reads the environment once, builds clients, and turns functions and workers into Lambda
//! handlers. It decides nothing: what is wanted is in `domain` and `flows`, what is done is in the adapters.
//!
//! A function's settings are a struct of the groups it needs, read with [`read_settings`]: one error names everything that is missing
//! or malformed. Nothing here knows whether it runs on AWS or on one machine; only endpoints and credentials differ.

mod alarms;
mod assembly;
mod aws;
mod aws_http;
mod chain;
mod clock;
mod compose;
mod export;
mod http;
mod mapping;
mod metrics;
mod queue;
mod repeats;
mod secrets;
mod settings;
mod sqs;
mod telemetry;
mod trace;

pub use alarms::LoggedAlarms;
pub use assembly::{Assembling, Assembly, AssemblyError, NotReady};
pub use aws::{Aws, AwsSettings};
pub use clock::SystemClock;
pub use compose::{Keys, WorldError, engine, signer, store, waking_engine, world};
pub use export::{ExportSettings, flush};
pub use http::{HttpClientError, client as http_client, resolve};
pub use mapping::{FLOWS, HEALTH, Mapping, NOTICES, QUEUES};
pub use metrics::measure;
pub use queue::{FlowQueue, SqsQueue};
pub use secrets::{PlatformSecrets, SecretError};
pub use settings::{
    CallerKeySettings, DeploymentSettings, Environment, FlySettings, IdentitySettings, KeySettings, QueueSettings, Reader, SettingsError,
    StoreSettings, read_settings,
};
pub use sqs::{each_record, serve_queue};
pub use telemetry::serve;
pub use trace::{TRACEPARENT, TraceContext, X_AMZN_TRACE_ID};
