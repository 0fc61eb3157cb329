//! The scripted server, as object_store's own S3 client sees it.

mod broken;
mod outage;
mod right;
mod writes;

use std::time::{Duration, Instant};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, ClientOptions, Error, RetryConfig};

use crate::support::scripted_s3::{BUCKET, ScriptedS3};

/// A client that tries each request up to four times, quickly.
fn client(server: &ScriptedS3) -> AmazonS3 {
    client_with(server, Duration::from_secs(5), 3)
}

fn client_with(server: &ScriptedS3, timeout: Duration, max_retries: usize) -> AmazonS3 {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(20),
        ..BackoffConfig::default()
    };
    let builder = server.environment().iter().fold(AmazonS3Builder::new(), |builder, (name, value)| {
        builder.with_config(name.to_lowercase().parse().unwrap(), value)
    });
    builder
        .with_bucket_name(BUCKET)
        .with_retry(RetryConfig { max_retries, retry_timeout: Duration::from_secs(10), backoff })
        .with_client_options(ClientOptions::new().with_timeout(timeout).with_allow_http(true))
        .build()
        .unwrap()
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it has not come that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The name of an error's variant, and its text for the test's output.
fn kind<T: std::fmt::Debug>(what: &str, result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    let name: String = format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
    println!("{what}: {name}: {}", error.to_string().chars().take(300).collect::<String>());
    name
}
