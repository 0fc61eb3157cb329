//! Writes a first job file: inspects the input and the model, and chooses the keys that fit them.

mod again;
mod checked;
mod look;
mod options;
mod targets;

use std::path::Path;

use crate::engine::Runtime;
use crate::failure::{Exit, Failure};
use crate::job::{Draft, LocatedModel, ModelRequest, TargetsSpec};
use crate::model::TakenSet;
use crate::runner::inputs::any_row;
use crate::runner::widths::of_trial;
use crate::store::{Uri, expand_home};
use crate::workbench::doctor::{Counted, PATIENCE, count};

pub use again::check_again;
pub use options::{InitOptions, weights};

use checked::CheckedDraft;
use look::{FEW, look};

/// Looks at input and model. Writes nothing.
///
/// # Errors
/// No images, a model that cannot be read, an address that cannot be an output, and errors of reading.
pub async fn start_job(start: &InitOptions<'_>) -> Result<Draft, Failure> {
    let path = weights(start.model)?;
    let located = LocatedModel::find(&path, None, PATIENCE).await?;
    let mut model = located.read(None, &ModelRequest::default())?;
    if let Some(reason) = model.refused.as_ref().filter(|_| model.assumes_preprocessing) {
        let why = format!(
            "the model's preprocessing is not known: {reason}; a job file of yours can give it in [preprocess]"
        );
        return Err(Failure::new(Exit::Config, why));
    }
    if let Some(side) = model.preprocessing.image_size.filter(|_| model.needs_widths()) {
        let widths = of_trial(&model, &Runtime::load(None)?, side)?;
        model.set_widths(widths);
    }
    let (input, below) = (expand_home(start.input), start.below.map(expand_home));
    let found = look(&input, below.as_deref()).await?;
    let output = match start.output {
        Some(output) => expand_home(output).into_owned(),
        None => beside(&found.folder)?,
    };
    let size = model.preprocessing.image_size.map_or_else(String::new, |size| format!(", {size} px"));
    let commit = model.origin.as_ref().map_or_else(String::new, |origin| {
        format!(", {} of the commit {} at this time", origin.file, origin.commit)
    });
    let taken =
        model.chosen().and_then(TakenSet::text).map_or_else(String::new, |taken| format!(", {taken}"));
    let mut draft = Draft {
        file: start.file.display().to_string(),
        name: name(start.file),
        found: found.text.clone(),
        uri: found.uri.clone(),
        format: found.format,
        manifest: found.manifest.clone(),
        targets: TargetsSpec::None,
        targets_why: String::new(),
        model: text(&path)?.to_owned(),
        model_text: match model.classes()? {
            0 => format!("{}, an embedding of {} and no classes{size}{commit}", model.arch(), model.dim()?),
            classes => format!("{}{taken}, {classes} classes{size}{commit}", model.arch()),
        },
        weights: model.chosen().map(|taken| taken.set),
        has_names: model.labels.is_some(),
        preprocessing: model.assumes_preprocessing.then(|| model.preprocessing.clone()),
        are_few: found.are_few,
        output,
    };
    let plain = CheckedDraft::of(&draft, start.file, &model).await?;
    let source = plain.input.source(&plain.job, None)?;
    any_row(source.as_ref()).await.map_err(|failure| targets::of_a_list(failure, &draft))?;
    draft.are_few = draft.are_few || are_few(count(source.as_ref(), Some(FEW)).await?);
    let (chosen, why) = targets::choose(&draft, &plain, &found, start.file, &model).await?;
    (draft.targets, draft.targets_why) = (chosen, why);
    // checks that the written text resolves to the intended job
    CheckedDraft::of(&draft, start.file, &model).await?;
    Ok(draft)
}

/// True if all images were seen and are fewer than [`FEW`]; those of shards are not known, so their bytes decide.
fn are_few(counted: Counted) -> bool {
    const SMALL_SHARDS: u64 = 32 << 20;
    let few = counted.images.map_or(counted.bytes < SMALL_SHARDS, |images| images < FEW);
    counted.is_whole && few
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::new(Exit::Config, format!("the path `{}` is no UTF-8, which a job file is", path.display()))
    })
}

/// A job's name by its file.
fn name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "job".into(), |stem| stem.to_string_lossy().into_owned())
}

/// Rows never go into the folder of the images.
fn beside(folder: &str) -> Result<String, Failure> {
    let refuse = || {
        let why = format!("`{folder}` has no parent folder: choose where the rows go, with --output URI");
        Err(Failure::new(Exit::Usage, why))
    };
    let typed = folder.trim_end_matches('/');
    match Uri::parse(folder)? {
        Uri::Remote { prefix, .. } if prefix.is_empty() => refuse(),
        Uri::Local(path) if path.parent().is_none() => refuse(),
        // `.` and `..` are names of no folder
        Uri::Local(path) if typed.ends_with('.') => Ok(format!("{}-rows", path.display())),
        _ => Ok(format!("{typed}-rows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_beside_the_images_and_never_among_them() {
        for (folder, output) in [
            ("my/pictures/", "my/pictures-rows"),
            ("/data/in", "/data/in-rows"),
            ("s3://b/images/", "s3://b/images-rows"),
        ] {
            assert_eq!(beside(folder).unwrap(), output);
            let [folder, output] = [folder, output].map(|uri| Uri::parse(uri).unwrap());
            assert!(!output.is_within(&folder));
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(beside(".").unwrap(), format!("{}-rows", here.display()));
        for folder in ["s3://b", "s3://b/", "/"] {
            assert_eq!(beside(folder).unwrap_err().exit, Exit::Usage, "{folder}");
        }
    }
}
