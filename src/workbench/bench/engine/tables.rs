//! The tables: which subjects are compared.

use std::path::PathBuf;

use crate::engine::{ConvSearch, CudaOptions, OrtOptions, Provider};
use crate::failure::{Exit, Failure};
use crate::job::LoadedModel;
use crate::model::{Architecture, BlockKind, Checkpoint, Design, Form, Mean, Precision, StemDesign};

use crate::runner::session::form_for;

use super::forms::named_forms;
use super::measured::Measured;
use super::options::Table;
use super::rounds::Bench;
use super::subject::{SEED, Subject, Weights};

/// Images a second on one V100, mixed precision, 224 pixels (table 4-1 of the paper, as the authors publish it).
const PAPER: [(&str, f64); 3] = [("tresnet_m", 2930.0), ("tresnet_l", 1390.0), ("tresnet_xl", 1060.0)];
const CLASSES: usize = 1000;

impl Bench<'_> {
    pub(super) fn table(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        match self.options.table {
            Table::Models if self.options.models.is_empty() => self.networks(tell),
            Table::Models => self.models(tell),
            Table::Basic => self.basic(tell),
            Table::Forms => self.forms(tell),
            Table::Ablation => self.ablation(tell),
            Table::Optimisations => self.optimisations(tell),
        }
    }

    fn precision(&self) -> Precision {
        self.options.precision.unwrap_or(match self.provider {
            Provider::Cpu => Precision::Fp32,
            Provider::Cuda => Precision::Fp16,
        })
    }

    fn sizes(&self) -> Vec<u32> {
        if self.options.image_sizes.is_empty() { vec![224] } else { self.options.image_sizes.clone() }
    }

    fn batches(&self) -> &[usize] {
        match (self.options.batch_sizes.as_slice(), self.provider) {
            ([], Provider::Cpu) => &[32],
            ([], Provider::Cuda) => &[128],
            (typed, _) => typed,
        }
    }

    fn subject<'a>(
        &self,
        name: String,
        weights: Weights<'a>,
        image_size: u32,
        batch_size: usize,
    ) -> Subject<'a> {
        Subject {
            name,
            weights,
            precision: self.precision(),
            image_size,
            batch_size,
            form: form_for(self.provider),
            cpu: self.options.cpu,
            cuda: self.options.cuda.clone(),
            paper: None,
            note: None,
        }
    }

    /// Models from files; the first is the control of those that have its image and batch size.
    fn models(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        let read = |path: &PathBuf| Ok((path.display().to_string(), LoadedModel::read(path, None)?));
        let models: Vec<(String, LoadedModel)> =
            self.options.models.iter().map(read).collect::<Result<_, Failure>>()?;
        let own = |model: &LoadedModel| model.preprocessing.image_size.unwrap_or(224);
        let sizes = match (&self.options.image_sizes, models.first()) {
            (sizes, Some((_, model))) if sizes.is_empty() => vec![own(model)],
            (sizes, _) => sizes.clone(),
        };
        let mut rows = Vec::new();
        for size in sizes {
            for batch_size in self.batches() {
                let subjects: Vec<Subject<'_>> = models
                    .iter()
                    .map(|(name, model)| {
                        let subject = self.subject(name.clone(), Weights::Model(model), size, *batch_size);
                        let precision = model.fixed_precision().unwrap_or(subject.precision);
                        Subject { precision, ..subject }
                    })
                    .collect();
                rows.extend(self.against_the_first(&subjects, tell)?);
            }
        }
        Ok(rows)
    }

    /// Random weights of the networks that were named.
    fn networks(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        let mut rows = Vec::new();
        for name in &self.options.archs {
            let (checkpoint, architecture) = random(name)?;
            let design = Design::TRESNET;
            let weights = Weights::Random { checkpoint: &checkpoint, architecture, design };
            let subjects: Vec<Subject<'_>> = self
                .sizes()
                .into_iter()
                .flat_map(|size| self.batches().iter().map(move |batch| (size, *batch)))
                .map(|(size, batch)| self.subject(name.clone(), weights.clone(), size, batch))
                .collect();
            rows.extend(self.one_by_one(&subjects, tell)?);
        }
        Ok(rows)
    }

    fn basic(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        let sizes = if self.options.image_sizes.is_empty() {
            vec![224, 448]
        } else {
            self.options.image_sizes.clone()
        };
        let mut rows = Vec::new();
        for (name, paper) in PAPER {
            let (checkpoint, architecture) = random(name)?;
            let design = Design::TRESNET;
            let weights = Weights::Random { checkpoint: &checkpoint, architecture, design };
            for size in &sizes {
                for batch in self.batches() {
                    let subject = self.subject(name.into(), weights.clone(), *size, *batch);
                    let subject = Subject { paper: (*size == 224).then_some(paper), ..subject };
                    rows.extend(self.one_by_one(&[subject], tell)?);
                }
            }
        }
        Ok(rows)
    }

    /// Runs one table of variants a network, image size and batch size.
    fn variants(
        &self,
        tell: &mut dyn FnMut(&str),
        vary: &dyn Fn(&Subject<'_>) -> Vec<Variant>,
    ) -> Result<Vec<Measured>, Failure> {
        let read = |path: &PathBuf| LoadedModel::read(path, None);
        let against = self.options.against.as_ref().map(read).transpose()?;
        let mut rows = Vec::new();
        for name in &self.options.archs {
            let (checkpoint, architecture) = random(name)?;
            let design = Design::TRESNET;
            let weights = Weights::Random { checkpoint: &checkpoint, architecture, design };
            for size in self.sizes() {
                for batch in self.batches() {
                    let control = self.subject(name.clone(), weights.clone(), size, *batch);
                    let variants = vary(&control).into_iter().map(|variant| variant.of(&control));
                    let mut subjects: Vec<Subject<'_>> = variants.collect();
                    if let (Some(model), Some(path)) = (&against, &self.options.against) {
                        let name = path.display().to_string();
                        let precision = model.fixed_precision().unwrap_or(control.precision);
                        let other = self.subject(name, Weights::Model(model), size, *batch);
                        subjects.insert(0, Subject { precision, ..other });
                    }
                    rows.extend(self.against_the_first(&subjects, tell)?);
                }
            }
        }
        Ok(rows)
    }

    fn forms(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        let variants: Vec<Variant> = named_forms(form_for(self.provider))
            .into_iter()
            .map(|(name, form)| Variant { form: Some(form), ..Variant::named(name) })
            .collect();
        self.variants(tell, &|_| variants.clone())
    }

    fn optimisations(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        match self.provider {
            Provider::Cpu => self.variants(tell, &|control| {
                let plain = control.cpu;
                let cpu = |name, cpu| Variant { cpu: Some(cpu), ..Variant::named(name) };
                vec![
                    Variant::named("as a run does"),
                    cpu("without the arena", OrtOptions { arena: false, ..plain }),
                    cpu("without the memory pattern", OrtOptions { memory_pattern: false, ..plain }),
                    cpu("by I/O binding, which copies the input", OrtOptions { io_binding: true, ..plain }),
                    cpu("threads spin", OrtOptions { spinning: !plain.spinning, ..plain }),
                    cpu("one thread", OrtOptions { threads: 1, ..plain }),
                    Variant {
                        precision: Some(Precision::Fp16),
                        note: Some("a CPU computes halves in single precision"),
                        ..Variant::named("fp16")
                    },
                ]
            }),
            Provider::Cuda => self.variants(tell, &|control| {
                let plain = &control.cuda;
                let cuda = |name, cuda| Variant { cuda: Some(cuda), ..Variant::named(name) };
                let search = ConvSearch::Heuristic;
                vec![
                    Variant::named("as a run does"),
                    cuda("slots in pageable memory", CudaOptions { pinned: false, ..plain.clone() }),
                    cuda("one batch in flight", CudaOptions { lanes: 1, ..plain.clone() }),
                    cuda(
                        "copies on the compute stream",
                        CudaOptions { copy_streams: false, ..plain.clone() },
                    ),
                    cuda("without a captured graph", CudaOptions { cuda_graph: false, ..plain.clone() }),
                    cuda(
                        "without the memory pattern",
                        CudaOptions { memory_pattern: false, ..plain.clone() },
                    ),
                    cuda(
                        "planar maps",
                        CudaOptions { prefer_nhwc: false, fuse_conv_bias: false, ..plain.clone() },
                    ),
                    cuda(
                        "heuristic convolution search",
                        CudaOptions { conv_search: search, ..plain.clone() },
                    ),
                    cuda(
                        if plain.fuse_conv_bias {
                            "bias apart from convolutions"
                        } else {
                            "bias inside convolutions"
                        },
                        CudaOptions { fuse_conv_bias: !plain.fuse_conv_bias, ..plain.clone() },
                    ),
                    Variant {
                        precision: Some(Precision::Fp32),
                        note: Some("multiplies in TF32"),
                        ..Variant::named("fp32")
                    },
                    Variant {
                        precision: Some(Precision::Fp32),
                        ..cuda(
                            "fp32 without TF32",
                            CudaOptions { tf32: false, conv_search: ConvSearch::Default, ..plain.clone() },
                        )
                    },
                ]
            }),
        }
    }

    fn ablation(&self, tell: &mut dyn FnMut(&str)) -> Result<Vec<Measured>, Failure> {
        let mut rows = Vec::new();
        for arch in &self.options.archs {
            let whole = named(arch)?;
            let networks = ablated(arch, &whole)?;
            for size in self.sizes() {
                for batch in self.batches() {
                    let mut subjects = Vec::new();
                    for network in &networks {
                        let Ablated { checkpoint, architecture, design, .. } = network;
                        let (architecture, design) = (architecture.clone(), *design);
                        let weights = Weights::Random { checkpoint, architecture, design };
                        let mut subject = self.subject(network.name.clone(), weights, size, *batch);
                        subject.note = network.note;
                        subject.cpu.fold_batch_norm = design.folded;
                        subjects.push(subject);
                    }
                    let control = subjects[0].clone();
                    let means = [
                        ("mean by GlobalAveragePool", Mean::GlobalPool),
                        ("mean by ReduceMean", Mean::Reduce),
                        ("mean by a windowed AveragePool", Mean::Window),
                    ];
                    subjects.extend(means.into_iter().filter(|(_, mean)| *mean != control.form.mean).map(
                        |(name, mean)| {
                            let form = Form { mean, ..control.form };
                            Variant { form: Some(form), ..Variant::named(name) }.of(&control)
                        },
                    ));
                    rows.extend(self.against_the_first(&subjects, tell)?);
                }
            }
        }
        Ok(rows)
    }
}

/// What a variant has otherwise than its control.
#[derive(Clone)]
struct Variant {
    name: &'static str,
    form: Option<Form>,
    cpu: Option<OrtOptions>,
    cuda: Option<CudaOptions>,
    precision: Option<Precision>,
    note: Option<&'static str>,
}

impl Variant {
    fn named(name: &'static str) -> Variant {
        Variant { name, form: None, cpu: None, cuda: None, precision: None, note: None }
    }

    fn of<'a>(self, control: &Subject<'a>) -> Subject<'a> {
        let control = control.clone();
        Subject {
            name: format!("{}: {}", control.name.split(": ").next().unwrap_or_default(), self.name),
            form: self.form.unwrap_or(control.form),
            cpu: self.cpu.unwrap_or(control.cpu),
            cuda: self.cuda.unwrap_or(control.cuda),
            precision: self.precision.unwrap_or(control.precision),
            note: self.note,
            ..control
        }
    }
}

/// A network without one of its refinements.
struct Ablated {
    name: String,
    checkpoint: Checkpoint,
    architecture: Architecture,
    design: Design,
    note: Option<&'static str>,
}

fn ablated(arch: &str, whole: &Architecture) -> Result<Vec<Ablated>, Failure> {
    let kinds = |kinds: [BlockKind; 4]| {
        let mut architecture = whole.clone();
        for (stage, kind) in architecture.stages.iter_mut().zip(kinds) {
            stage.kind = kind;
        }
        architecture
    };
    let mut without_se = whole.clone();
    without_se.stages.iter_mut().for_each(|stage| stage.squeeze_excite = false);
    let ours = Design::TRESNET;
    let old_stem = Design { stem: StemDesign::Convolution7, ..ours };
    let norm = "ONNX Runtime's own folding is switched off, too, on a CPU";
    let (basic, bottleneck) = (BlockKind::Basic, BlockKind::Bottleneck);
    let list = [
        ("whole", whole.clone(), ours, None),
        ("stem of a 7×7 convolution and a pool", whole.clone(), old_stem, None),
        ("without blur", whole.clone(), Design { antialias: false, ..ours }, None),
        ("without squeeze-and-excitation", without_se, ours, None),
        ("Bottlenecks in all stages", kinds([bottleneck; 4]), ours, None),
        ("BasicBlocks in all stages", kinds([basic; 4]), ours, None),
        ("batch norm not folded", whole.clone(), Design { folded: false, ..ours }, Some(norm)),
    ];
    let make = |(name, architecture, design, note): (&str, Architecture, Design, Option<&'static str>)| {
        let checkpoint = Checkpoint::random(&architecture, design.stem, SEED)?;
        Ok(Ablated { name: format!("{arch}: {name}"), checkpoint, architecture, design, note })
    };
    list.into_iter().map(make).collect()
}

fn named(name: &str) -> Result<Architecture, Failure> {
    Architecture::described(name, CLASSES)
        .ok_or_else(|| Failure::new(Exit::Usage, format!("`{name}` is no network that is known")))
}

fn random(name: &str) -> Result<(Checkpoint, Architecture), Failure> {
    let architecture = named(name)?;
    Ok((Checkpoint::random(&architecture, StemDesign::SpaceToDepth, SEED)?, architecture))
}
