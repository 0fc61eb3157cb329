//! What computes a job's rows, for a person.

use serde_json::{Value, json};

use crate::engine::{Batch, Choice, EngineError, Options, Provider};
use crate::pipeline::device_summary::DeviceSummary;

use super::print::line;

/// Prints what computed the rows, after a run.
pub(super) fn show(ran: &DeviceSummary) {
    line(format!("  on {}, batches of {}, {}", ran.devices_text(), ran.batch_size, ran.precision));
    if !ran.tried.is_empty() {
        let sizes = ran.tried.iter().map(|tried| format!("{} {:.1}/s", tried.batch_size, tried.images_per_s));
        let sizes = sizes.collect::<Vec<_>>().join(", ");
        line(format!("  batch sizes tried: {sizes}; the smallest that is as good as the fastest is taken"));
    }
    // an expected reason is reported by `doctor` and with `--json` only
    if let Some(why) = ran.why.as_ref().filter(|_| ran.is_surprising) {
        line(format!("  `auto` took the CPU: {why}"));
    }
}

/// Prints what will compute the rows, for a command that does not run the job.
pub(super) fn show_choice(choice: &Result<Choice, EngineError>, options: &Options) -> Value {
    let batch = match options.batch {
        Batch::Fixed(size) => format!("batches of {size}"),
        Batch::Auto => "batches of the size that a run finds best".to_owned(),
    };
    match choice {
        Ok(choice) => {
            let names = match choice.provider {
                Provider::Cpu => choice.names(&[]),
                Provider::Cuda => choice.names(&options.device_ids),
            };
            let names = names.map_or_else(|error| format!("but {error}"), |names| names.join(", "));
            line(format!("device      {} ({names}), {batch}", choice.provider.as_str()));
            match &choice.why {
                Some(why) if choice.surprising => line(format!("  `auto` takes the CPU: {why}")),
                Some(_) => line("  `tresnet-batch doctor` shows what a GPU would need"),
                None => {}
            }
            json!({ "provider": choice.provider.as_str(), "why": choice.why })
        }
        Err(error) => {
            line(format!("device      none here: {error}"));
            line(format!("  {batch}"));
            json!({ "provider": null, "why": error.to_string() })
        }
    }
}
