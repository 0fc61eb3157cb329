//! The first images of the input, read and decoded as a run does it.

use std::collections::BTreeMap;

use crate::failure::{Exit, Failure};
use crate::job::ResolvedJob;
use crate::pipeline::decode::Decoding;
use crate::pipeline::decode::fault::{Decoded, Fault};
use crate::pipeline::decode::isolate::Isolation;
use crate::runner::opened::Opened;
use crate::sample::RowError;
use crate::tensor::{Layout, RowMut};
use crate::workbench::sampling::images::{First, Image, first};

use super::check::Findings;

/// How many.
const FIRST: usize = 16;

/// Looks at the first images; false if a run would have none.
pub(super) async fn look(opened: &Opened, found: &mut Findings<'_>) -> bool {
    let Some(First { images, mut refused }) =
        found.take("images", first(&opened.input, &opened.job, FIRST).await)
    else {
        return false;
    };
    let looked = images.len() + refused.len();
    let bytes: usize = images.iter().map(|(_, bytes)| bytes.len()).sum();
    let Some(broken) = found.take("images", decode(&images, &opened.job)) else { return false };
    refused.extend(broken);
    judge(&opened.job, looked, &refused, bytes / images.len().max(1), found)
}

/// The keys of the images that give no pixels, and why.
fn decode(images: &[Image], job: &ResolvedJob) -> Result<Vec<(String, RowError)>, Failure> {
    let mut decoder = Decoding::new(job.image, &Isolation::Off)?;
    let mut row = vec![0.0; 3 * (job.image.image_size as usize).pow(2)];
    let mut broken = Vec::new();
    for (sample, bytes) in images {
        if let Decoded::Fault(Fault { error, .. }) =
            decoder.decode(bytes, Layout::Nchw, RowMut::F32(&mut row))?
        {
            broken.push((sample.key.clone(), error));
        }
    }
    Ok(broken)
}

fn judge(
    job: &ResolvedJob,
    looked: usize,
    refused: &[(String, RowError)],
    mean_bytes: usize,
    found: &mut Findings<'_>,
) -> bool {
    let Some((key, error)) = refused.first() else {
        found.ok("images", format!("the first {looked} can be read and decoded, {mean_bytes} bytes each"));
        return looked > 0;
    };
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    refused.iter().for_each(|(_, error)| *kinds.entry(error.kind.as_str()).or_default() += 1);
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let told = format!(
        "{} of the first {looked} would be error rows ({}; the first is `{key}`: {})",
        refused.len(),
        kinds.join(", "),
        error.message
    );
    let most = job.limits.max_error_fraction;
    if refused.len() >= looked {
        let why =
            format!("{told}; is `input.uri` the folder of the images, and `input.format` their format?");
        found.fail("images", &Failure::new(Exit::Rejected, why));
        return false;
    }
    if refused.len() as f64 > most * looked as f64 {
        found.warn(
            "images",
            format!(
                "{told}; a run ends with 65 if more than {most} of all are (`limits.max_error_fraction`); \
                 `doctor decode FILES` shows more about files"
            ),
        );
    } else {
        found.ok("images", told);
    }
    true
}
