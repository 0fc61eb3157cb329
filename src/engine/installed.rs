//! Where an installation has ONNX Runtime and NVIDIA's libraries. A wheel, a Debian package and an archive have one
//! layout: the program is in `<prefix>/bin`, the library in `<prefix>/lib/tresnet-batch`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::provider::Provider;

/// Folders for ONNX Runtime of the installation that a program belongs to, best first.
pub(super) fn folders(executable: &Path, provider: Provider) -> Vec<PathBuf> {
    let Some(prefix) = executable.parent().and_then(Path::parent) else { return Vec::new() };
    let lib = prefix.join("lib");
    // each name on the way: a folder that anybody may write could be swapped
    if [prefix, &lib].into_iter().any(anybody_may_write) {
        return Vec::new();
    }
    let mut folders = vec![lib.join("tresnet-batch")];
    if provider == Provider::Cuda {
        folders.extend(site_packages(&lib).into_iter().map(|site| site.join("onnxruntime/capi")));
    }
    folders.retain(|folder| !anybody_may_write(folder));
    folders
}

/// The folders of NVIDIA's libraries that pip installed beside an `onnxruntime-gpu`, whose library is given.
pub(super) fn nvidia_folders(library: &Path) -> Vec<PathBuf> {
    let is_wheel = |folder: &&Path| folder.ends_with("onnxruntime/capi");
    let Some(site) = library.parent().filter(is_wheel).and_then(|folder| folder.ancestors().nth(2)) else {
        return Vec::new();
    };
    let packages = names_in(&site.join("nvidia"));
    packages.into_iter().map(|package| package.join("lib")).filter(|folder| folder.is_dir()).collect()
}

/// True where a folder is there and anybody may write into it.
pub(super) fn anybody_may_write(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

/// The packages of the Python that `lib` belongs to.
fn site_packages(lib: &Path) -> Vec<PathBuf> {
    let is_python = |folder: &PathBuf| {
        folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python3"))
    };
    names_in(lib).into_iter().filter(is_python).map(|folder| folder.join("site-packages")).collect()
}

/// What is in a folder, in the order of names; nothing where it cannot be read.
fn names_in(folder: &Path) -> Vec<PathBuf> {
    let items = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = items.filter_map(|item| Some(item.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir_all, set_permissions};

    use super::*;

    #[test]
    fn a_wheel_has_the_library_beside_the_folder_of_the_program() {
        let prefix = tempfile::tempdir().unwrap();
        let place = prefix.path().join("lib/tresnet-batch");
        create_dir_all(&place).unwrap();
        let program = prefix.path().join("bin/tresnet-batch");
        assert_eq!(folders(&program, Provider::Cpu), [place]);
    }

    #[test]
    fn a_folder_that_anybody_may_write_is_no_installation() {
        for open in ["", "lib", "lib/tresnet-batch"] {
            let prefix = tempfile::tempdir().unwrap();
            create_dir_all(prefix.path().join("lib/tresnet-batch")).unwrap();
            set_permissions(prefix.path().join(open), Permissions::from_mode(0o777)).unwrap();
            let found = folders(&prefix.path().join("bin/tresnet-batch"), Provider::Cpu);
            assert!(found.is_empty(), "`{open}`: {found:?}");
        }
    }

    #[test]
    fn the_cuda_provider_and_nvidias_libraries_are_found_in_the_same_python_environment() {
        let prefix = tempfile::tempdir().unwrap();
        let site = prefix.path().join("lib/python3.12/site-packages");
        let capi = site.join("onnxruntime/capi");
        for folder in ["onnxruntime/capi", "nvidia/cu13/lib", "nvidia/cudnn/lib", "nvidia/empty"] {
            create_dir_all(site.join(folder)).unwrap();
        }
        let program = prefix.path().join("bin/tresnet-batch");
        let found = folders(&program, Provider::Cuda);
        assert_eq!(found, [prefix.path().join("lib/tresnet-batch"), capi.clone()]);
        assert_eq!(folders(&program, Provider::Cpu), found[..1]);
        let libraries = nvidia_folders(&capi.join("libonnxruntime.so.1.31.1"));
        assert_eq!(libraries, [site.join("nvidia/cu13/lib"), site.join("nvidia/cudnn/lib")]);
        assert!(nvidia_folders(&site.join("libonnxruntime.so")).is_empty());
    }
}
