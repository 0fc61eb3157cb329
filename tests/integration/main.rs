//! All integration tests, one module a subject. They use a real ONNX Runtime, a real S3 store, real processes with
//! real signals, and independent readers of the output.

// clippy's allowances for tests do not cover the functions that tests share
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod architecture;
mod audit;
mod audit_review;
mod aws_sources;
mod azurite;
mod bad_checkpoints;
mod bench_engine;
mod bench_job;
mod book;
mod checkpoints;
mod cli_help;
mod compare;
mod crop_modes;
mod cuda_path;
mod datasets;
mod doctor;
mod doctor_job;
mod engines;
mod export;
mod fault_matrix;
mod first_steps;
mod forms;
mod gcs;
mod gpu_check;
mod graphs;
mod hostile;
mod hub;
mod image;
mod init;
mod installed;
mod jobs;
mod kernels;
mod manifests;
mod model;
mod monitoring;
mod on_their_way;
mod one_line;
mod open_files;
mod own_operators;
mod parts_ahead;
mod providers;
mod quantize;
mod ray;
mod reading;
mod report;
mod report_figures;
mod report_html;
mod report_index;
mod run;
mod s3;
mod scale;
mod scheduling;
mod scripted_s3;
mod standard_output;
mod status;
mod stores;
mod support;
mod terminal;
mod truths;
mod two_halves;
mod verify;
