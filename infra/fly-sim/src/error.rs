use std::path::PathBuf;

/// The simulator could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made.
    #[error("the data folder {} cannot be made", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The state file cannot be read or written.
    #[error("the state file cannot be used")]
    File(#[from] rusqlite::Error),
    /// The state file holds a record that this program cannot read.
    #[error("the state file holds an unreadable record `{key}`")]
    Record {
        /// The record's key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The state file was written by a newer version.
    #[error("the state file has format {found}, and this program knows {known}: use the newer version that wrote it")]
    Newer {
        /// The format in the file.
        found: i64,
        /// The newest known format.
        known: i64,
    },
}
