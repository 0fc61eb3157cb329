//! Detects how a truth file is written from all of its content: the one convention that every line of it fits.

use crate::classes;
use crate::sample::Target;

use super::image_number::{IMAGES, number};

/// A way to write the truth of the validation set down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// Caffe's `val.txt`: a name and an index a line.
    Caffe,
    /// A wnid a line, in the order of the images.
    SynsetLabels,
    /// Kaggle's `LOC_val_solution.csv`.
    Kaggle,
    /// `real.json`: a list of indices for each image.
    Real,
}

/// Conventions that a file may fit; the last two are known and cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Known(Convention),
    /// `ILSVRC2012_validation_ground_truth.txt`: ids of the devkit, from 1.
    Ilsvrc,
    /// Indices in the order of the images, from 0: no such file is published, but people make them.
    Indices,
}

const KINDS: [Kind; 6] = [
    Kind::Known(Convention::Caffe),
    Kind::Known(Convention::SynsetLabels),
    Kind::Known(Convention::Kaggle),
    Kind::Known(Convention::Real),
    Kind::Ilsvrc,
    Kind::Indices,
];

/// Indices of the first five images, as everybody has them.
const FIRST: [i32; 5] = [65, 970, 230, 809, 516];
/// The same in the devkit's ids.
const FIRST_ILSVRC: [i32; 5] = [490, 361, 171, 822, 297];

impl Convention {
    /// The spelling in job.json.
    pub fn as_str(self) -> &'static str {
        match self {
            Convention::Caffe => "caffe-val",
            Convention::SynsetLabels => "synset-labels",
            Convention::Kaggle => "kaggle-loc-val-solution",
            Convention::Real => "real-json",
        }
    }

    /// For a person.
    pub fn described(self) -> &'static str {
        Kind::Known(self).described()
    }

    /// The `input.targets` that reads it.
    pub fn goes_with(self) -> &'static str {
        match self {
            Convention::Real => "imagenet-real",
            _ => "imagenet-val",
        }
    }
}

impl Kind {
    fn described(self) -> &'static str {
        match self {
            Kind::Known(Convention::Caffe) => "Caffe's val.txt (`ILSVRC2012_val_00000001.JPEG 65` a line)",
            Kind::Known(Convention::SynsetLabels) => {
                "synset labels (a wnid a line, for all 50000 images in order)"
            }
            Kind::Known(Convention::Kaggle) => "Kaggle's LOC_val_solution.csv (`ImageId,PredictionString`)",
            Kind::Known(Convention::Real) => "ReaL's real.json (50000 lists of indices)",
            Kind::Ilsvrc => "ILSVRC2012_validation_ground_truth.txt (an id of the devkit a line, from 1)",
            Kind::Indices => "a list of class indices from 0, one an image",
        }
    }

    /// The targets by image, or the first place that does not fit.
    fn read(self, text: &str) -> Result<Targets, Misfit> {
        match self {
            Kind::Known(Convention::Caffe) => caffe(text),
            Kind::Known(Convention::SynsetLabels) => in_order(text, |line| {
                // as the devkit writes them; a name that only looks like one is rejected later
                let looks = line.len() == 9 && line.starts_with('n');
                (looks && line[1..].bytes().all(|byte| byte.is_ascii_digit())).then(|| wnid(line))
            }),
            Kind::Known(Convention::Kaggle) => kaggle(text),
            Kind::Known(Convention::Real) => real(text),
            Kind::Ilsvrc => in_order(text, |line| whole(line).filter(|id| (1..=1000).contains(id)).map(Ok)),
            Kind::Indices => {
                in_order(text, |line| whole(line).filter(|index| (0..1000).contains(index)).map(Ok))
            }
        }
    }
}

type Targets = Vec<Option<Target>>;

/// Why a file is not of a kind.
enum Misfit {
    /// Some line has another shape.
    Shape { line: usize, found: String },
    /// Its shape is right, and something in it is wrong: it is of this kind and cannot be believed.
    Wrong(String),
}

fn shape(line: usize, found: &str) -> Misfit {
    Misfit::Shape { line, found: found.chars().take(60).collect() }
}

/// Reads a truth file of any convention.
///
/// # Errors
/// What was found and what was expected.
pub(super) fn read(bytes: &[u8]) -> Result<(Convention, Targets), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text (not UTF-8)".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(format!("it is empty; expected is one of: {}", expected()));
    }
    let mut fits: Vec<(Kind, Targets)> = Vec::new();
    let mut furthest = (0, String::new());
    for kind in KINDS {
        match kind.read(text) {
            Ok(targets) => fits.push((kind, targets)),
            Err(Misfit::Wrong(why)) => return Err(format!("it is {}, but {why}", kind.described())),
            Err(Misfit::Shape { line, found }) if line > furthest.0 => furthest = (line, found),
            Err(Misfit::Shape { .. }) => {}
        }
    }
    // plain numbers are two conventions; their first five decide which
    if fits.len() > 1 {
        let first = |targets: &Targets| -> Vec<i32> {
            targets.iter().take(5).flatten().filter_map(Target::class).collect()
        };
        fits.retain(|(kind, targets)| match kind {
            Kind::Ilsvrc => first(targets) == FIRST_ILSVRC,
            Kind::Indices => first(targets) == FIRST,
            Kind::Known(_) => true,
        });
        if fits.is_empty() {
            let lines: Vec<&str> = text.lines().take(5).collect();
            return Err(format!(
                "it fits two conventions, {} and {}, and its first five ({}) are those of neither ({FIRST_ILSVRC:?} and \
                 {FIRST:?}); take {} or {}",
                Kind::Ilsvrc.described(),
                Kind::Indices.described(),
                lines.join(", "),
                Kind::Known(Convention::Caffe).described(),
                Kind::Known(Convention::SynsetLabels).described(),
            ));
        }
    }
    match fits.pop() {
        Some((Kind::Known(convention), targets)) => {
            check_first(&targets).map_err(|why| format!("it is {}, but {why}", convention.described()))?;
            Ok((convention, targets))
        }
        Some((kind, _)) => Err(format!(
            "it is {}; {}. Take {}, {} or {}",
            kind.described(),
            match kind {
                Kind::Ilsvrc =>
                    "those ids are not the classes of a model: only the devkit's meta.mat maps them to classes",
                _ => "it has no names of images and no known publisher, so it is not believed",
            },
            Kind::Known(Convention::Caffe).described(),
            Kind::Known(Convention::SynsetLabels).described(),
            Kind::Known(Convention::Kaggle).described(),
        )),
        None => Err(format!(
            "it fits no convention (as far as one fits, line {} does not: `{}`); expected is one of: {}",
            furthest.0,
            furthest.1,
            expected()
        )),
    }
}

fn expected() -> String {
    let known = KINDS.iter().filter(|kind| matches!(kind, Kind::Known(_)));
    known.map(|kind| kind.described()).collect::<Vec<_>>().join("; ")
}

/// The classes of the first five images are known, so that a list that counts from 1, or in another order, is
/// found out. ReaL's labels are others, and are not held to it.
fn check_first(targets: &Targets) -> Result<(), String> {
    for (number, (target, known)) in targets.iter().zip(FIRST).enumerate() {
        if let Some(Target::Class(class)) = target
            && *class != known
        {
            let one = if *class == known + 1 { " (does it count from 1?)" } else { "" };
            return Err(format!(
                "image {} is class {class} in it, and is known to be {known}{one}: its indices are not ImageNet-1k's by \
                 sorted wnid",
                number + 1
            ));
        }
    }
    Ok(())
}

fn whole(text: &str) -> Option<i32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn wnid(text: &str) -> Result<i32, String> {
    let index = classes::wnid_index(text).map(|index| index as i32);
    index.ok_or_else(|| format!("`{text}` is none of ImageNet-1k's 1000 wnids"))
}

/// Lines that hold something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

/// Puts the class of one image where it belongs.
fn place(targets: &mut Targets, number: usize, line: usize, class: i32) -> Result<(), Misfit> {
    match targets[number - 1].replace(Target::Class(class)) {
        None => Ok(()),
        Some(_) => Err(Misfit::Wrong(format!("line {line} names image {number} a second time"))),
    }
}

fn caffe(text: &str) -> Result<Targets, Misfit> {
    let mut targets = vec![None; IMAGES];
    for (line, content) in lines(text) {
        let fields: Vec<&str> = content.split_whitespace().collect();
        let [name, class] = fields[..] else { return Err(shape(line, content)) };
        let (Some(number), Ok(class)) = (number(name), class.parse::<i64>()) else {
            return Err(shape(line, content));
        };
        let class = i32::try_from(class).ok().filter(|class| (0..1000).contains(class)).ok_or_else(|| {
            Misfit::Wrong(format!("line {line} gives class {class}; classes go from 0 to 999"))
        })?;
        place(&mut targets, number, line, class)?;
    }
    Ok(targets)
}

fn kaggle(text: &str) -> Result<Targets, Misfit> {
    let mut rows = lines(text);
    match rows.next() {
        Some((_, "ImageId,PredictionString")) => {}
        Some((line, other)) => return Err(shape(line, other)),
        None => return Err(shape(1, "")),
    }
    let mut targets = vec![None; IMAGES];
    for (line, content) in rows {
        let Some((id, boxes)) = content.split_once(',') else { return Err(shape(line, content)) };
        let Some(number) = number(id) else { return Err(shape(line, content)) };
        let first = boxes.split_whitespace().next().unwrap_or_default();
        let class = wnid(first).map_err(|why| Misfit::Wrong(format!("line {line}: {why}")))?;
        place(&mut targets, number, line, class)?;
    }
    Ok(targets)
}

/// A file of one line an image, in order: it must have all of them, or its positions mean nothing.
fn in_order(text: &str, class: impl Fn(&str) -> Option<Result<i32, String>>) -> Result<Targets, Misfit> {
    let mut targets = Vec::with_capacity(IMAGES);
    for (line, content) in lines(text) {
        let class = class(content).ok_or_else(|| shape(line, content))?;
        let class = class.map_err(|why| Misfit::Wrong(format!("line {line}: {why}")))?;
        targets.push(Some(Target::Class(class)));
    }
    all(targets.len(), "lines")?;
    Ok(targets)
}

fn all(found: usize, what: &str) -> Result<(), Misfit> {
    if found == IMAGES {
        return Ok(());
    }
    Err(Misfit::Wrong(format!(
        "it has {found} {what} where {IMAGES} are expected, one for each image in order: a shorter list is ambiguous"
    )))
}

fn real(text: &str) -> Result<Targets, Misfit> {
    // a text that begins otherwise is no JSON list, and the line to report is the first
    let first = lines(text).next().map_or("", |(_, line)| line);
    if !first.starts_with('[') {
        return Err(shape(1, first));
    }
    let lists: Vec<Vec<i64>> = serde_json::from_str(text)
        .map_err(|error| Misfit::Wrong(format!("it is no list of lists of classes: {error}")))?;
    let mut targets = Vec::with_capacity(IMAGES);
    for (position, list) in lists.iter().enumerate() {
        let class = |class: &i64| {
            let known = i32::try_from(*class).ok().filter(|class| (0..1000).contains(class));
            known.ok_or_else(|| {
                let entry = position + 1;
                Misfit::Wrong(format!("its entry {entry} holds class {class}; classes go from 0 to 999"))
            })
        };
        let classes = list.iter().map(class).collect::<Result<Vec<i32>, Misfit>>()?;
        // an image on whose labels the annotators did not agree has none
        targets.push((!classes.is_empty()).then(|| Target::set(classes)));
    }
    all(targets.len(), "lists")?;
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text.as_bytes()).unwrap_err()
    }

    /// A line for each image, beginning with these.
    fn whole_file(first: &[&str], rest: &str) -> String {
        let mut lines: Vec<&str> = first.to_vec();
        lines.resize(IMAGES, rest);
        lines.join("\n")
    }

    const SYNSETS: [&str; 5] = ["n01751748", "n09193705", "n02105855", "n04263257", "n03125729"];

    #[test]
    fn each_convention_is_told_by_its_content() {
        let caffe = "ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000003.JPEG 230\n";
        let kaggle =
            "ImageId,PredictionString\r\nILSVRC2012_val_00000002,n09193705 1 2 3 4 n09193705 5 6 7 8 \r\n";
        let lists = format!("[[65], [795, 970], [], {}]", vec!["[7]"; IMAGES - 3].join(", "));
        for (text, convention, images) in [
            (caffe.to_owned(), Convention::Caffe, 2),
            (kaggle.to_owned(), Convention::Kaggle, 1),
            (whole_file(&SYNSETS, "n01440764"), Convention::SynsetLabels, IMAGES),
            (lists, Convention::Real, IMAGES - 1),
        ] {
            let (found, targets) = read(text.as_bytes()).unwrap();
            assert_eq!((found, targets.iter().flatten().count()), (convention, images));
        }
    }

    #[test]
    fn the_first_five_give_a_list_away_that_counts_otherwise() {
        let said = error("ILSVRC2012_val_00000001.JPEG 66\n");
        assert!(said.contains("image 1 is class 66") && said.contains("count from 1"), "{said}");
        let said = error(&whole_file(&["n01440764"], "n01440764"));
        assert!(said.contains("image 1 is class 0") && said.contains("65"), "{said}");
    }

    #[test]
    fn plain_numbers_are_told_apart_by_their_first_five_or_refused_as_two() {
        let said = error(&whole_file(&["490", "361", "171", "822", "297"], "9"));
        assert!(said.contains("meta.mat"), "{said}");
        let said = error(&whole_file(&["65", "970", "230", "809", "516"], "9"));
        assert!(said.contains("is not believed"), "{said}");
        let said = error(&whole_file(&["1", "2", "3"], "9"));
        assert!(said.contains("fits two conventions") && said.contains("1, 2, 3, 9, 9"), "{said}");
        // a 0 is no id of the devkit, and then no first five are needed
        assert!(error(&whole_file(&["0"], "9")).contains("not believed"));
    }

    #[test]
    fn what_fits_nothing_is_told_with_the_line_that_does_not() {
        let said = error("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG\n");
        assert!(said.contains("fits no convention") && said.contains("line 2"), "{said}");
        assert!(error("").contains("empty") && error("\n \n").contains("expected is one of"));
        assert!(read(b"\xff\xfe").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn what_is_of_a_convention_and_wrong_in_it_says_where() {
        let double = "ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000001.JPEG 65\n";
        for (text, word) in [
            (
                "ILSVRC2012_val_00000007.JPEG 1000\n".to_owned(),
                "line 1 gives class 1000; classes go from 0 to 999",
            ),
            (double.to_owned(), "line 2 names image 1 a second time"),
            (SYNSETS.join("\n"), "5 lines where 50000 are expected"),
            (whole_file(&SYNSETS, "n99999999"), "line 6: `n99999999` is none of ImageNet-1k's"),
            ("ImageId,PredictionString\nILSVRC2012_val_00000002,dog 1 2 3 4\n".to_owned(), "line 2: `dog`"),
            ("[[65], [970]]".to_owned(), "2 lists where 50000"),
            ("[[65], [1000]]".to_owned(), "entry 2 holds class 1000"),
            ("[65, 970]".to_owned(), "no list of lists"),
            ("[[65]".to_owned(), "EOF"),
        ] {
            let said = error(&text);
            assert!(said.contains(word), "{said}");
        }
    }
}
