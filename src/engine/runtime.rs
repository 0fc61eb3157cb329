//! Finding and loading ONNX Runtime: one shared library a process, never from the current directory.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::ep::ExecutionProvider;

use super::{Choice, EngineError, Provider};

/// The oldest ONNX Runtime whose interface is spoken here (the `ort` feature `api-24`).
const OLDEST_MINOR: u32 = 24;
const FIX: &str = "run `make setup` in the project, or give the library by `--onnxruntime PATH`";
/// Folders of the system that are looked into, in this order.
const SYSTEM_FOLDERS: [&str; 5] =
    ["/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nowhere.
    #[error("no ONNX Runtime library was found; {FIX} (looked at: {})", looked.join(", "))]
    Missing {
        /// Places that were looked at.
        looked: Vec<String>,
    },
    /// The one that was asked for is not there.
    #[error("`{path}`, given by {by}, is not there; {FIX}")]
    NotThere {
        /// What was typed.
        path: String,
        /// Where it was typed.
        by: &'static str,
    },
    /// It does not load.
    #[error("`{path}` is no usable ONNX Runtime: {why}; {FIX}")]
    Unusable {
        /// The library.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// It is too old.
    #[error("`{path}` is ONNX Runtime {version}, but at least 1.{OLDEST_MINOR} is needed; {FIX}")]
    TooOld {
        /// The library.
        path: String,
        /// Its version.
        version: String,
    },
}

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
    /// Finds a library that computes on the CPU, and loads it. `typed` is what `--onnxruntime` says; then come the
    /// variable `ORT_DYLIB_PATH`, the executable's folder, a `.runtime/cpu` in it or in a folder above it, the system.
    pub fn load(typed: Option<&Path>) -> Result<Runtime, EngineError> {
        Ok(Runtime::open(find(Provider::Cpu, typed)?)?)
    }

    /// Loads the library that was chosen, and before it what its provider needs.
    ///
    /// # Errors
    /// [`EngineError::Provider`] where the library is built without the provider.
    pub fn for_choice(choice: &Choice) -> Result<Runtime, EngineError> {
        let provider = choice.provider;
        provider.prepare(&choice.library)?;
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

/// Ends the process without running the destructors of loaded libraries: ONNX Runtime's, under a batch that
/// is still being computed, would complain or crash.
pub fn exit_at_once(code: u8) -> ! {
    // SAFETY: ends the process; nothing runs behind it.
    unsafe { libc::_exit(code.into()) }
}

/// What to do where a provider is not there.
fn fix(provider: Provider) -> String {
    format!(
        "run `{}` in the project, or give a library that has it by `--onnxruntime PATH`",
        provider.setup()
    )
}

/// The library for a provider, without opening any.
///
/// # Errors
/// [`EngineError::Provider`] where libraries may be there, but none that carries the provider.
pub(super) fn find(provider: Provider, typed: Option<&Path>) -> Result<PathBuf, EngineError> {
    let from_environment =
        std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()).map(PathBuf::from);
    let given =
        [(typed.map(Path::to_owned), "`--onnxruntime`"), (from_environment, "the variable ORT_DYLIB_PATH")];
    for (path, by) in given {
        let Some(path) = path else { continue };
        let not_there = || RuntimeError::NotThere { path: path.display().to_string(), by };
        let found = if path.is_dir() { in_folder(&path) } else { path.exists().then(|| path.clone()) };
        let found = std::path::absolute(found.ok_or_else(not_there)?).map_err(|_| not_there())?;
        return match provider.file() {
            Some(file) if !is_beside(&found, file) => Err(EngineError::Provider {
                provider: provider.as_str(),
                why: format!(
                    "`{}`, given by {by}, has no `{file}` beside it; {}",
                    found.display(),
                    fix(provider)
                ),
            }),
            _ => Ok(found),
        };
    }
    let mut looked = Vec::new();
    for folder in folders(provider) {
        match in_folder(&folder) {
            Some(library) if provider.file().is_none_or(|file| is_beside(&library, file)) => {
                return Ok(library);
            }
            _ => looked.push(folder.display().to_string()),
        }
    }
    Err(match provider {
        Provider::Cpu => RuntimeError::Missing { looked }.into(),
        Provider::Cuda => EngineError::Provider {
            provider: provider.as_str(),
            why: format!("no ONNX Runtime with it is installed; {}", fix(provider)),
        },
    })
}

/// Where a library is looked for, nearest first.
fn folders(provider: Provider) -> Vec<PathBuf> {
    let executable = std::env::current_exe().ok();
    let (mut folders, mut others) = (Vec::new(), Vec::new());
    for (depth, folder) in executable.iter().flat_map(|exe| exe.ancestors().skip(1)).enumerate() {
        // where anybody may write (a program below /tmp), anybody could lay a library
        if anybody_may_write(folder) {
            continue;
        }
        if depth == 0 {
            folders.push(folder.to_owned());
        }
        folders.push(folder.join(provider.folder()));
        // every build computes on the CPU
        if provider == Provider::Cpu {
            others.push(folder.join(Provider::Cuda.folder()));
        }
    }
    folders.extend(SYSTEM_FOLDERS.map(PathBuf::from));
    folders.extend(others);
    folders
}

/// True where a file lies beside a library, or beside the file that the library is a link to.
fn is_beside(library: &Path, file: &str) -> bool {
    let real = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    [library.parent(), real.parent()].into_iter().flatten().any(|folder| folder.join(file).exists())
}

fn anybody_may_write(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

/// `libonnxruntime.so`, or the one with the highest version behind its name.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join("libonnxruntime.so");
    if plain.exists() {
        return Some(plain);
    }
    let versioned = std::fs::read_dir(folder).ok()?.filter_map(|item| {
        let name = item.ok()?.file_name().into_string().ok()?;
        let version = name.strip_prefix("libonnxruntime.so.")?;
        let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
        Some((numbers?, name))
    });
    versioned.max().map(|(_, name)| folder.join(name))
}

/// What the system's loader says: the error itself only names the call.
pub(super) fn loader_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The first two fields of ONNX Runtime's `OrtApiBase`, which never change.
#[repr(C)]
struct ApiBase {
    get_api: extern "C" fn(u32) -> *const c_void,
    get_version_string: extern "C" fn() -> *const c_char,
}

/// Asks a library for its version before `ort` touches it, so that an old one is told and not a crash.
fn version_of(path: &Path) -> Result<String, String> {
    // SAFETY: loading runs the library's constructors; it is the file that the user or the installation names,
    // and it stays loaded for the life of the process anyway.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| loader_words(&error))?;
    // SAFETY: the symbol's type is that of ONNX Runtime's public C header in every version.
    let base = unsafe { library.get::<extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| "it does not export `OrtGetApiBase`".to_owned())?;
    // SAFETY: the function returns null or a static struct that lives as long as the library.
    let base = unsafe { base().as_ref() }.ok_or("`OrtGetApiBase` gives nothing")?;
    let text = (base.get_version_string)();
    if text.is_null() {
        return Err("it tells no version".into());
    }
    // SAFETY: a static, NUL-terminated string of the library.
    let version = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // the handle must not unload what `ort` is about to open again
    std::mem::forget(library);
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_in_a_folder_wins_and_the_plain_name_before_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1", "libonnxruntime.so.txt"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert!(in_folder(folder.path()).unwrap().ends_with("libonnxruntime.so.1.31.1"));
        std::fs::write(folder.path().join("libonnxruntime.so"), b"").unwrap();
        assert!(in_folder(folder.path()).unwrap().ends_with("libonnxruntime.so"));
    }

    #[test]
    fn a_provider_is_there_where_its_file_lies_beside_the_library() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        std::fs::write(&library, b"").unwrap();
        let error = find(Provider::Cuda, Some(folder.path())).unwrap_err().to_string();
        for words in ["`cuda`", "libonnxruntime_providers_cuda.so", "`--onnxruntime`", "make setup-cuda"] {
            assert!(error.contains(words), "no {words} in: {error}");
        }
        std::fs::write(folder.path().join("libonnxruntime_providers_cuda.so"), b"").unwrap();
        assert_eq!(find(Provider::Cuda, Some(&library)).unwrap(), library);
        assert_eq!(find(Provider::Cpu, Some(&library)).unwrap(), library);
    }

    #[test]
    fn a_file_that_is_no_library_is_told_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so");
        std::fs::write(&file, b"not a library").unwrap();
        let Err(error) = Runtime::load(Some(&file)) else { panic!("a text file was loaded") };
        assert!(error.to_string().contains("make setup"), "{error}");
    }
}
