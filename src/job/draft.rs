//! Writes a first job file: what was found is set, and further choices are commented out with a `#`.

use std::fmt::Write;

use crate::model::{Preprocessing, WeightSet};

use super::spec::{Format, TargetsSpec};

/// Columns of a comment.
const WIDTH: usize = 100;

/// Rows of a part if the images are few: a batch of a processor.
const SMALL_PART: u32 = 32;

/// What is known of a job that has no job file yet.
#[derive(Debug, Clone)]
pub struct Draft {
    /// How the file is called in commands.
    pub file: String,
    /// The job's name.
    pub name: String,
    /// What was found at the input, a sentence.
    pub found: String,
    /// `input.uri`
    pub uri: String,
    /// `input.format`
    pub format: Format,
    /// `input.manifest`
    pub manifest: Option<String>,
    /// `input.targets`
    pub targets: TargetsSpec,
    /// Why these, or why none: a sentence.
    pub targets_why: String,
    /// `model.path`
    pub model: String,
    /// What the model is, a sentence.
    pub model_text: String,
    /// `model.weights`, if the file has several sets of them.
    pub weights: Option<WeightSet>,
    /// Whether the model's classes have names.
    pub has_names: bool,
    /// `[preprocess]`, if the model has no preprocessing and something was assumed.
    pub preprocessing: Option<Preprocessing>,
    /// Few images, of which one that is broken is more than the default allows.
    pub are_few: bool,
    /// `output.uri`
    pub output: String,
}

impl Draft {
    /// The job file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.head(&mut text);
        self.input(&mut text);
        self.rest(&mut text);
        text
    }

    fn head(&self, text: &mut String) {
        comment(text, &format!("Made by `tresnet-batch init`, which found {}.", self.found));
        comment(
            text,
            "Paths are relative to the folder in which tresnet-batch is started. Keys after a `#` are choices that are \
             not taken; docs/job.md has every key. Next:",
        );
        let file = &self.file;
        let next = [
            (format!("doctor {file}"), "is everything there, and what will it take?"),
            (format!("plan {file}"), "what will be done; writes nothing"),
            (format!("run {file}"), "the same again after any interruption"),
            (format!("report {file}"), "from the rows alone"),
        ];
        text.push_str("#\n");
        for (command, what) in next {
            // a file's name may hold anything, and a comment ends with its line
            let command: String = command.chars().filter(|letter| !letter.is_control()).collect();
            line(text, format_args!("#     tresnet-batch {command:<24} # {what}"));
        }
        line(text, format_args!("\n[job]\nname = {}", quoted(&self.name)));
        choice(
            text,
            "price_per_hour = 1.0",
            "what this machine costs an hour: doctor and run then report the cost",
        );
    }

    fn input(&self, text: &mut String) {
        line(text, format_args!("\n[input]\nuri = {}", quoted(&self.uri)));
        line(text, format_args!("format = {}", quoted(self.format.as_str())));
        if let Some(manifest) = &self.manifest {
            line(text, format_args!("manifest = {}", quoted(manifest)));
        }
        comment(text, &self.targets_why);
        line(text, format_args!("targets = {}", quoted(self.targets.as_str())));
        if !self.has_names {
            choice(
                text,
                "classes = \"classes.txt\"",
                "names of the model's classes, one a line; it brings none",
            );
        }
        if self.format != Format::Webdataset {
            choice(text, "limit = 1000", "only the first images; give a trial a separate output");
        }
        let done = format!("exclude_done = [{}]", quoted(&self.output));
        choice(text, &done, "in a later job with another output: leave out what this one has done");
    }

    fn rest(&self, text: &mut String) {
        line(text, format_args!("\n[model]"));
        comment(text, &self.model_text);
        line(text, format_args!("path = {}", quoted(&self.model)));
        if let Some(weights) = self.weights {
            line(text, format_args!("weights = \"{weights}\""));
        }
        if !self.model.ends_with(".onnx") {
            choice(text, "precision = \"fp16\"", "the default on CUDA; fp32 on a CPU");
        }
        line(text, format_args!("\n[preprocess]"));
        if let Some(assumed) = &self.preprocessing {
            preprocess(text, assumed);
        }
        choice(
            text,
            "exif = \"apply\"",
            "turn photographs by their EXIF orientation; default: as timm, which does not",
        );
        line(text, format_args!("\n[engine]"));
        choice(text, "device = \"cpu\"", "default: CUDA where a device answers, else the CPU");
        choice(text, "batch_size = \"auto\"", "try several sizes before the run; default: 32");
        line(text, format_args!("\n[output]\nuri = {}", quoted(&self.output)));
        if self.are_few && matches!(self.format, Format::Folder | Format::Manifest) {
            let what = "images of a part, the most that a stop costs of each open one; default: thousands";
            key(text, &format!("rows_per_part = {SMALL_PART}"), what);
        }
        choice(text, "embedding = \"none\"", "or \"f16\"; default: \"f32\", the largest part of a row");
        choice(text, "logits = true", "all classes' numbers and not only the best");
        line(text, format_args!("\n[limits]"));
        const REFUSED: &str = "error rows by all, above which a run is refused";
        match self.are_few {
            true => {
                key(text, "max_error_fraction = 0.1", &format!("{REFUSED}; default: 0.01, for many images"))
            }
            false => choice(text, "max_error_fraction = 0.05", &format!("{REFUSED}; default: 0.01")),
        }
        choice(text, "requests = 256", "in flight at once; default: what latency and decoders need");
        line(text, format_args!("\n[report]\nformats = [\"json\", \"markdown\", \"html\"]"));
        if self.targets != TargetsSpec::None {
            choice(
                text,
                "require = [\"top1 >= 80\"]",
                "a gate: run and report end with 65 where it does not hold",
            );
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // writing to a text cannot fail
    let _ = writeln!(text, "{line}");
}

/// Writes the assumed values into the file, so that they can be seen and corrected.
fn preprocess(text: &mut String, assumed: &Preprocessing) {
    comment(
        text,
        "No config.json is beside the weights: these are the values that TResNets are mostly trained with. Put in those of \
         your training.",
    );
    let Preprocessing { image_size, crop_pct, resize_side, interpolation, mean, std, .. } = assumed;
    let keys = [
        image_size.map(|size| format!("image_size = {size}")),
        // if it were set, it would replace the resized side
        crop_pct.filter(|_| resize_side.is_none()).map(|part| format!("crop_pct = {part:?}")),
        interpolation.as_ref().map(|filter| format!("interpolation = {}", quoted(filter))),
        mean.map(|mean| format!("mean = {mean:?}")),
        std.map(|std| format!("std = {std:?}")),
    ];
    keys.into_iter().flatten().for_each(|typed| line(text, format_args!("{typed}")));
}

/// A key that is taken, and what it does.
fn key(text: &mut String, key: &str, what: &str) {
    line(text, format_args!("{key:<30} # {what}"));
}

/// A key that is not taken, and what it would do.
fn choice(text: &mut String, key: &str, what: &str) {
    line(text, format_args!("# {key:<28} # {what}"));
}

/// Sentences as lines of a comment.
fn comment(text: &mut String, sentences: &str) {
    let mut width = 0;
    for word in sentences.split_whitespace() {
        // what came from an input may hold anything
        let word: String = word.chars().filter(|letter| !letter.is_control()).collect();
        let length = word.chars().count() + 1;
        if width == 0 || width + length > WIDTH {
            text.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        text.push(' ');
        text.push_str(&word);
        width += length;
    }
    if width > 0 {
        text.push('\n');
    }
}

/// A text as TOML has it, on one line: JSON's escapes are TOML's, but for one character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobSpec, Source, parse_text};

    fn draft(format: Format, targets: TargetsSpec) -> Draft {
        Draft {
            file: "job.toml".into(),
            name: "it's \"odd\"\n\u{7f}".into(),
            found: "400 images in `a\u{1b}[2J\nb`".into(),
            uri: "C:\\odd \"folder\"/é".into(),
            format,
            manifest: (format == Format::Manifest).then(|| "list.csv".into()),
            targets,
            targets_why: "a long reason ".repeat(20),
            model: "m.safetensors".into(),
            model_text: "a network".into(),
            weights: Some(WeightSet::Ema),
            has_names: false,
            preprocessing: None,
            are_few: false,
            output: "odd\nrows".into(),
        }
    }

    fn parsed(text: &str) -> JobSpec {
        parse_text(text, "job.toml", &Source::default()).unwrap_or_else(|error| panic!("{error}:\n{text}"))
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_names_hold() {
        for (format, targets) in [
            (Format::Folder, TargetsSpec::Folder),
            (Format::Folder, TargetsSpec::None),
            (Format::Manifest, TargetsSpec::Manifest),
            (Format::Webdataset, TargetsSpec::Webdataset),
            (Format::Parquet, TargetsSpec::None),
        ] {
            let draft = draft(format, targets);
            let text = draft.text();
            let spec = parsed(&text);
            assert_eq!(
                (&spec.input.uri, spec.input.format, spec.input.targets),
                (&draft.uri, format, targets)
            );
            assert_eq!(spec.job.name.as_ref(), Some(&draft.name));
            assert_eq!((&spec.input.manifest, &spec.output.uri), (&draft.manifest, &draft.output));
            spec.input.check().unwrap();
            assert!(
                text.lines().all(|line| line.chars().count() <= 120 && !line.contains('\u{1b}')),
                "{text}"
            );
        }
    }

    #[test]
    fn what_was_assumed_is_typed_and_few_images_may_have_a_broken_one() {
        let assumed = Preprocessing::tresnet();
        let draft = Draft {
            preprocessing: Some(assumed.clone()),
            are_few: true,
            ..draft(Format::Folder, TargetsSpec::None)
        };
        let spec = parsed(&draft.text());
        let typed = &spec.preprocess;
        assert_eq!((typed.image_size, typed.crop_pct), (assumed.image_size, assumed.crop_pct));
        assert_eq!((typed.mean, typed.std), (assumed.mean, assumed.std));
        assert!(typed.interpolation.is_some());
        assert_eq!(spec.limits.max_error_fraction, Some(0.1));
        assert_eq!(spec.output.rows_per_part, Some(SMALL_PART));
        let of_shards = Draft { are_few: true, ..self::draft(Format::Webdataset, TargetsSpec::None) };
        let spec = parsed(&of_shards.text());
        assert_eq!((spec.limits.max_error_fraction, spec.output.rows_per_part), (Some(0.1), None));
    }

    #[test]
    fn every_choice_is_a_key_that_can_be_taken() {
        let text = draft(Format::Folder, TargetsSpec::Folder).text();
        let mut choices = 0;
        for line in text.lines() {
            let Some(key) = line.strip_prefix("# ").filter(|key| key.contains(" = ")) else { continue };
            choices += 1;
            let spec = parsed(&text.replace(line, key));
            spec.input.check().unwrap();
        }
        assert_eq!(choices, 13, "{text}");
    }
}
