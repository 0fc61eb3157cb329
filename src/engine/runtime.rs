//! The loaded ONNX Runtime: one shared library a process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::ep::ExecutionProvider;

use super::choice::Choice;
use super::error::{EngineError, OLDEST_MINOR, RuntimeError};
use super::library::{find, fix, version_of};
use super::nvidia;
use super::provider::Provider;

/// The one library of the process: `ort` keeps its own for ever, and an environment cannot be made twice.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// A loaded ONNX Runtime. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(super) environment: ort::environment::Environment,
    path: PathBuf,
    version: String,
}

impl Runtime {
    /// Finds a library that computes on the CPU, and loads it. `typed` is the path of `--onnxruntime`; then come the
    /// variable `ORT_DYLIB_PATH`, the executable's folder, a `.runtime/cpu` in it or in a folder above it, the system.
    ///
    /// # Errors
    /// [`EngineError::Runtime`] if there is no library, or none at the path that is given. Also if the library does
    /// not load, is too old, or another one is loaded already.
    pub fn load(typed: Option<&Path>) -> Result<Runtime, EngineError> {
        Ok(Runtime::open(find(Provider::Cpu, typed)?)?)
    }

    /// Loads the library that was chosen, and before it what its provider needs.
    ///
    /// # Errors
    /// [`EngineError::Provider`] where the library is built without the provider.
    pub fn for_choice(choice: &Choice) -> Result<Runtime, EngineError> {
        let provider = choice.provider;
        prepare(provider, &choice.library)?;
        let runtime = Runtime::open(choice.library.clone())?;
        if runtime.providers().contains(&provider.as_str()) {
            return Ok(runtime);
        }
        Err(EngineError::Provider {
            provider: provider.as_str(),
            why: format!("`{}` is built without it; {}", runtime.path.display(), fix(provider)),
        })
    }

    fn open(path: PathBuf) -> Result<Runtime, RuntimeError> {
        let unusable = |why: String| RuntimeError::Unusable { path: path.display().to_string(), why };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            if runtime.path == path {
                return Ok(runtime.clone());
            }
            return Err(unusable(format!("`{}` is loaded already", runtime.path.display())));
        }
        let version = version_of(&path).map_err(unusable)?;
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap_or(0);
        if minor < OLDEST_MINOR {
            return Err(RuntimeError::TooOld { path: path.display().to_string(), version });
        }
        let environment = ort::environment::init_from(&path)
            .map_err(|error| unusable(error.to_string()))?
            .with_name("tresnet-batch")
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        environment.set_log_level(ort::logging::LogLevel::Error);
        let runtime = Runtime { environment, path, version };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The library's environment, for a session that no engine here makes.
    pub fn environment(&self) -> &ort::environment::Environment {
        &self.environment
    }

    /// The library's version, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Names of the execution providers that this build of the library carries.
    pub fn providers(&self) -> Vec<&'static str> {
        let known = [
            ("cuda", ort::ep::CUDA::is_available().unwrap_or(false)),
            ("cpu", ort::ep::CPU::is_available().unwrap_or(false)),
        ];
        known.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
    }
}

/// Brings into the process what a provider needs beside ONNX Runtime.
fn prepare(provider: Provider, library: &Path) -> Result<(), EngineError> {
    match provider {
        Provider::Cpu => Ok(()),
        Provider::Cuda => nvidia::preload(library),
    }
}

/// Ends the process without running the destructors of loaded libraries: ONNX Runtime's, under a batch that
/// is still being computed, would complain or crash.
pub fn exit_at_once(code: u8) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_is_told_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so");
        std::fs::write(&file, b"not a library").unwrap();
        let Err(error) = Runtime::load(Some(&file)) else { panic!("a text file was loaded") };
        assert!(error.to_string().contains("make setup"), "{error}");
    }
}
