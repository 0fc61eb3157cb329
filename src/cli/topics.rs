//! Pages of the help that belong to no single command.

use std::fmt::Write;

use crate::audit::METRICS as AUDITED;
use crate::failure::Exit;
use crate::report::compare::METRICS as COMPARED;
use crate::report::{METRICS, MetricInfo};

/// Makes the text of a page.
type Page = fn() -> String;

/// The pages by name.
pub(super) const TOPICS: [(&str, Page); 3] =
    [("gates", gates), ("exit-codes", exit_codes), ("environment", environment)];

/// Every exit code.
const CODES: [Exit; 11] = [
    Exit::Complete,
    Exit::Usage,
    Exit::Rejected,
    Exit::NoInput,
    Exit::Unavailable,
    Exit::Bug,
    Exit::CannotCreate,
    Exit::Io,
    Exit::TryAgain,
    Exit::Denied,
    Exit::Config,
];

/// What an exit code means, and what a scheduler should do.
fn meaning(exit: Exit) -> (&'static str, &'static str) {
    match exit {
        Exit::Complete => ("complete, now or before", "go on"),
        Exit::Usage => ("the command line cannot be used", "fail"),
        Exit::Rejected => (
            "too many error rows or damaged shards, a damaged part, or a gate does not hold",
            "fail, notify a person",
        ),
        Exit::NoInput => ("the input is missing or empty", "fail"),
        Exit::Unavailable => ("storage or the GPU does not answer", "retry later"),
        Exit::Bug => ("a bug, or a batch that fails twice in the same way", "fail, report it"),
        Exit::CannotCreate => ("the output cannot be written safely", "fail"),
        Exit::Io => (
            "disk or store full, an I/O error, or standard output that cannot be written",
            "make room, retry",
        ),
        Exit::TryAgain => ("interrupted, or parts are left to do", "retry"),
        Exit::Denied => ("access denied, or a clock that is wrong", "fail"),
        Exit::Config => ("job file, environment, model or provider, or an output of another job", "fail"),
    }
}

pub(super) fn exit_codes() -> String {
    let mut text = String::from("Exit codes, and what a scheduler should do:\n\n");
    for exit in CODES {
        let (what, then) = meaning(exit);
        line(&mut text, format_args!("  {:>3}  {what}: {then}", exit.code()));
    }
    text.push_str(
        "\nWith --json, the object on standard output has the code as `exit`, and the reason as `error`.
`run --already-done-exit CODE` gives a code of your choice to a job that was finished before.
",
    );
    text
}

fn gates() -> String {
    let mut text = String::from(
        "A gate is a condition on a metric: METRIC OPERATOR NUMBER, such as `top1 >= 80.5`. The operators are
>=, <=, >, < and ==. If a gate does not hold, or its metric has no value, the exit code is 65.

  tresnet-batch report job.toml --require 'top1 >= 80.5'
  tresnet-batch compare old new --require 'top1_drop_high <= 0.2'

In a job file, each `run` and each `report` checks them:

  [report]
  require = [\"top1 >= 80.5\", \"error_fraction <= 0.001\"]

Metrics of `run` and `report`:

",
    );
    metrics(&mut text, &METRICS);
    text.push_str("\nMetrics of `compare A B`:\n\n");
    metrics(&mut text, &COMPARED);
    text.push_str("\nMetrics of `audit OUTPUT`:\n\n");
    metrics(&mut text, &AUDITED);
    text
}

fn metrics(text: &mut String, known: &[MetricInfo]) {
    let width = known.iter().map(|metric| metric.name.len()).max().unwrap_or_default();
    for MetricInfo { name, unit, meaning } in known {
        let unit = match unit.trim() {
            "" => String::new(),
            unit => format!(", in {unit}"),
        };
        line(text, format_args!("  {name:<width$}  {meaning}{unit}"));
    }
}

pub(super) fn environment() -> String {
    String::from(
        "Variables of the program:

  TRESNET_BATCH_LOG     what is logged on standard error: error, warn, info, debug, or a filter such as
                        tresnet_batch::store=debug; on a terminal it also brings back time and module
  NO_COLOR              if it is set, no colours are shown
  ORT_DYLIB_PATH        the ONNX Runtime library or its folder; --onnxruntime wins over it
  LD_LIBRARY_PATH       where NVIDIA's libraries are looked for, beside the usual folders

In a job file, ${NAME} and ${NAME:-default} take any variable, and ${DATE} is --date or today in UTC.

Credentials are never read from a job file. They come from the environment and from AWS's profiles:

  s3://   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE (keys, SSO,
          credential_process, roles), AWS_WEB_IDENTITY_TOKEN_FILE, or the role of the container or machine;
          AWS_REGION, AWS_ENDPOINT, AWS_ALLOW_HTTP=true for an http endpoint, AWS_REQUEST_PAYER=requester,
          AWS_SKIP_SIGNATURE=true for public buckets (or storage.anonymous_input in the job file)
  gs://   GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_SERVICE_ACCOUNT, GOOGLE_SERVICE_ACCOUNT_KEY,
          GOOGLE_ALLOW_HTTP, or the machine's account
  az://   AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME (AZURE_STORAGE_ACCOUNT) with
          AZURE_STORAGE_ACCOUNT_KEY (AZURE_STORAGE_KEY), AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_TOKEN;
          AZURE_STORAGE_ENDPOINT, AZURE_ALLOW_HTTP, AZURE_CLIENT_ID and its like, or the machine's identity

`tresnet-batch doctor JOB` shows which of them were found, without any secret's value.

Models of a Hugging Face hub (hf://ORG/NAME), as huggingface_hub reads the same variables:

  HF_ENDPOINT           the hub (default: https://huggingface.co); http needs this machine or HF_ALLOW_HTTP=1
  HF_TOKEN              for private and gated models; else the file HF_TOKEN_PATH, by default HF_HOME/token
  HF_HOME, HF_HUB_CACHE where the cache is (default: ~/.cache/huggingface, and `hub` in it)
  HF_HUB_OFFLINE=1      use the cache alone
",
    )
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // writing to a text cannot fail
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_gates_has_every_metric() {
        let page = gates();
        for metric in METRICS.iter().chain(COMPARED.iter()).chain(AUDITED.iter()) {
            assert!(page.contains(&format!("  {} ", metric.name)), "{}", metric.name);
        }
    }

    #[test]
    fn the_page_of_exit_codes_has_those_of_the_documentation() {
        let table = include_str!("../../docs/exit-codes.md");
        let documented: Vec<u8> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
            .collect();
        let codes: Vec<u8> = CODES.iter().map(|exit| exit.code()).collect();
        assert!(documented.starts_with(&codes), "{documented:?}");
    }

    #[test]
    fn no_line_of_a_topic_is_wider_than_the_help() {
        for (name, text) in TOPICS {
            let text = text();
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(110), "{name}: {widest:?}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name}");
        }
    }
}
