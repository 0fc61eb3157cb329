//! `preprocess.mode`, resolved, and how version 0.1.0 resolved it.
//!
//! That version ignored the crop mode of a model's configuration, and the crop share of a square to which both sides are
//! resized. Its unfinished jobs that this touches are not continued, since their next rows would be of another kind.

use crate::image::Mode;

use super::error::JobError;
use super::frozen::EarlierRun;
use super::spec;

/// The component of jobs whose squash is cropped as timm crops it.
pub(super) const SQUASH_RULES: &str = "rules.squash";

/// The mode of a job.
pub(super) struct ChosenMode {
    pub mode: Mode,
    /// Whether a squash goes by timm's rule: to the resized side, then the crop. Else it goes to the square itself.
    pub squash_is_timms: bool,
    /// What version 0.1.0, which began the job, ignored.
    pub ignored_by_earlier: Option<String>,
}

/// Chooses it: the typed one, else the frozen one, else the model's own, else `crop`.
pub(super) fn choose(
    typed: &spec::Preprocess,
    own: Option<&str>,
    earlier: &EarlierRun<'_>,
) -> Result<ChosenMode, JobError> {
    let frozen = earlier.value::<String>("preprocess.mode");
    let share = typed.crop_pct.filter(|share| *share < 1.0);
    let is_first = earlier.is_of_first_version();
    let own = own.filter(|own| *own != "center");
    let mode = match (typed.mode, &frozen) {
        (Some(spec::Mode::Crop), _) => Mode::Crop,
        (Some(spec::Mode::Squash), _) => Mode::Squash,
        (Some(spec::Mode::Border), _) => Mode::Border,
        (None, Some(name)) => of_job(name)?,
        (None, None) => own.map_or(Ok(Mode::Crop), of_model)?,
    };
    let ignored_by_earlier = match (own, share) {
        (Some(own), _) if is_first && typed.mode.is_none() && mode == Mode::Crop => Some(format!(
            "version 0.1.0 began it and ignored that the model's configuration has `crop_mode` = `{own}`; set \
             `preprocess.mode = \"crop\"` to finish it as it began"
        )),
        (_, Some(share)) if is_first && mode == Mode::Squash => Some(format!(
            "version 0.1.0 began it and ignored `preprocess.crop_pct` = {share} with `mode = \"squash\"` \
             ({SQUASH_RULES}); leave `crop_pct` out to finish it as it began"
        )),
        _ => None,
    };
    let squash_is_timms = mode == Mode::Squash
        && !is_first
        && match typed.crop_pct {
            Some(_) => share.is_some() || typed.mode.is_none() && is_own(earlier),
            None => earlier.has(SQUASH_RULES) || earlier.0.is_none() && typed.mode.is_none(),
        };
    Ok(ChosenMode { mode, squash_is_timms, ignored_by_earlier })
}

/// Whether an untyped squash is the model's own, or was in the run that froze it.
fn is_own(earlier: &EarlierRun<'_>) -> bool {
    earlier.0.is_none() || earlier.has(SQUASH_RULES)
}

/// Returns timm's name of a mode, or `None` for the default one.
pub(super) fn name_of_timm(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Crop => None,
        Mode::Squash => Some("squash"),
        Mode::Border => Some("border"),
    }
}

/// Our name of a mode.
pub(super) fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Crop => "crop",
        Mode::Squash => "squash",
        Mode::Border => "border",
    }
}

fn of_job(name: &str) -> Result<Mode, JobError> {
    let modes = [Mode::Crop, Mode::Squash, Mode::Border];
    modes.into_iter().find(|mode| self::name(*mode) == name).ok_or_else(|| {
        JobError::Mismatch(format!(
            "the output was begun with `preprocess.mode` = `{name}`, which is not known"
        ))
    })
}

fn of_model(own: &str) -> Result<Mode, JobError> {
    match own {
        "squash" => Ok(Mode::Squash),
        "border" => Ok(Mode::Border),
        other => Err(JobError::Mismatch(format!(
            "the model asks for the crop mode `{other}`; center, squash and border are known: set `preprocess.mode`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::job::Frozen;

    /// A job that was begun with these components.
    fn begun(components: Value) -> Frozen {
        serde_json::from_value(json!({
            "protocol": 1, "version": "", "created": "", "name": "", "fingerprint": "", "components": components,
            "input": "", "preprocess": "", "folder_targets": null,
            "model": { "arch": "", "sha256": "", "precision": "", "classes": 1, "dim": 1, "labels": null },
        }))
        .unwrap()
    }

    fn typed(mode: Option<spec::Mode>, crop_pct: Option<f64>) -> spec::Preprocess {
        spec::Preprocess { mode, crop_pct, ..spec::Preprocess::default() }
    }

    const SQUASH: Option<spec::Mode> = Some(spec::Mode::Squash);

    #[test]
    fn a_squash_is_timms_where_a_share_below_1_is_typed_or_it_is_the_models_own() {
        for (mode, share, own, expected) in [
            (SQUASH, None, None, (Mode::Squash, false)),
            (SQUASH, None, Some("squash"), (Mode::Squash, false)),
            (SQUASH, Some(1.0), Some("squash"), (Mode::Squash, false)),
            (SQUASH, Some(0.9), None, (Mode::Squash, true)),
            (None, None, Some("squash"), (Mode::Squash, true)),
            (None, Some(1.0), Some("squash"), (Mode::Squash, true)),
            (None, Some(0.9), Some("center"), (Mode::Crop, false)),
            (None, Some(0.9), Some("border"), (Mode::Border, false)),
            (Some(spec::Mode::Crop), Some(0.9), Some("squash"), (Mode::Crop, false)),
        ] {
            let chosen = choose(&typed(mode, share), own, &EarlierRun(None)).unwrap();
            assert_eq!((chosen.mode, chosen.squash_is_timms), expected, "{mode:?} {share:?} {own:?}");
            assert_eq!(chosen.ignored_by_earlier, None);
        }
        let Err(error) = choose(&typed(None, None), Some("corner"), &EarlierRun(None)) else {
            panic!("an unknown mode was taken");
        };
        assert!(error.to_string().contains("`corner`") && error.to_string().contains("preprocess.mode"));
    }

    #[test]
    fn a_resumed_job_keeps_the_squash_that_it_began_with() {
        let timms =
            begun(json!({ "preprocess.mode": "squash", "rules.formats": "pillow", "rules.squash": "timm" }));
        let whole = begun(json!({ "preprocess.mode": "squash", "rules.formats": "pillow" }));
        for (frozen, mode, share, expected) in [
            (&timms, None, None, true),
            (&timms, SQUASH, None, true),
            (&whole, None, None, false),
            (&whole, SQUASH, None, false),
            (&whole, SQUASH, Some(1.0), false),
            // another job, as the fingerprint shows
            (&whole, SQUASH, Some(0.9), true),
        ] {
            let chosen = choose(&typed(mode, share), Some("squash"), &EarlierRun(Some(frozen))).unwrap();
            assert_eq!((chosen.mode, chosen.squash_is_timms), (Mode::Squash, expected), "{mode:?} {share:?}");
        }
    }

    #[test]
    fn a_job_of_version_0_1_0_is_touched_where_that_version_ignored_something() {
        let cropped = begun(json!({ "preprocess.mode": "crop" }));
        let squashed = begun(json!({ "preprocess.mode": "squash" }));
        for (frozen, mode, share, own, part) in [
            (&cropped, None, None, Some("squash"), Some("preprocess.mode")),
            (&cropped, None, Some(0.9), Some("border"), Some("`border`")),
            (&cropped, Some(spec::Mode::Crop), None, Some("squash"), None),
            (&cropped, None, Some(0.9), None, None),
            (&squashed, SQUASH, Some(0.9), None, Some("rules.squash")),
            (&squashed, SQUASH, None, Some("squash"), None),
            (&squashed, SQUASH, Some(1.0), None, None),
        ] {
            let chosen = choose(&typed(mode, share), own, &EarlierRun(Some(frozen))).unwrap();
            assert!(!chosen.squash_is_timms, "its components stay as they were");
            let found = chosen.ignored_by_earlier.unwrap_or_default();
            assert_eq!(found.is_empty(), part.is_none(), "{mode:?} {share:?} {own:?}: {found}");
            assert!(found.contains(part.unwrap_or_default()), "{found}");
        }
    }
}
