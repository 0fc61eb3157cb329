//! The examples that the help of each command ends with. A test parses every one of them.

pub(super) const INIT: &str = "Examples:
  tresnet-batch init my/pictures --model models/tresnet_m/model.safetensors
  tresnet-batch init s3://bucket/photos/ --model tresnet_m.pth -o photos.toml
  tresnet-batch init 's3://bucket/train-{000..150}.tar' --model model.onnx --output rows
  tresnet-batch init list.csv --images /data/photos --model tresnet_m.pth
  tresnet-batch init my/pictures --model hf://timm/tresnet_m.miil_in21k_ft_in1k

Nothing is written but the job file. Credentials come from the environment (`tresnet-batch help environment`).";

pub(super) const DEMO: &str = "Examples:
  tresnet-batch demo
  tresnet-batch demo my/demo

Nothing is fetched: the wheel, the archive and the Debian package bring a small model and pictures for it.";

pub(super) const RUN: &str = "Examples:
  tresnet-batch run job.toml
  tresnet-batch run my/pictures --model models/demo
  tresnet-batch run job.toml --limit 1000 --set output.uri=trial
  tresnet-batch run job.toml --worker 0/4
  tresnet-batch run job.toml --parts 0-99 --already-done-exit 99
  tresnet-batch run job.toml --parts - --progress none
  tresnet-batch run job.toml --metrics /var/lib/node_exporter/tresnet.prom --log-format json

The same command resumes a job that was stopped. With `--parts -`, `0-99` on standard input is a range, and closing it
ends the process. `tresnet-batch help exit-codes` has what each exit code means.";

pub(super) const PLAN: &str = "Examples:
  tresnet-batch plan job.toml
  tresnet-batch plan job.toml --rows 100 --set input.limit=5000
  tresnet-batch plan job.toml --write";

pub(super) const REPORT: &str = "Examples:
  tresnet-batch report job.toml
  tresnet-batch report s3://results/photos/ --html report.html
  tresnet-batch report job.toml --require 'top1 >= 80.5' --require 'error_fraction <= 0.001'
  tresnet-batch report out --targets labels.csv --by format

`tresnet-batch help gates` lists what --require can name.";

pub(super) const INDEX: &str = "Examples:
  tresnet-batch index results/2026-11-28 results/2026-11-29 --html index.html
  tresnet-batch index s3://results/monday s3://results/tuesday --json-file index.json

It reads what finished outputs record of themselves, and no rows.";

pub(super) const COMPARE: &str = "Examples:
  tresnet-batch compare out-fp32 out-int8
  tresnet-batch compare old.toml new.toml --require 'top1_drop_high <= 0.2'
  tresnet-batch compare out-a out-b --flips flips.csv --html compare.html

`tresnet-batch help gates` lists what --require can name.";

pub(super) const AUDIT: &str = "Examples:
  tresnet-batch audit job.toml
  tresnet-batch audit out --parquet findings.parquet --html audit.html
  tresnet-batch audit out --attach
  tresnet-batch audit out --in-sample --require 'label_noise_high <= 2'
  tresnet-batch audit out-val --against out-train --scratch scratch --require 'leaked == 0'

`tresnet-batch help gates` lists what --require can name.";

pub(super) const EXPORT: &str = "Examples:
  tresnet-batch export job.toml --format timm-csv --to exported
  tresnet-batch export out --format clip-retrieval --to s3://bucket/embeddings/ --float32
  tresnet-batch export out --format parquet --float32 --to for-spark
  tresnet-batch export out --format label-studio --findings findings.parquet --to review
  tresnet-batch export out --format fiftyone --findings findings.parquet --most 200 --to review";

pub(super) const VERIFY: &str = "Examples:
  tresnet-batch verify job.toml
  tresnet-batch verify s3://results/photos/
  tresnet-batch verify job.toml --partial
  tresnet-batch verify job.toml --repair";

pub(super) const STATUS: &str = "Examples:
  tresnet-batch status job.toml
  tresnet-batch status s3://results/photos/
  tresnet-batch status job.toml --watch";

pub(super) const BENCH: &str = "Examples:
  tresnet-batch bench job job.toml
  tresnet-batch bench engine model.safetensors";

pub(super) const BENCH_JOB: &str = "Examples:
  tresnet-batch bench job job.toml
  tresnet-batch bench job job.toml --images 4096 --seconds 60 --set engine.batch_size=64";

pub(super) const BENCH_ENGINE: &str = "Examples:
  tresnet-batch bench engine model.safetensors model-int8.onnx
  tresnet-batch bench engine --arch tresnet_l --batch-size 32,64,128
  tresnet-batch bench engine --table basic";

pub(super) const MODEL: &str = "Examples:
  tresnet-batch model pull hf://timm/tresnet_m.miil_in21k_ft_in1k
  tresnet-batch model inspect model.safetensors
  tresnet-batch model import model.safetensors -o model.onnx
  tresnet-batch model quantize model.safetensors --calibrate job.toml -o model-int8.onnx";

pub(super) const MODEL_PULL: &str = "Examples:
  tresnet-batch model pull hf://timm/tresnet_m.miil_in21k_ft_in1k
  tresnet-batch model pull hf://timm/tresnet_m.miil_in21k_ft_in1k@main/model.safetensors

The cache is that of huggingface_hub. HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are read
(`tresnet-batch help environment`).";

pub(super) const MODEL_IMPORT: &str = "Examples:
  tresnet-batch model import model.safetensors -o model.onnx
  tresnet-batch model import model_best.pth.tar -o model.onnx --weights raw
  tresnet-batch model import tresnet_l.pth -o model.onnx --precision fp16 --calibrate my/pictures";

pub(super) const MODEL_NEW: &str = "Examples:
  tresnet-batch model new --arch tresnet_m -o random.safetensors
  tresnet-batch model new --arch 'tresnet[1,1,1,1]x16' -o small.safetensors --classes 10";

pub(super) const MODEL_QUANTIZE: &str = "Examples:
  tresnet-batch model quantize model.safetensors --calibrate job.toml -o model-int8.onnx
  tresnet-batch model quantize model.onnx --calibrate my/pictures --checks 5000 -o model-int8.onnx";

pub(super) const MODEL_INSPECT: &str = "Examples:
  tresnet-batch model inspect model.safetensors
  tresnet-batch model inspect models/demo";

pub(super) const DOCTOR: &str = "Examples:
  tresnet-batch doctor
  tresnet-batch doctor job.toml
  tresnet-batch doctor job.toml --set engine.device=cuda
  tresnet-batch doctor decode broken.jpg my/pictures";

pub(super) const DOCTOR_DECODE: &str = "Examples:
  tresnet-batch doctor decode broken.jpg
  tresnet-batch doctor decode my/pictures --job job.toml --isolate";

pub(super) const COMPLETIONS: &str = "Examples:
  tresnet-batch completions bash > ~/.local/share/bash-completion/completions/tresnet-batch
  tresnet-batch completions zsh > ~/.zfunc/_tresnet-batch
  tresnet-batch completions fish > ~/.config/fish/completions/tresnet-batch.fish

For zsh, `~/.zfunc` must be in `fpath` before `compinit` is called.";

pub(super) const SCHEMA: &str = "Examples:
  tresnet-batch schema > job.schema.json

Editors read it through the line `#:schema ./job.schema.json` at the top of a job file (Taplo, Even Better TOML).";

pub(super) const HELP: &str = "Examples:
  tresnet-batch help run
  tresnet-batch help bench engine
  tresnet-batch help gates

Topics: gates, exit-codes, environment.";

/// What the help of the program itself ends with.
pub(super) const PROGRAM: &str = "Examples:
  tresnet-batch init my/pictures --model model.safetensors
  tresnet-batch doctor job.toml
  tresnet-batch run job.toml
  tresnet-batch report job.toml

Topics:
  tresnet-batch help gates          what a gate is, and every metric that it can name
  tresnet-batch help exit-codes     what each exit code means, and what a scheduler should do
  tresnet-batch help environment    the environment variables that are read";
