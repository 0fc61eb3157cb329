//! Which provider computes, and with which library of ONNX Runtime: decided once, before that is opened, because a
//! process has one.
//!
//! A provider that is requested by name is taken or refused, never replaced. `auto` may fall back to the CPU, and
//! reports why.

use std::path::{Path, PathBuf};

use super::error::EngineError;
use super::library;
use super::machine::processor;
use super::nvidia::{self, Driver, Gpu};
use super::provider::Provider;

/// What a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequest {
    /// The best that this machine has.
    Auto,
    /// This one and no other.
    Only(Provider),
}

/// What will compute.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The provider.
    pub provider: Provider,
    /// Its ONNX Runtime.
    pub library: PathBuf,
    /// The provider's devices by number; none for the CPU.
    pub devices: Vec<Gpu>,
    /// Why `auto` did not take a better one.
    pub why: Option<String>,
    /// True where this machine is made for a better one: its library is installed, or a driver is running.
    pub surprising: bool,
}

impl Choice {
    /// Names of the devices of these numbers; the processor's where the provider has no devices.
    ///
    /// # Errors
    /// [`EngineError::Options`] names a number that no device has.
    pub fn names(&self, ids: &[u32]) -> Result<Vec<String>, EngineError> {
        if self.provider == Provider::Cpu {
            return Ok(vec![processor()]);
        }
        let name = |id: &u32| {
            self.devices.get(*id as usize).map(|device| device.name.clone()).ok_or_else(|| {
                EngineError::Options(format!(
                    "`engine.device_ids` names device {id}, but this machine shows {}, counted from 0",
                    self.devices.len()
                ))
            })
        };
        ids.iter().map(name).collect()
    }
}

/// Chooses the provider by what is installed and by whether a device answers. Opens the driver, but no ONNX Runtime.
///
/// # Errors
/// [`EngineError::Runtime`] and [`EngineError::Provider`] name what is not installed, [`EngineError::NoDevice`] holds
/// why no device answers.
pub fn choose(request: DeviceRequest, typed: Option<&Path>) -> Result<Choice, EngineError> {
    let find = |provider| library::find(provider, typed);
    let mut choice = decide(request, &find, &devices)?;
    choice.surprising |= choice.why.is_some() && Path::new("/dev/nvidiactl").exists();
    Ok(choice)
}

/// What there is to compute with, whatever a job would take of it.
#[derive(Debug)]
pub struct Survey {
    /// The ONNX Runtime with the CUDA provider, or why there is none.
    pub cuda: Result<PathBuf, EngineError>,
    /// NVIDIA's libraries by name, and whether each is there; none without that ONNX Runtime.
    pub libraries: Vec<(&'static str, bool)>,
    /// NVIDIA's driver, or why it does not answer.
    pub driver: Result<Driver, String>,
}

impl Survey {
    /// Surveys the machine; `typed` is the path of `--onnxruntime`.
    pub fn of(typed: Option<&Path>) -> Survey {
        let cuda = library::find(Provider::Cuda, typed);
        let libraries = cuda.as_ref().map_or_else(|_| Vec::new(), |library| nvidia::libraries(library));
        Survey { cuda, libraries, driver: nvidia::driver() }
    }
}

/// The devices that a provider can compute on, by their numbers; none for the processor, which needs no number.
fn devices(provider: Provider, library: &Path) -> Result<Vec<Gpu>, EngineError> {
    match provider {
        Provider::Cpu => Ok(Vec::new()),
        Provider::Cuda => {
            nvidia::check(library)?;
            nvidia::devices()
        }
    }
}

type Finds<'a> = &'a dyn Fn(Provider) -> Result<PathBuf, EngineError>;
type Asks<'a> = &'a dyn Fn(Provider, &Path) -> Result<Vec<Gpu>, EngineError>;

fn decide(request: DeviceRequest, find: Finds<'_>, ask: Asks<'_>) -> Result<Choice, EngineError> {
    let take = |provider: Provider| {
        let library = find(provider)?;
        let devices = ask(provider, &library)?;
        Ok(Choice { provider, library, devices, why: None, surprising: false })
    };
    let (mut refused, mut surprising) = (Vec::new(), false);
    match request {
        DeviceRequest::Only(provider) => return take(provider),
        DeviceRequest::Auto => {
            for provider in Provider::ALL.into_iter().filter(|provider| *provider != Provider::Cpu) {
                match take(provider) {
                    Ok(choice) => return Ok(choice),
                    Err(error) => {
                        refused.push(error.to_string());
                        surprising |= find(provider).is_ok();
                    }
                }
            }
        }
    }
    Ok(Choice { why: Some(refused.join("; ")), surprising, ..take(Provider::Cpu)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(provider: Provider) -> Result<PathBuf, EngineError> {
        Ok(provider.folder().into())
    }

    fn not_installed(provider: Provider) -> Result<PathBuf, EngineError> {
        match provider {
            Provider::Cpu => found(provider),
            Provider::Cuda => Err(EngineError::Provider { provider: "cuda", why: "run `x`".into() }),
        }
    }

    fn answers(provider: Provider, _: &Path) -> Result<Vec<Gpu>, EngineError> {
        let gpu = || Gpu { name: "a card".into(), memory: 1 };
        Ok(if provider == Provider::Cuda { vec![gpu(), gpu()] } else { Vec::new() })
    }

    fn silent(provider: Provider, _: &Path) -> Result<Vec<Gpu>, EngineError> {
        match provider {
            Provider::Cpu => Ok(Vec::new()),
            Provider::Cuda => Err(EngineError::NoDevice("unplugged".into())),
        }
    }

    #[test]
    fn auto_takes_cuda_where_it_is_installed_and_a_device_answers() {
        let choice = decide(DeviceRequest::Auto, &found, &answers).unwrap();
        assert_eq!((choice.provider, choice.why), (Provider::Cuda, None));
        assert_eq!(choice.library, Path::new(".runtime/cuda"));
    }

    #[test]
    fn auto_comes_down_to_the_cpu_and_says_why() {
        for (find, ask, why, surprising) in [
            (&not_installed as Finds<'_>, &answers as Asks<'_>, "run `x`", false),
            (&found, &silent, "unplugged", true),
        ] {
            let choice = decide(DeviceRequest::Auto, find, ask).unwrap();
            assert_eq!(
                (choice.provider, choice.library.as_path()),
                (Provider::Cpu, Path::new(".runtime/cpu"))
            );
            assert!(choice.why.as_ref().unwrap().contains(why), "{choice:?}");
            assert_eq!(choice.surprising, surprising);
        }
    }

    #[test]
    fn what_is_asked_for_by_name_is_never_replaced() {
        let refused = decide(DeviceRequest::Only(Provider::Cuda), &not_installed, &answers).unwrap_err();
        assert!(matches!(refused, EngineError::Provider { .. }), "{refused}");
        let refused = decide(DeviceRequest::Only(Provider::Cuda), &found, &silent).unwrap_err();
        assert!(matches!(refused, EngineError::NoDevice(_)), "{refused}");
        let choice = decide(DeviceRequest::Only(Provider::Cpu), &found, &answers).unwrap();
        assert_eq!((choice.provider, choice.why), (Provider::Cpu, None));
    }

    #[test]
    fn a_number_that_no_device_has_is_named() {
        let choice = decide(DeviceRequest::Auto, &found, &answers).unwrap();
        assert_eq!(choice.names(&[1, 0]).unwrap().len(), 2);
        let error = choice.names(&[0, 2]).unwrap_err().to_string();
        assert!(error.contains("device 2") && error.contains("shows 2"), "{error}");
    }
}
