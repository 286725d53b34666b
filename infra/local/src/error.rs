use std::path::PathBuf;

use crate::folder::FolderError;

/// The platform could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A port that something else listens on.
    #[error("port {port} on 127.0.0.1 is taken{}", hint(*.instances))]
    PortTaken {
        /// The port.
        port: u16,
        /// Whether it is the second one, that of the instances.
        instances: bool,
    },
    /// The highest port there is: the instances need the one after it.
    #[error("port {port} is the last one, and instances are reached at the one after that of the API; choose a lower one with --port")]
    NoNextPort {
        /// The port.
        port: u16,
    },
    /// A path that machines have to be told of, in JSON.
    #[error("{} is not UTF-8; choose another path", .path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// Any of its parts.
    #[error("{part} could not be started")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

const fn hint(instances: bool) -> &'static str {
    if instances {
        " (instances are reached at the port after that of the API); choose others with --port"
    } else {
        "; choose another with --port"
    }
}

/// Names the part that an error belongs to.
pub(crate) fn starting<E: Into<Box<dyn std::error::Error + Send + Sync>>>(part: &'static str) -> impl FnOnce(E) -> StartError {
    move |source| StartError::Part { part, source: source.into() }
}
