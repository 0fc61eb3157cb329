//! Which provider a job runs on, and what is wrong with that.

use std::path::Path;

use crate::engine::{Choice, DeviceRequest, EngineError, Provider, choose};
use crate::job::{JobError, JobSpec, LoadedModel};
use crate::model::Precision;

/// The provider that decides a job's defaults: the one asked for by name, whether this machine has it or not, or the
/// one that was found.
pub(crate) fn for_defaults(request: DeviceRequest, choice: &Result<Choice, EngineError>) -> Provider {
    match (request, choice) {
        (DeviceRequest::Only(provider), _) => provider,
        (DeviceRequest::Auto, Ok(choice)) => choice.provider,
        (DeviceRequest::Auto, Err(_)) => Provider::Cpu,
    }
}

/// Detects what will compute a model on this machine.
pub(crate) fn choice_for(
    spec: &JobSpec,
    model: &LoadedModel,
    onnxruntime: Option<&Path>,
) -> Result<Result<Choice, EngineError>, JobError> {
    let request = spec.device();
    let on_cpu = || choose(DeviceRequest::Only(Provider::Cpu), onnxruntime);
    fit(choose(request, onnxruntime), request, model.fixed_precision(), on_cpu)
}

/// Checks the choice against the model's arithmetic: int8 graphs are made for processors. `auto` chooses the processor
/// for one.
fn fit(
    choice: Result<Choice, EngineError>,
    request: DeviceRequest,
    fixed: Option<Precision>,
    on_cpu: impl FnOnce() -> Result<Choice, EngineError>,
) -> Result<Result<Choice, EngineError>, JobError> {
    const WHY: &str = "the model is int8, which is made for processors";
    match (request, choice) {
        (_, choice) if fixed != Some(Precision::Int8) => Ok(choice),
        (DeviceRequest::Only(provider), _) if provider != Provider::Cpu => Err(JobError::Mismatch(format!(
            "{WHY}, but `engine.device` is \"{}\"; set it to \"cpu\", or let `model.path` name the weights",
            provider.as_str()
        ))),
        (DeviceRequest::Auto, Ok(choice)) if choice.provider != Provider::Cpu => {
            Ok(on_cpu().map(|choice| Choice { why: Some(WHY.to_owned()), surprising: true, ..choice }))
        }
        (_, choice) => Ok(choice),
    }
}

/// Returns what is wrong with a model of this arithmetic on this machine's processor.
pub(crate) fn doubt(provider: Provider, precision: Precision, has_int8_dot: bool) -> Option<&'static str> {
    (provider == Provider::Cpu && precision == Precision::Int8 && !has_int8_dot).then_some(
        "this processor cannot add products of bytes in 32 bits (it has no VNNI): sums are cut off at 16 bits, so the \
         int8 model gives other rows here than where it has that, and is slow; take the weights in fp32",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(provider: Provider) -> Result<Choice, EngineError> {
        let library = "libonnxruntime.so".into();
        Ok(Choice { provider, library, devices: Vec::new(), why: None, surprising: false })
    }

    #[test]
    fn an_int8_model_stays_on_the_processor() {
        let (cuda, int8) = (DeviceRequest::Only(Provider::Cuda), Some(Precision::Int8));
        let refused = fit(on(Provider::Cuda), cuda, int8, || on(Provider::Cpu)).unwrap_err().to_string();
        assert!(refused.contains("int8") && refused.contains("`engine.device` is \"cuda\""), "{refused}");
        let taken =
            fit(on(Provider::Cuda), DeviceRequest::Auto, int8, || on(Provider::Cpu)).unwrap().unwrap();
        assert_eq!(taken.provider, Provider::Cpu);
        assert!(taken.why.unwrap().contains("int8"));
        for (request, precision) in [(cuda, Some(Precision::Fp16)), (DeviceRequest::Auto, None)] {
            let taken = fit(on(Provider::Cuda), request, precision, || on(Provider::Cpu)).unwrap().unwrap();
            assert_eq!((taken.provider, taken.why), (Provider::Cuda, None));
        }
    }

    #[test]
    fn int8_on_a_processor_that_cuts_sums_off_is_doubted() {
        assert!(doubt(Provider::Cpu, Precision::Int8, false).unwrap().contains("VNNI"));
        for (provider, precision, dot) in [
            (Provider::Cpu, Precision::Int8, true),
            (Provider::Cpu, Precision::Fp32, false),
            (Provider::Cuda, Precision::Int8, false),
        ] {
            assert_eq!(doubt(provider, precision, dot), None);
        }
    }
}
