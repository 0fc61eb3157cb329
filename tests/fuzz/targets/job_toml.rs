//! Any text as a job file; the text after its first NUL is `--set` strings, with a NUL between them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tresnet_batch::job::{Source, parse_text};

fuzz_target!(|input: &[u8]| {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut parts = input.split('\0');
    let text = parts.next().unwrap_or_default();
    let overrides: Vec<String> = parts.map(str::to_owned).collect();
    let source = Source { overrides: &overrides, date: "2026-11-24".to_owned() };
    match parse_text(text, "job.toml", &source) {
        Ok(spec) => assert!(!format!("{spec:?}").is_empty()),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty());
            // a variable of the environment may be of any length; else a message is about as long as its input
            let most = 16 * input.len() + 4096;
            assert!(input.contains("${") || message.len() <= most, "{} bytes of message", message.len());
        }
    }
});
