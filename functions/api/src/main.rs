//! The API as a Lambda function.

use lambda_http::{Adapter, lambda_runtime::Runtime};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let service = api::service(api::from_environment(&|name| std::env::var(name).ok()));
    shell::serve(Runtime::new(Adapter::from(service))).await
}
