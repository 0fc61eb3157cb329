//! What computed the rows of a run, as footers, reports and `run --json` report it.

use serde::Serialize;

/// What computes a run's rows, for summaries and footers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceSummary {
    /// The provider.
    pub provider: &'static str,
    /// Names of its devices.
    pub devices: Vec<String>,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Arithmetic of the graph.
    pub precision: String,
    /// The provider's settings.
    pub options: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Why `engine.device = "auto"` did not take a better provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// True where this machine is made for a better one.
    #[serde(skip)]
    pub is_surprising: bool,
    /// The batch sizes that were tried, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// A batch size that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tried {
    /// Rows of a batch.
    pub batch_size: usize,
    /// Images a second of the network alone.
    pub images_per_s: f64,
}

impl DeviceSummary {
    /// The devices on one line, each name once.
    pub fn devices_text(&self) -> String {
        let mut counted: Vec<(&str, usize)> = Vec::new();
        for device in &self.devices {
            match counted.iter_mut().find(|(name, _)| name == device) {
                Some((_, count)) => *count += 1,
                None => counted.push((device, 1)),
            }
        }
        let texts = counted.into_iter().map(|(name, count)| match count {
            1 => name.to_owned(),
            count => format!("{count} × {name}"),
        });
        texts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_one_name_are_counted() {
        let mut ran = DeviceSummary {
            provider: "cuda",
            devices: ["a", "b", "a"].map(str::to_owned).to_vec(),
            batch_size: 1,
            precision: String::new(),
            options: String::new(),
            onnxruntime: String::new(),
            why: None,
            is_surprising: false,
            tried: Vec::new(),
        };
        assert_eq!(ran.devices_text(), "2 × a, b");
        ran.devices.truncate(1);
        assert_eq!(ran.devices_text(), "a");
    }
}
