//! Finds how wide a graph's outputs are if its file does not state it.

use crate::engine::{Choice, EngineError, GraphFiles, Runtime, Widths, find_widths};
use crate::failure::Failure;
use crate::job::{Frozen, JobError, JobSpec, LoadedModel};
use crate::model::{Form, Metadata, Precision};

/// Keeps the roles that an earlier run froze, and sets the widths of a graph that leaves them open: those that an earlier
/// run of the same graph froze, or those that a trial of two images shows. Blocks.
///
/// # Errors
/// The side of the images is not known, or the graph does not run.
pub(crate) fn settle(
    model: &mut LoadedModel,
    spec: &JobSpec,
    frozen: Option<&Frozen>,
    choice: &Result<Choice, EngineError>,
) -> Result<(), Failure> {
    if let Some(frozen) = frozen {
        model.keep_roles(frozen);
    }
    if !model.needs_widths() {
        return Ok(());
    }
    if let Some(widths) = frozen.and_then(|frozen| model.widths_in(frozen)) {
        model.set_widths(widths);
        return Ok(());
    }
    let typed = spec.preprocess.image_size;
    let Some(side) = typed.or(model.preprocessing.image_size) else {
        return Err(JobError::Mismatch(without_side(model.refused.as_deref())).into());
    };
    let runtime = match choice {
        Ok(choice) => Runtime::for_choice(choice)?,
        Err(error) => {
            return Err(JobError::Mismatch(format!(
                "the ONNX graph does not state how wide its outputs are, and nothing can run a trial: {error}"
            ))
            .into());
        }
    };
    let widths = of_trial(model, &runtime, side)?;
    model.set_widths(widths);
    Ok(())
}

/// Returns the error for an unknown side of the images, with the reason why the file beside the graph does not give it.
fn without_side(refused: Option<&str>) -> String {
    let why = refused.map(|reason| format!("; the model's preprocessing is not known: {reason}"));
    format!(
        "the ONNX graph takes images of any size and does not state how wide its outputs are{}; set \
         `preprocess.image_size`, so that a trial shows them",
        why.unwrap_or_default()
    )
}

/// Runs two images of this side through a graph.
pub(crate) fn of_trial(model: &LoadedModel, runtime: &Runtime, side: u32) -> Result<Widths, Failure> {
    let graph = model.graph(Precision::Fp32, side, Form::FOR_CPU, &Metadata::default())?;
    let weights = model.weights();
    let files = GraphFiles { graph: &graph, weights: &weights };
    Ok(find_widths(runtime, files, &model.names().at(side))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_is_not_known_is_asked_for_with_the_reason() {
        let reason = "`m/preprocessor_config.json` does not resize images";
        let refused = without_side(Some(reason));
        assert!(refused.contains(reason) && refused.contains("`preprocess.image_size`"), "{refused}");
        assert!(!without_side(None).contains("preprocessing"));
    }
}
