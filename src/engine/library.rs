//! Finding the shared library of ONNX Runtime, never in the current directory, and asking its version before `ort`
//! opens it.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};

use super::error::{EngineError, RuntimeError};
use super::installed::{self, anybody_may_write};
use super::provider::Provider;

/// Folders of the system that are looked into, in this order.
const SYSTEM_FOLDERS: [&str; 5] =
    ["/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

/// What to do where a provider is not there.
pub(super) fn fix(provider: Provider) -> String {
    format!("{}, or give a library that has it by `--onnxruntime PATH`", provider.setup())
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
        let found = if path.is_dir() { in_folder(&path) } else { path.is_file().then(|| path.clone()) };
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

/// The library that this program loads to compute on the CPU, and its version.
///
/// # Errors
/// There is none, or it does not load.
pub fn installed_library() -> Result<(PathBuf, String), EngineError> {
    let path = find(Provider::Cpu, None)?;
    let unusable = |why| RuntimeError::Unusable { path: path.display().to_string(), why };
    let version = version_of(&path).map_err(unusable)?;
    Ok((path, version))
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
        if let (0, Some(executable)) = (depth, &executable) {
            folders.push(folder.to_owned());
            folders.extend(installed::folders(executable, provider));
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

/// Returns `libonnxruntime.so`, or the file with the highest version after that name.
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

/// Returns the message of the system's loader: the error itself only names the call.
pub(super) fn loader_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The first two fields of ONNX Runtime's `OrtApiBase`, which never change.
#[repr(C)]
struct ApiBase {
    get_api: extern "C" fn(u32) -> *const c_void,
    get_version_string: extern "C" fn() -> *const c_char,
}

/// Reads a library's version before `ort` opens it, so that an old one is reported instead of a crash.
pub(super) fn version_of(path: &Path) -> Result<String, String> {
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
        return Err("it reports no version".into());
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
}
