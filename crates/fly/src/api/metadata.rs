use std::collections::BTreeMap;

use serde_json::json;

use crate::api::machines::MachineHandle;
use crate::call::{Call, Repeat};
use crate::error::CallError;

/// Metadata: no new version of the machine, no restart.
impl MachineHandle<'_> {
    /// The machine's metadata. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn metadata(&self) -> Result<BTreeMap<String, String>, CallError> {
        Ok(self
            .app
            .client
            .read::<Option<BTreeMap<String, String>>>(Call::get("get_metadata", &self.path(&["metadata"])))
            .await?
            .unwrap_or_default())
    }

    /// Sets one key. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_metadata(&self, key: &str, value: &str) -> Result<(), CallError> {
        let call = Call::post("set_metadata", Repeat::Safe, &self.path(&["metadata", key])).json(&json!({ "value": value }))?;
        self.app.client.send(call).await
    }

    /// Removes one key. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn remove_metadata(&self, key: &str) -> Result<(), CallError> {
        match self.app.client.send(Call::delete("remove_metadata", &self.path(&["metadata", key]))).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
