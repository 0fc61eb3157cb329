//! Hugging Face's `preprocessor_config.json`, as transformers' slow image processors follow it: the resized side is an
//! integer, and the crop's offset is rounded down. A file with a value that no key of the job file can
//! express is refused.

use serde_json::{Map, Value};

use super::preprocessing::Preprocessing;
use super::values::{side, three};

/// The file beside a model.
pub(super) const FILE_NAME: &str = "preprocessor_config.json";

/// Pillow's filters by their numbers.
const FILTERS: [&str; 6] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/// Steps that change no pixel of an RGB image, or that are read here.
const KNOWN_STEPS: [&str; 6] =
    ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_reduce_labels"];

/// An old way to ask CLIP's processor for a square, which versions of transformers follow differently.
const SQUARE: &str = "use_square_size";

/// How a processor's resize differs from the others'.
#[derive(Clone, Copy, PartialEq)]
enum Resize {
    /// To the size as it is.
    Plain,
    /// Below 384 pixels to `int(size / crop_pct)` and cropped; else both sides, without a crop.
    ConvNext,
    /// To `int(256 / 224 * size)`.
    Levit,
    /// To `int(size / crop_pct)`, with the aspect kept.
    PoolFormer,
}

/// What a processor does where its file does not define it.
struct Kind {
    name: &'static str,
    resize: Resize,
    /// Whether a size of one number is that of both sides.
    is_square: bool,
    /// Whether the centre is cropped; `None` where versions of transformers differ.
    crops: Option<bool>,
}

const fn kind(name: &'static str, resize: Resize, is_square: bool, crops: Option<bool>) -> Kind {
    Kind { name, resize, is_square, crops }
}

const KINDS: [Kind; 13] = [
    kind("ViT", Resize::Plain, true, Some(false)),
    kind("DeiT", Resize::Plain, true, Some(true)),
    kind("Beit", Resize::Plain, true, None),
    kind("Siglip", Resize::Plain, false, Some(false)),
    kind("Pvt", Resize::Plain, true, Some(false)),
    kind("Bit", Resize::Plain, false, Some(true)),
    kind("CLIP", Resize::Plain, false, Some(true)),
    kind("ChineseCLIP", Resize::Plain, false, Some(true)),
    kind("MobileNetV1", Resize::Plain, false, Some(true)),
    kind("MobileNetV2", Resize::Plain, false, Some(true)),
    kind("ConvNext", Resize::ConvNext, false, Some(false)),
    kind("Levit", Resize::Levit, false, Some(true)),
    kind("PoolFormer", Resize::PoolFormer, false, Some(true)),
];

/// The image between resize and crop.
struct Resized {
    /// Both sides, or the shortest.
    side: u32,
    is_squashed: bool,
    /// The side of the square that is cut, where the resize itself defines it.
    crop: Option<u32>,
}

/// Whether a document is an image processor's.
pub(super) fn is_one(document: &Value) -> bool {
    let has = |key| document.get(key).is_some();
    has("image_processor_type") || has("feature_extractor_type") || has("image_mean") && has("size")
}

/// Reads the preprocessing.
///
/// # Errors
///
/// What no key of the job file can express, as the rest of a sentence that begins with the file's name.
pub(super) fn read(document: &Value) -> Result<Preprocessing, String> {
    let fields = document.as_object().ok_or("is not a JSON object")?;
    let kind = kind_of(fields)?;
    for (key, value) in fields.iter().filter(|(key, _)| key.starts_with("do_") || *key == SQUARE) {
        if truth(key, value)? && !KNOWN_STEPS.contains(&key.as_str()) {
            return Err(format!("asks for `{key}`, which is not done here"));
        }
    }
    if flag(fields, "do_resize")? == Some(false) {
        return Err("does not resize images".to_owned());
    }
    let resized = resized(fields, kind)?;
    let crops = match (resized.crop, flag(fields, "do_center_crop")?.or(kind.crops)) {
        (Some(_), Some(true)) => return Err("crops the centre twice".to_owned()),
        (_, Some(crops)) => crops,
        (_, None) => return Err("has no `do_center_crop`".to_owned()),
    };
    let image_size = match (resized.crop, crops) {
        (Some(size), _) => size,
        (None, true) => crop_size(fields)?,
        (None, false) if resized.is_squashed => resized.side,
        (None, false) => return Err("gives images that are not square".to_owned()),
    };
    if image_size > resized.side {
        return Err(format!("crops {image_size} pixels of {}", resized.side));
    }
    let (mean, std) = normalisation(fields)?;
    // both offsets are 0 then
    let is_whole = resized.is_squashed && image_size == resized.side;
    Ok(Preprocessing {
        image_size: Some(image_size),
        crop_pct: Some(f64::from(image_size) / f64::from(resized.side)),
        crop_mode: resized.is_squashed.then(|| "squash".to_owned()),
        resize_side: (!is_whole).then_some(resized.side),
        interpolation: filter(fields)?,
        mean,
        std,
    })
}

fn kind_of(fields: &Map<String, Value>) -> Result<&'static Kind, String> {
    let named = fields.get("image_processor_type").or_else(|| fields.get("feature_extractor_type"));
    let name = named.and_then(Value::as_str).ok_or("does not name its `image_processor_type`")?;
    let endings = ["ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor"];
    let base = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let kind = KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(base));
    kind.ok_or_else(|| format!("is of a `{name}`, which is not followed here"))
}

/// A flag, if the file has it: null is false, not the processor's default.
fn flag(fields: &Map<String, Value>, key: &str) -> Result<Option<bool>, String> {
    fields.get(key).map(|value| truth(key, value)).transpose()
}

/// What Python takes a flag for. Other types are refused, for `"false"` is true there.
fn truth(key: &str, value: &Value) -> Result<bool, String> {
    match (value, value.as_u64()) {
        (Value::Bool(is_set), _) => Ok(*is_set),
        (Value::Null, _) | (_, Some(0)) => Ok(false),
        (_, Some(1)) => Ok(true),
        _ => Err(format!("has the `{key}` {value}, which is none of true, false, null, 0 and 1")),
    }
}

fn number(fields: &Map<String, Value>, key: &str) -> Result<Option<f64>, String> {
    let Some(value) = fields.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_f64().filter(|number| number.is_finite());
    number.map(Some).ok_or_else(|| format!("has the `{key}` {value}, which is not a number"))
}

fn resized(fields: &Map<String, Value>, kind: &Kind) -> Result<Resized, String> {
    let is_square = flag(fields, "default_to_square")?.unwrap_or(kind.is_square);
    let (size, is_square) = size(fields.get("size"), is_square)?;
    let share = || number(fields, "crop_pct");
    // Python's `int(size / share)`
    let larger = |share: f64| match f64::from(size) / share {
        side if share > 0.0 && side < f64::from(u32::MAX) => Ok(side as u32),
        _ => Err(format!("has the crop share {share}")),
    };
    let (side, is_squashed, crop) = match kind.resize {
        Resize::Plain => (size, is_square, None),
        Resize::ConvNext if is_square => return Err("has no `shortest_edge`".to_owned()),
        Resize::ConvNext if size < 384 => (larger(share()?.unwrap_or(224.0 / 256.0))?, false, Some(size)),
        Resize::ConvNext => (size, true, None),
        Resize::Levit if is_square => (size, true, None),
        Resize::Levit => ((256.0 / 224.0 * f64::from(size)) as u32, false, None),
        Resize::PoolFormer => match fields.get("crop_pct") {
            Some(Value::Null) => (size, is_square, None),
            _ => (larger(share()?.unwrap_or(0.9))?, false, None),
        },
    };
    Ok(Resized { side, is_squashed, crop })
}

/// The size, and whether it is that of both sides.
fn size(value: Option<&Value>, is_square: bool) -> Result<(u32, bool), String> {
    let value = value.ok_or("has no `size`")?;
    let refused = || format!("has the size {value}: neither a square nor a shortest edge");
    let one = |value: &Value| side(value).ok_or_else(refused);
    match value {
        Value::Object(keys) => match (keys.len(), keys.get("shortest_edge")) {
            (1, Some(shortest)) => Ok((one(shortest)?, false)),
            (2, None) => {
                let (height, width) = (keys.get("height"), keys.get("width"));
                match (height, width) {
                    (Some(height), Some(width)) if height == width => Ok((one(height)?, true)),
                    _ => Err(refused()),
                }
            }
            _ => Err(refused()),
        },
        Value::Array(sides) => match sides.as_slice() {
            [height, width] if height == width => Ok((one(height)?, true)),
            _ => Err(refused()),
        },
        number => Ok((one(number)?, is_square)),
    }
}

fn crop_size(fields: &Map<String, Value>) -> Result<u32, String> {
    match size(fields.get("crop_size"), true) {
        Ok((size, true)) => Ok(size),
        _ => Err("has no square `crop_size`".to_owned()),
    }
}

fn filter(fields: &Map<String, Value>) -> Result<Option<String>, String> {
    match fields.get("resample") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let named = value.as_u64().and_then(|number| FILTERS.get(usize::try_from(number).ok()?));
            let name = named.ok_or_else(|| format!("has the unknown filter {value} (`resample`)"))?;
            Ok(Some((*name).to_owned()))
        }
    }
}

type Channels = Option<[f64; 3]>;

/// Mean and std of values from 0 to 1, whatever the file scales bytes by.
fn normalisation(fields: &Map<String, Value>) -> Result<(Channels, Channels), String> {
    let channels = |key: &str| match fields.get(key).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => three(value).map(Some).ok_or_else(|| format!("has the `{key}` {value}")),
    };
    let factor = match (flag(fields, "do_rescale")?, fields.get("rescale_factor")) {
        (Some(false), _) => 1.0,
        (_, Some(Value::Null)) => return Err("has the `rescale_factor` null".to_owned()),
        _ => number(fields, "rescale_factor")?.unwrap_or(1.0 / 255.0),
    };
    if factor <= 0.0 {
        return Err(format!("scales by {factor}"));
    }
    let (mean, std) = match flag(fields, "do_normalize")? {
        Some(false) => (Some([0.0; 3]), Some([1.0; 3])),
        _ => (channels("image_mean")?, channels("image_std")?),
    };
    if std.is_some_and(|std| std.contains(&0.0)) {
        return Err("divides by an `image_std` of 0".to_owned());
    }
    let scale = 255.0 * factor;
    // how 1/255 is written
    let is_usual = (scale - 1.0).abs() < 1e-9;
    let scaled = |channels: [f64; 3]| if is_usual { channels } else { channels.map(|value| value / scale) };
    Ok((mean.map(scaled), std.map(scaled)))
}
