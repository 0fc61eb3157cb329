//! Looks for ground truth with the images, by reading it as a run would. If it does not fit, the reason is kept.

use std::error::Error;
use std::path::Path;

use crate::dataset::{DatasetError, FolderRule};
use crate::failure::{Exit, Failure};
use crate::job::{Draft, Format, LoadedModel, TargetsSpec};
use crate::sample::RowError;
use crate::workbench::sampling::images::{First, first};

use super::checked::CheckedDraft;
use super::look::FoundInput;

/// Images that are read to see which targets are stored with them.
const FIRST: usize = 16;
/// How the names of ImageNet's validation images begin.
const VALIDATION: &str = "ILSVRC2012_val_";

/// The targets that fit, and why these or none: a sentence.
pub(super) async fn choose(
    draft: &Draft,
    plain: &CheckedDraft,
    found: &FoundInput,
    file: &Path,
    model: &LoadedModel,
) -> Result<(TargetsSpec, String), Failure> {
    let targets = match draft.format {
        Format::Folder => TargetsSpec::Folder,
        Format::Manifest => TargetsSpec::Manifest,
        Format::Webdataset => TargetsSpec::Webdataset,
        Format::Parquet => TargetsSpec::Parquet,
    };
    if model.classes()? == 0 {
        let why = "None: the model gives an embedding and no classes.".to_owned();
        return Ok((TargetsSpec::None, why));
    }
    let tried = match draft.format {
        Format::Folder => folders(draft, found, file, model).await,
        _ => {
            let without = first(&plain.input, &plain.job, FIRST).await;
            let tried = beside(draft, without.as_ref().ok(), targets, file, model).await;
            // a line of a plain list is a key, or a key and a class: one of the two must be there
            if tried.is_err() {
                without.map_err(|failure| of_a_list(failure, draft))?;
            }
            tried
        }
    };
    match tried {
        Ok(why) => Ok((targets, why)),
        // the input is as it is, and so are its targets
        Err(failure) if matches!(failure.exit, Exit::Config | Exit::NoInput) => {
            let reason = failure.to_string();
            let why = format!("None, so images are classified and none is scored: {reason}.");
            Ok((TargetsSpec::None, why))
        }
        Err(failure) => Err(failure),
    }
}

fn none(why: impl Into<String>) -> Failure {
    Failure::new(Exit::Config, why)
}

/// Checks whether the folders are the model's classes.
async fn folders(
    draft: &Draft,
    found: &FoundInput,
    file: &Path,
    model: &LoadedModel,
) -> Result<String, Failure> {
    let classes = model.classes()?;
    let name = found.example.as_deref().and_then(|key| key.rsplit('/').next()).unwrap_or_default();
    if name.starts_with(VALIDATION) && found.folders.is_empty() {
        return Err(none(format!(
            "the names are those of ImageNet's validation set, whose truth is in a separate file: set `targets = \
             \"imagenet-val\"` and `targets_file` (docs/job.md) if the model's {classes} classes are ImageNet's"
        )));
    }
    // a pattern was not listed, so that its folders are not known yet
    if found.example.is_some() && found.folders.is_empty() {
        return Err(none("the images are not in folders that could be classes"));
    }
    if found.folders.len() > classes {
        return Err(none(format!(
            "the images are in more folders than the model has classes ({classes}), so the folders are not its classes"
        )));
    }
    let CheckedDraft { job, input } =
        CheckedDraft::of(&with(draft, TargetsSpec::Folder), file, model).await?;
    let targets = input.folder_targets(&job).await.map_err(|failure| match failure.exit {
        Exit::Config if !found.folders.is_empty() && !is_partly_named(&failure) => {
            none(other_folders(found, classes, draft.has_names))
        }
        _ => failure,
    })?;
    let count = targets.folders.len();
    Ok(match targets.rule {
        FolderRule::ImagenetWnid => {
            format!("An image's class is its first folder: {count} folders are wnids of ImageNet's classes.")
        }
        FolderRule::Codepoint => format!(
            "An image's class is its first folder, counted in the order of the names: there are as many as the \
             model has classes ({count}). Is that how the model was trained? `plan` shows which folder is which class."
        ),
        _ => format!(
            "An image's class is its first folder: {count} folders bear names of the model's classes."
        ),
    })
}

/// The failure names the folders that are no classes.
fn is_partly_named(failure: &Failure) -> bool {
    let error = failure.source().and_then(|error| error.downcast_ref::<DatasetError>());
    matches!(error, Some(DatasetError::PartlyNamed { .. }))
}

/// Returns why these folders are no classes, and which folders would be.
fn other_folders(found: &FoundInput, classes: usize, has_names: bool) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> =
        found.folders.iter().take(SHOWN).map(|folder| format!("`{}`", folder.escape_debug())).collect();
    if found.folders.len() > SHOWN {
        names.push(format!("{} more", found.folders.len() - SHOWN));
    }
    let named = if has_names { "" } else { ", which the file of `classes` gives" };
    format!(
        "the folders ({}) are not the model's {classes} classes. To score images, put them into folders that bear the \
         names of classes{named}",
        names.join(", ")
    )
}

/// Checks whether something next to the images names the model's classes.
async fn beside(
    draft: &Draft,
    without: Option<&First>,
    targets: TargetsSpec,
    file: &Path,
    model: &LoadedModel,
) -> Result<String, Failure> {
    let CheckedDraft { job, input } = CheckedDraft::of(&with(draft, targets), file, model).await?;
    let First { images, refused } = first(&input, &job, FIRST).await?;
    let is_new = |(key, _): &&(String, RowError)| {
        without.is_some_and(|without| without.refused.iter().all(|(other, _)| other != key))
    };
    if let Some((key, error)) = refused.iter().find(is_new) {
        return Err(none(format!("`{key}`: {}", error.message)));
    }
    let many = images.iter().filter(|(sample, _)| sample.target.is_some()).count();
    let place = match targets {
        TargetsSpec::Manifest => "in the list",
        TargetsSpec::Webdataset => "in the shard beside it",
        _ => "in the file beside it",
    };
    match (many, images.len()) {
        (0, looked) => Err(none(format!("none of the first {looked} images has a class {place}"))),
        (many, looked) => {
            Ok(format!("An image's class is {place}: {many} of the first {looked} images have one."))
        }
    }
}

/// Adds the folder to a failure of a list's images: mostly, the folder is what is wrong.
pub(super) fn of_a_list(failure: Failure, draft: &Draft) -> Failure {
    let Some(list) = &draft.manifest else { return failure };
    let exit = if failure.exit == Exit::Unavailable { Exit::NoInput } else { failure.exit };
    let place =
        format!("`{list}`, a list of images below `{}` (--images URI names another folder)", draft.uri);
    failure.within(place).exiting(exit)
}

fn with(draft: &Draft, targets: TargetsSpec) -> Draft {
    Draft { targets, ..draft.clone() }
}
