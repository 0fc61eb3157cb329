//! NVIDIA's driver and libraries as they are found on this machine, before ONNX Runtime needs them.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use super::installed::nvidia_folders;
use super::library::loader_words;
use super::{EngineError, Provider};

/// The CUDA for which the libraries below are.
const CUDA_MAJOR: i32 = 13;
/// The first driver that knows it.
const OLDEST_DRIVER: &str = "580";

/// A library of NVIDIA's that the CUDA provider needs.
#[derive(Debug, Clone, Copy)]
struct Needed {
    name: &'static str,
    /// False where only kernels that cuDNN compiles at run time need it.
    always: bool,
}

/// In the order in which one needs the other. What cuDNN opens by itself lies beside it.
const LIBRARIES: [Needed; 7] = [
    Needed { name: "libcudart.so.13", always: true },
    Needed { name: "libnvrtc-builtins.so.13.0", always: false },
    Needed { name: "libnvrtc.so.13", always: false },
    Needed { name: "libcublasLt.so.13", always: true },
    Needed { name: "libcublas.so.13", always: true },
    Needed { name: "libcurand.so.10", always: true },
    Needed { name: "libcudnn.so.9", always: true },
];

/// A device that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Bytes of its memory; 0 where the driver does not report it.
    pub memory: u64,
}

/// The driver as it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Its version, such as `580.95.05`, where the system reports it.
    pub version: Option<String>,
    /// The newest CUDA that it knows, such as `13.0`.
    pub cuda: String,
    /// Its devices, by number.
    pub devices: Vec<Gpu>,
}

/// Where the loader will take a library from.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A folder of `LD_LIBRARY_PATH`, which goes before everything else.
    Told,
    /// Beside ONNX Runtime, or in NVIDIA's packages beside its own.
    Beside(PathBuf),
    /// A folder of the system, if it is anywhere.
    System,
}

fn place(name: &str, library: &Path) -> Place {
    let told = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let told = std::env::split_paths(&told).filter(|folder| !folder.as_os_str().is_empty());
    if told.into_iter().any(|folder| folder.join(name).exists()) {
        return Place::Told;
    }
    // the provider is looked for where ONNX Runtime's file really lies
    let real = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    let beside = [library.parent(), real.parent()].into_iter().flatten().map(Path::to_owned);
    for folder in beside.chain(nvidia_folders(&real)) {
        let file = folder.join(name);
        if file.exists() {
            return Place::Beside(file);
        }
    }
    Place::System
}

fn open(name: &str, library: &Path) -> Result<(), String> {
    let file = match place(name, library) {
        Place::Beside(file) => file,
        Place::Told | Place::System => name.into(),
    };
    // SAFETY: loading runs the library's constructors; it is NVIDIA's, from where the user or the setup put it.
    let opened =
        unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_GLOBAL) }.map_err(|error| error.to_string())?;
    // ONNX Runtime finds it by its name as long as it is open
    std::mem::forget(opened);
    Ok(())
}

/// Whether each library is there, by its name. One that the system may have is opened to know it.
pub(super) fn libraries(library: &Path) -> Vec<(&'static str, bool)> {
    let there = |needed: &Needed| match place(needed.name, library) {
        Place::System => open(needed.name, library).is_ok(),
        Place::Told | Place::Beside(_) => true,
    };
    LIBRARIES.iter().map(|needed| (needed.name, there(needed))).collect()
}

/// Refuses a provider if a library that it needs is missing.
pub(super) fn check(library: &Path) -> Result<(), EngineError> {
    let there = libraries(library);
    let missing: Vec<String> = LIBRARIES
        .iter()
        .zip(there)
        .filter(|(needed, (_, there))| needed.always && !there)
        .map(|(needed, _)| format!("`{}`", needed.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(not_there(format!(
        "{} neither beside `{}` nor where the loader looks",
        if missing.len() == 1 { format!("{} is", missing[0]) } else { format!("{} are", missing.join(", ")) },
        library.display()
    )))
}

/// Opens the libraries for everybody: the loader's own list of folders cannot be changed once a process runs.
pub(super) fn preload(library: &Path) -> Result<(), EngineError> {
    for Needed { name, always } in LIBRARIES {
        if let Err(why) = open(name, library) {
            if always {
                return Err(not_there(format!("`{name}` does not load ({why})")));
            }
            tracing::debug!("`{name}` does not load ({why})");
        }
    }
    Ok(())
}

fn not_there(why: String) -> EngineError {
    let provider = Provider::Cuda;
    EngineError::Provider { provider: provider.as_str(), why: format!("{why}; {}", provider.setup()) }
}

/// The devices that answer; at least one.
pub(super) fn devices() -> Result<Vec<Gpu>, EngineError> {
    let Driver { version, cuda, devices } = driver().map_err(EngineError::NoDevice)?;
    let major = cuda.split('.').next().and_then(|major| major.parse::<i32>().ok());
    if major.is_some_and(|major| major < CUDA_MAJOR) {
        let version = version.map_or_else(String::new, |version| format!(" {version}"));
        return Err(EngineError::Provider {
            provider: Provider::Cuda.as_str(),
            why: format!(
                "NVIDIA's driver{version} is for CUDA {cuda}, the libraries are for CUDA {CUDA_MAJOR}; install driver \
                 {OLDEST_DRIVER} or newer"
            ),
        });
    }
    Ok(devices)
}

/// Opens the driver and asks it for its version and devices.
///
/// # Errors
/// The reason why nothing answers.
pub(super) fn driver() -> Result<Driver, String> {
    let library = Path::new("libcuda.so.1");
    // SAFETY: loading runs the library's constructors; it is the driver that the system's loader finds.
    let library = unsafe { Library::open(Some(library), RTLD_NOW) }.map_err(|error| {
        format!(
            "NVIDIA's driver is not installed ({}); install driver {OLDEST_DRIVER} or newer, or hand the device into the \
             container",
            loader_words(&error)
        )
    })?;
    let driver = ask(&library);
    // a driver that was started is not taken out of a process
    std::mem::forget(library);
    driver
}

type Call = unsafe extern "C" fn(c_uint) -> c_int;
type GetInt = unsafe extern "C" fn(*mut c_int) -> c_int;
type GetDevice = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type GetName = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type GetMemory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
type GetWords = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;

fn ask(library: &Library) -> Result<Driver, String> {
    let missing = |name: &str| format!("`libcuda.so.1` has no `{name}`: it is no driver of NVIDIA's");
    let refused = |name: &str, code: c_int| format!("{name} returns {}", words(library, code));
    let number = |name: &str| {
        // SAFETY: the symbol's type is that of the driver's public header.
        let call = unsafe { library.get::<GetInt>(name.as_bytes()) }.map_err(|_| missing(name))?;
        let mut number = 0;
        // SAFETY: the call writes one integer.
        match unsafe { call(&mut number) } {
            0 => Ok(number),
            code => Err(refused(name, code)),
        }
    };
    // SAFETY: the symbol's type is that of the driver's public header.
    let init = unsafe { library.get::<Call>(b"cuInit") }.map_err(|_| missing("cuInit"))?;
    // SAFETY: 0 is the only flag that there is.
    match unsafe { init(0) } {
        0 => {}
        code => return Err(refused("cuInit", code)),
    }
    let count = number("cuDeviceGetCount")?;
    if count == 0 {
        return Err("the driver shows no device (is CUDA_VISIBLE_DEVICES set?)".into());
    }
    let version = number("cuDriverGetVersion")?;
    Ok(Driver {
        version: installed_version(),
        cuda: format!("{}.{}", version / 1000, version % 1000 / 10),
        devices: (0..count).map(|id| describe(library, id)).collect(),
    })
}

fn describe(library: &Library, id: c_int) -> Gpu {
    let (mut device, mut memory) = (id, 0);
    let mut name: [c_char; 256] = [0; 256];
    // SAFETY: the types are those of the driver's public header, and each call writes one value, or at most as many
    // bytes of a text as it is given room for, the last of which stays zero.
    unsafe {
        if let Ok(get) = library.get::<GetDevice>(b"cuDeviceGet") {
            get(&mut device, id);
        }
        if let Ok(get) = library.get::<GetName>(b"cuDeviceGetName") {
            get(name.as_mut_ptr(), 255, device);
        }
        if let Ok(get) = library.get::<GetMemory>(b"cuDeviceTotalMem_v2") {
            get(&mut memory, device);
        }
    }
    // SAFETY: the last byte is zero whatever was written.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let name = if name.is_empty() { format!("CUDA device {id}") } else { name };
    Gpu { name, memory: memory as u64 }
}

/// The driver's own words for an error.
fn words(library: &Library, code: c_int) -> String {
    let mut text: *const c_char = std::ptr::null();
    // SAFETY: the type is that of the driver's public header; the call writes a pointer to a static text, or null.
    let said =
        unsafe { library.get::<GetWords>(b"cuGetErrorString").is_ok_and(|get| get(code, &mut text) == 0) };
    if !said || text.is_null() {
        return format!("error {code}");
    }
    // SAFETY: a static, NUL-terminated text of the driver.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    format!("{text} (error {code})")
}

/// The kernel module's version: `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  …`.
fn installed_version() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let words = text.lines().next()?.split_whitespace();
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    words.into_iter().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_beside_onnx_runtime_is_taken_from_there_whether_linked_or_not() {
        let (real, linked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(real.path().join("libonnxruntime.so"), b"").unwrap();
        std::fs::write(real.path().join("libcudnn.so.9"), b"").unwrap();
        let library = linked.path().join("libonnxruntime.so");
        std::os::unix::fs::symlink(real.path().join("libonnxruntime.so"), &library).unwrap();
        let beside = Place::Beside(real.path().canonicalize().unwrap().join("libcudnn.so.9"));
        assert_eq!(place("libcudnn.so.9", &library), beside);
        assert_eq!(place("libcublas.so.13", &library), Place::System);
    }

    #[test]
    fn a_missing_library_is_named_with_the_command_that_fetches_it() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        for needed in LIBRARIES.iter().filter(|needed| needed.name != "libcudnn.so.9") {
            std::fs::write(folder.path().join(needed.name), b"").unwrap();
        }
        match check(&library) {
            // the system has one
            Ok(()) => assert!(open("libcudnn.so.9", &library).is_ok()),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("`libcudnn.so.9` is neither"), "{error}");
                assert!(error.contains("make setup-cuda"), "{error}");
            }
        }
    }
}
