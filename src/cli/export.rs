//! `export OUTPUT`: the rows in the forms of other tools.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::audit::review::ReviewTool;
use crate::failure::{Exit, Failure};
use crate::output::export::table::Table;
use crate::output::export::timm::{self, Timm, TimmForm};
use crate::output::export::{Element, ExportError, clip};
use crate::output::{Cursor, OutputError, schema_of};
use crate::store::{Location, Role, Uri};

use super::examples;
use super::export_findings::{FindingsArgs, export_findings};
use super::export_writer::Writer;
use super::print::{count, line};
use super::summary::Summary;
use super::target::{CommittedOutput, TargetArgs};

/// Rows decoded at a time.
const BATCH: usize = 1024;
/// Bytes of numbers in one file at most; a file is made in memory and written by one request.
const MOST_BYTES: u64 = 4 << 30;

#[derive(Debug, Args)]
#[command(after_help = examples::EXPORT)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// What to write; predictions are those in the rows, the best of all classes, for ImageNet-A and R too
    #[arg(long, value_enum)]
    format: FormatArg,
    /// The folder to write to, on local disk or on a store
    #[arg(long, value_name = "FOLDER")]
    to: String,
    /// Rows a file (default: 500,000; of clip-retrieval and parquet 65,536)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rows_per_file: Option<u32>,
    /// timm: classes a row (default: as many as the rows hold)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: Option<u32>,
    /// clip-retrieval, parquet: write embeddings in single precision
    #[arg(long)]
    float32: bool,
    /// clip-retrieval: leave embeddings as long as they are, instead of scaling them to length 1
    #[arg(long)]
    keep_length: bool,
    #[command(flatten)]
    findings: FindingsArgs,
    /// Write over files that an earlier export left
    #[arg(long)]
    overwrite: bool,
    /// Export the parts that are committed, although the output is not finished
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// results.csv: filename, index, label, prob
    TimmCsv,
    /// results.json: filename → index, label, prob
    TimmJson,
    /// img_emb/img_emb_0.npy … and metadata/metadata_0.parquet …
    ClipRetrieval,
    /// rows.parquet: all columns, in plain Parquet; with --float32 for readers that do not know half precision
    Parquet,
    /// data.json and labels.json: the findings of --findings, as a FiftyOneImageClassificationDataset
    Fiftyone,
    /// images.json and pairs.json: the findings of --findings as tasks, with the configuration of each project
    LabelStudio,
}

impl FormatArg {
    /// Returns the review tool if the format exports findings.
    fn review_tool(self) -> Option<ReviewTool> {
        match self {
            FormatArg::Fiftyone => Some(ReviewTool::FiftyOne),
            FormatArg::LabelStudio => Some(ReviewTool::LabelStudio),
            _ => None,
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        let exit = match &error {
            ExportError::Encode(_) => Exit::Bug,
            _ => Exit::Config,
        };
        Failure::new(exit, error.to_string())
    }
}

pub(super) async fn export(arguments: &ExportArgs) -> Result<Summary, Failure> {
    let of = arguments.of.open()?.read(arguments.partial).await?;
    if Uri::parse(&arguments.to)?.is_within(&Uri::parse(&of.output.uri())?) {
        return Err(Failure::new(
            Exit::CannotCreate,
            format!(
                "`{}` is in the output, whose readers would take the files for rows; take a folder outside of it",
                arguments.to
            ),
        ));
    }
    let to = Location::open(&arguments.to, Role::Output)?;
    let tool = arguments.format.review_tool();
    arguments.findings.check(tool.is_some())?;
    if let Some(tool) = tool {
        let writer = Writer { to, overwrite: arguments.overwrite, files: 1, written: Vec::new() };
        return export_findings(&arguments.findings, (tool, arguments.of.date()), &of, writer).await;
    }
    let (rows, ok) = of.parts.iter().fold((0, 0), |(rows, ok), part| (rows + part.rows, ok + part.ok));
    let per_file = u64::from(arguments.rows_per_file.unwrap_or(match arguments.format {
        FormatArg::ClipRetrieval | FormatArg::Parquet => 65_536,
        _ => 500_000,
    }));
    let exported = if arguments.format == FormatArg::ClipRetrieval { ok } else { rows };
    let files = exported.div_ceil(per_file).max(1);
    let mut writer = Writer { to, overwrite: arguments.overwrite, files, written: Vec::new() };
    let left_out = match arguments.format {
        FormatArg::ClipRetrieval => embeddings(arguments, &of, per_file, &mut writer).await?,
        FormatArg::Parquet => {
            tables(arguments, &of, per_file, &mut writer).await?;
            0
        }
        _ => {
            predictions(arguments, &of, per_file, &mut writer).await?;
            0
        }
    };
    let written = writer.written.clone();
    writer
        .to
        .sweep_drafts(&["", "img_emb", "metadata"], move |name, _| written.iter().any(|own| own == name))
        .await?;
    let part = if of.complete { "" } else { " (of an output that is not finished)" };
    let without = if left_out > 0 {
        format!(", {} without an embedding left out", count(left_out))
    } else {
        String::new()
    };
    line(format!("{} rows in {} files{without}{part}", count(rows - left_out), writer.written.len()));
    let names: Vec<String> =
        writer.written.iter().map(|name| format!("{}/{name}", writer.to.uri())).collect();
    for name in names.iter().take(10) {
        line(name);
    }
    if names.len() > 10 {
        line(format!("… and {} more", names.len() - 10));
    }
    Ok(Summary::new(json!({
        "complete": of.complete,
        "rows": rows - left_out,
        "left_out": left_out,
        "to": writer.to.uri(),
        "files": names.len(),
        "first_file": names.first(),
    })))
}

/// Writes every row's best classes.
async fn predictions(
    arguments: &ExportArgs,
    of: &CommittedOutput,
    per_file: u64,
    writer: &mut Writer,
) -> Result<(), Failure> {
    let (form, ending) = match arguments.format {
        FormatArg::TimmJson => (TimmForm::Json, "json"),
        _ => (TimmForm::Csv, "csv"),
    };
    if of.frozen.model.classes == 0 {
        let what = "the model gives an embedding and no classes, so there are no predictions to write; take `--format clip-retrieval`";
        return Err(Failure::new(Exit::Config, what));
    }
    let held = of.frozen.components.get("output.top_k").and_then(serde_json::Value::as_u64);
    let held = held.unwrap_or(1).min(of.frozen.model.classes as u64);
    let k = arguments.top_k.map_or(held, u64::from);
    if k > held {
        let what = format!("--top-k {k} is more than the {held} classes that the rows hold");
        return Err(Failure::new(Exit::Usage, what));
    }
    writer.refuse_other_files(&[("", "results", ending)]).await?;
    let labels = of.frozen.model.labels.is_some();
    let columns = timm::COLUMNS.map(str::to_owned).to_vec();
    let mut cursor = Cursor::new(&of.output, &of.parts, columns, BATCH);
    for number in 0..writer.files {
        let mut file = Timm::new(form, k as usize, labels);
        while (file.rows() as u64) < per_file && cursor.fill().await? {
            let wanted = per_file - file.rows() as u64;
            cursor.take(wanted.min(BATCH as u64) as usize).map_or(Ok(()), |batch| file.push(&batch))?;
        }
        let name = match writer.files {
            1 => format!("results.{ending}"),
            _ => format!("results_{}.{ending}", writer.number(number)),
        };
        writer.write(name, file.finish()).await?;
    }
    Ok(())
}

/// Writes the embeddings, and returns the number of rows that have none.
async fn embeddings(
    arguments: &ExportArgs,
    of: &CommittedOutput,
    per_file: u64,
    writer: &mut Writer,
) -> Result<u64, Failure> {
    let schema = schema_of(&of.output, &of.parts).await?;
    let found = schema.and_then(|schema| Some((clip::width(&schema)?, schema)));
    let Some((width, schema)) = found else {
        let what = format!("the output `{}` has no embeddings to export", of.output.uri());
        return Err(Failure::new(Exit::Config, what));
    };
    let element = if arguments.float32 { Element::F32 } else { Element::F16 };
    let most = MOST_BYTES / (width.max(1) * element.bytes()) as u64;
    if per_file > most {
        let what =
            format!("--rows-per-file {per_file} is more than the {most} embeddings that a file may hold");
        return Err(Failure::new(Exit::Usage, what));
    }
    writer.refuse_other_files(&[("img_emb", "img_emb", "npy"), ("metadata", "metadata", "parquet")]).await?;
    let columns = clip::columns(&schema);
    let mut left_out = 0;
    let mut cursor = Cursor::new(&of.output, &of.parts, columns, BATCH);
    for number in 0..writer.files {
        let mut file = clip::Clip::new(element, width, !arguments.keep_length);
        let last = number + 1 == writer.files;
        // rows after the last embedding are read too: they are counted
        while ((file.rows() as u64) < per_file || last) && cursor.fill().await? {
            let wanted = (per_file - file.rows() as u64).clamp(1, BATCH as u64) as usize;
            if let Some(batch) = cursor.take(wanted) {
                left_out += file.push(&batch)? as u64;
            }
        }
        if file.rows() as u64 > per_file {
            let why = "holds more embeddings than its footers count".to_owned();
            return Err(OutputError::Inconsistent { name: of.output.uri(), why }.into());
        }
        let (matrix, table) = file.finish(&schema)?;
        let number = writer.number(number);
        writer.write(format!("img_emb/img_emb_{number}.npy"), matrix).await?;
        writer.write(format!("metadata/metadata_{number}.parquet"), table).await?;
    }
    Ok(left_out)
}

/// Writes every row with all of its columns.
async fn tables(
    arguments: &ExportArgs,
    of: &CommittedOutput,
    per_file: u64,
    writer: &mut Writer,
) -> Result<(), Failure> {
    let Some(schema) = schema_of(&of.output, &of.parts).await? else {
        return Err(Failure::new(Exit::Config, format!("the output `{}` has no rows", of.output.uri())));
    };
    writer.refuse_other_files(&[("", "rows", "parquet")]).await?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut cursor = Cursor::new(&of.output, &of.parts, columns, BATCH);
    for number in 0..writer.files {
        let mut file = Table::new(&schema, arguments.float32)?;
        while (file.rows() as u64) < per_file && cursor.fill().await? {
            let wanted = per_file - file.rows() as u64;
            cursor.take(wanted.min(BATCH as u64) as usize).map_or(Ok(()), |batch| file.push(&batch))?;
        }
        let name = match writer.files {
            1 => "rows.parquet".to_owned(),
            _ => format!("rows_{}.parquet", writer.number(number)),
        };
        writer.write(name, file.finish()?).await?;
    }
    Ok(())
}
