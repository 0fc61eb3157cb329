//! A job file that exists: is it the one that these images and this model would get?

use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::job::JobSpec;
use crate::store::Uri;

use super::options::{InitOptions, weights};

/// Checks that a job file is for the input, the model and the output that are asked for. Other keys may have been
/// changed by hand.
///
/// # Errors
/// It is for others: 78, which names them.
pub fn check_again(asked: &InitOptions<'_>, spec: &JobSpec) -> Result<(), Failure> {
    let input = spec.input.manifest.as_deref().unwrap_or(&spec.input.uri);
    let model = weights(asked.model)?;
    let other = if !is_same_address(input, asked.input) {
        Some(("input", input, asked.input))
    } else if !is_same_file(Path::new(&spec.model.path), &model) {
        Some(("model", &*spec.model.path, model.to_str().unwrap_or_default()))
    } else if let Some(below) = asked.below.filter(|below| !is_same_address(&spec.input.uri, below)) {
        Some(("folder of images", &*spec.input.uri, below))
    } else {
        let output = asked.output.filter(|output| !is_same_address(&spec.output.uri, output));
        output.map(|output| ("output", &*spec.output.uri, output))
    };
    let Some((what, written, asked_for)) = other else { return Ok(()) };
    let file = asked.file.display();
    let gone = if what != "output" && is_missing(asked_for) { ", which does not exist" } else { "" };
    let why = format!(
        "the job file `{file}` was written for the {what} `{written}` and not `{asked_for}`{gone}; name another job file with \
         -o FILE, or give `tresnet-batch run {file}` to run the job that is in it"
    );
    Err(Failure::new(Exit::Config, why))
}

fn is_same_address(one: &str, other: &str) -> bool {
    let parsed = |text: &str| Uri::parse(text).map(|uri| uri.to_string());
    one == other || matches!((parsed(one), parsed(other)), (Ok(one), Ok(other)) if one == other)
}

/// True for a plain path of this machine with nothing at it.
fn is_missing(text: &str) -> bool {
    let is_plain = !text.starts_with('~') && !text.contains(['*', '?', '[', '{', '$', ':']);
    is_plain && !Path::new(text).exists()
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Source, parse_text};

    fn spec(input: &str, model: &str) -> JobSpec {
        let text =
            format!("[input]\n{input}\n[model]\npath = \"{model}\"\n[output]\nuri = \"s3://b/rows\"\n");
        parse_text(&text, "job.toml", &Source::default()).unwrap()
    }

    fn asked<'a>(input: &'a str, model: &'a str) -> InitOptions<'a> {
        InitOptions { input, below: None, model: Path::new(model), output: None, file: Path::new("job.toml") }
    }

    #[test]
    fn the_same_input_and_model_in_other_words_are_the_same() {
        let written = spec("uri = \"s3://b/images\"", "x.pth");
        check_again(&asked("s3://b/images/", "x.pth"), &written).unwrap();
        let listed = spec("uri = \"s3://b/images\"\nmanifest = \"list.csv\"", "x.pth");
        check_again(&asked("list.csv", "x.pth"), &listed).unwrap();
    }

    #[test]
    fn a_path_with_nothing_at_it_is_called_missing_and_an_address_or_pattern_is_not() {
        let here = tempfile::tempdir().unwrap();
        let said =
            |input: &str| check_again(&asked(input, "x.pth"), &spec("uri = \"s3://b/images\"", "x.pth"));
        let is_missing = |input: &str| said(input).unwrap_err().explain().contains("which does not exist");
        assert!(is_missing("no/such/pictures"));
        for other in [here.path().to_str().unwrap(), "s3://b/others", "no/such/*.jpg", "~/pictures"] {
            assert!(!is_missing(other), "{other}");
        }
    }

    #[test]
    fn another_input_model_or_output_is_named_with_what_the_file_has() {
        let written = spec("uri = \"s3://b/images\"", "x.pth");
        let output = InitOptions { output: Some("s3://b/other"), ..asked("s3://b/images", "x.pth") };
        for (asked, words) in [
            (asked("s3://b/others", "x.pth"), ["the input `s3://b/images`", "not `s3://b/others`"]),
            (asked("s3://b/images", "y.pth"), ["the model `x.pth`", "not `y.pth`"]),
            (output, ["the output `s3://b/rows`", "not `s3://b/other`"]),
        ] {
            let failure = check_again(&asked, &written).unwrap_err();
            assert_eq!(failure.exit, Exit::Config);
            let text = failure.explain();
            assert!(words.iter().all(|word| text.contains(word)) && text.contains("-o FILE"), "{text}");
        }
    }
}
