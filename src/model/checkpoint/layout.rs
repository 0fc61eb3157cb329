//! From the spelling of a file to timm's.
//!
//! The authors name the two halves of a normalised convolution `0` and `1`, wrap the convolution in front of a blur
//! once more, and normalise with in-place ABN, whose scale is `|gamma| + 1e-5` whatever sign is stored. The layout is
//! detected from the names, file by file. Both halves of it are strict: a convolution that is wrapped where no blur
//! follows, or bare where one does, is another network under similar names.

use std::collections::BTreeMap;

use super::inference::{closest, compare};
use super::weights::{Checkpoint, Tensor};
use crate::model::error::ModelError;
use crate::model::shorten::shorten;

/// What in-place ABN adds to the magnitude of its scale. It equals batch norm's epsilon by coincidence only.
const ABN_EPS: f64 = 1e-5;

const HINT: &str = "they were read as the authors' layout, and what is missing is given in timm's spelling: \
                    convolutions are `conv1.0`, norms `conv1.1`, both wrapped once more in front of a blur";

/// The meaning of a name in the authors' layout.
#[derive(Debug, PartialEq)]
enum NameMeaning {
    /// The same tensor in timm's spelling.
    Weight(String),
    /// The scale of an in-place ABN.
    Scale(String),
    /// Nothing that is stored: the blur's filter.
    Constant,
    /// Nothing in this layout.
    Unknown,
}

/// Renames the tensors to timm's names, and turns scales into what the network multiplies by.
///
/// # Errors
///
/// [`ModelError::Tensors`] where the names are the authors' and do not make a network of theirs. Names in no known
/// layout pass, and [`Architecture::infer`](crate::model::Architecture::infer) lists them.
pub(super) fn to_timm(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let bottleneck = std::array::from_fn(|index| {
        let prefix = format!("body.layer{}.0.conv3.", index + 1);
        tensors.keys().any(|name| name.starts_with(&prefix))
    });
    if !tensors.keys().any(|name| is_authors(name, bottleneck)) {
        return Ok(tensors);
    }
    let mut unknown = Vec::new();
    let mut known = BTreeMap::new();
    for (name, mut tensor) in tensors {
        let name = match meaning(&name, bottleneck) {
            NameMeaning::Constant => continue,
            NameMeaning::Unknown => {
                unknown.push(shorten(&name));
                continue;
            }
            NameMeaning::Weight(name) => name,
            NameMeaning::Scale(name) => {
                tensor.values.iter_mut().for_each(|gamma| *gamma = abn_scale(*gamma));
                name
            }
        };
        known.insert(name, tensor);
    }
    let known = Checkpoint { tensors: known, sha256: String::new() };
    let architecture = closest(&known);
    let mut mismatch = compare(&architecture, &known);
    mismatch.unexpected.extend(unknown);
    if mismatch.is_empty() {
        return Ok(known.tensors);
    }
    mismatch.hint = Some(HINT.to_owned());
    Err(ModelError::Tensors(Box::new(mismatch)))
}

#[allow(clippy::cast_possible_truncation)]
fn abn_scale(gamma: f32) -> f32 {
    (f64::from(gamma).abs() + ABN_EPS) as f32
}

/// Whether a name gives the authors' layout away.
fn is_authors(name: &str, bottleneck: [bool; 4]) -> bool {
    match meaning(name, bottleneck) {
        NameMeaning::Weight(timm) | NameMeaning::Scale(timm) => timm != name,
        NameMeaning::Constant | NameMeaning::Unknown => false,
    }
}

/// Parses a name of the authors' layout; `bottleneck` is true for each stage of bottleneck blocks.
fn meaning(name: &str, bottleneck: [bool; 4]) -> NameMeaning {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["head", "fc", "weight" | "bias"] => NameMeaning::Weight(name.to_owned()),
        ["body", "conv1", half, part] => normalised("body.conv1", half, part),
        ["body", layer, block, rest @ ..] => {
            let stage = ["layer1", "layer2", "layer3", "layer4"].iter().position(|known| known == layer);
            let Some(stage) = stage else { return NameMeaning::Unknown };
            let halves = stage > 0 && *block == "0";
            let blurred = match (halves, bottleneck[stage]) {
                (false, _) => None,
                (true, false) => Some("conv1"),
                (true, true) => Some("conv2"),
            };
            let scope = format!("body.{layer}.{block}");
            match rest {
                [.., "filt"] if halves => NameMeaning::Constant,
                ["se", "fc1" | "fc2", "weight" | "bias"] => NameMeaning::Weight(name.to_owned()),
                ["downsample", position, half, part] => {
                    normalised(&format!("{scope}.downsample.{position}"), half, part)
                }
                [conv @ ("conv1" | "conv2" | "conv3"), "0", half, part] if blurred == Some(conv) => {
                    normalised(&format!("{scope}.{conv}"), half, part)
                }
                [conv @ ("conv1" | "conv2" | "conv3"), half, part] if blurred != Some(conv) => {
                    normalised(&format!("{scope}.{conv}"), half, part)
                }
                _ => NameMeaning::Unknown,
            }
        }
        _ => NameMeaning::Unknown,
    }
}

/// One tensor of a convolution (`0`) with its norm (`1`).
fn normalised(scope: &str, half: &str, part: &str) -> NameMeaning {
    match (half, part) {
        ("0", "weight") => NameMeaning::Weight(format!("{scope}.conv.weight")),
        ("1", "weight") => NameMeaning::Scale(format!("{scope}.bn.weight")),
        ("1", "bias" | "running_mean" | "running_var") => NameMeaning::Weight(format!("{scope}.bn.{part}")),
        _ => NameMeaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::architecture::{Architecture, Stage};

    /// The tensors of a network, spelled by hand as the authors do.
    fn authors(architecture: &Architecture) -> BTreeMap<String, Tensor> {
        let spelled = |name: &str| {
            let parts: Vec<&str> = name.split('.').collect();
            let wrapped = match parts.as_slice() {
                ["body", "layer2", "0", "conv1", ..] => architecture.stages[1].kind.expansion() == 1,
                ["body", "layer2", "0", "conv2", ..] => architecture.stages[1].kind.expansion() == 4,
                ["body", "layer3" | "layer4", "0", "conv2", ..] => true,
                _ => false,
            };
            let (conv, norm) = if wrapped { (".0.0.", ".0.1.") } else { (".0.", ".1.") };
            name.replace(".conv.", conv).replace(".bn.", norm)
        };
        let tensors = architecture.tensors().into_iter();
        tensors.map(|(name, shape)| (spelled(&name), Tensor { shape, values: vec![-0.5] })).collect()
    }

    fn network(name: &str, classes: usize, se: bool) -> Architecture {
        let published = Architecture::named(name, classes).unwrap();
        let stages =
            published.stages.map(|stage| Stage { squeeze_excite: stage.squeeze_excite && se, ..stage });
        Architecture { stages, ..published }
    }

    #[track_caller]
    fn mismatch(tensors: BTreeMap<String, Tensor>) -> String {
        match to_timm(tensors) {
            Err(error @ ModelError::Tensors(_)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_network_of_the_authors_becomes_timms() {
        for (name, classes, se) in [
            ("tresnet_m", 11_221, true),
            ("tresnet_m", 1000, false),
            ("tresnet_l", 196, true),
            ("tresnet_xl", 1000, true),
            ("tresnet_v2_l", 1000, true),
        ] {
            let architecture = network(name, classes, se);
            let mut file = authors(&architecture);
            for filter in ["body.layer2.0.conv1.1.filt", "body.layer4.0.conv2.1.op.filt"] {
                file.insert(filter.to_owned(), Tensor { shape: vec![1], values: vec![0.25] });
            }
            let checkpoint = Checkpoint { tensors: to_timm(file).unwrap(), sha256: String::new() };
            assert_eq!(Architecture::infer(&checkpoint).unwrap(), architecture, "{name}");
            let is = |name: &str| checkpoint.tensors[name].values[0];
            assert_eq!(is("body.layer2.0.conv1.bn.weight"), 0.50001);
            assert_eq!(is("body.layer2.0.downsample.1.bn.weight"), 0.50001);
            assert_eq!(is("body.conv1.bn.bias"), -0.5);
            assert_eq!(is("body.conv1.conv.weight"), -0.5);
        }
    }

    #[test]
    fn a_scale_is_its_magnitude_and_a_little_more() {
        for (stored, used) in [(-2.0, 2.00001), (2.0, 2.00001), (0.0, 1e-5), (-0.0, 1e-5)] {
            assert_eq!(abn_scale(stored), used);
        }
        assert!(abn_scale(f32::NAN).is_nan() && abn_scale(f32::NEG_INFINITY).is_infinite());
    }

    #[test]
    fn timms_names_and_scales_stay_as_they_are() {
        let tensors = network("tresnet_m", 10, true).tensors().into_iter();
        let tensors: BTreeMap<_, _> =
            tensors.map(|(name, shape)| (name, Tensor { shape, values: vec![-1.0] })).collect();
        assert_eq!(to_timm(tensors.clone()).unwrap(), tensors);
        assert!(to_timm(BTreeMap::new()).unwrap().is_empty());
    }

    #[test]
    fn what_departs_from_the_authors_layout_is_listed() {
        let file = || authors(&network("tresnet_m", 10, true));
        let moved = |from: &str, to: &str| {
            let renamed = file().into_iter().map(|(name, tensor)| (name.replace(from, to), tensor)).collect();
            mismatch(renamed)
        };
        // a network whose second stage strides without a blur, and one that blurs where nothing is halved
        let bare = moved("layer2.0.conv1.0.", "layer2.0.conv1.");
        assert!(bare.contains("5 missing: `body.layer2.0.conv1.conv.weight`"), "{bare}");
        assert!(bare.contains("5 unexpected: `body.layer2.0.conv1.0.weight`"), "{bare}");
        assert!(bare.contains("`tresnet_m`") && bare.contains(HINT), "{bare}");
        let extra = moved("layer2.1.conv1.", "layer2.1.conv1.0.");
        assert!(extra.contains("5 unexpected: `body.layer2.1.conv1.0.0.weight`"), "{extra}");
        // halves of both layouts in one file
        let mixed = moved("body.conv1.1.", "body.conv1.bn.");
        assert!(mixed.contains("unexpected: `body.conv1.bn.bias`"), "{mixed}");
        let lost = moved("head.fc.bias", "head.bias");
        assert!(lost.contains("1 missing: `head.fc.bias`; 1 unexpected: `head.bias`"), "{lost}");
        let filter = moved("head.fc.bias", "body.layer1.0.conv1.1.filt");
        assert!(filter.contains("unexpected: `body.layer1.0.conv1.1.filt`"), "{filter}");
        let crowd = file()
            .into_iter()
            .chain((0..5000).map(|n| (format!("{n}\n"), Tensor { shape: vec![1], values: vec![0.0] })));
        let crowd = mismatch(crowd.collect());
        assert!(crowd.contains("5000 unexpected") && crowd.len() < 8000 && !crowd.contains('\n'), "{crowd}");
    }
}
