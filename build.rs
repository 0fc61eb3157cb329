//! Compiles the C shim between `image::jpeg` and libjpeg-turbo, and names the target for `--version`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rustc-env=TRESNET_BATCH_TARGET={}", std::env::var("TARGET")?);
    // together: what the shim takes of the second file is linked before libjpeg's version of it
    let shim = ["src/image/jpeg/shim.c", "src/image/jpeg/memory.c", "src/image/jpeg/entropy.c"];
    for file in shim.into_iter().chain(["src/image/jpeg/memory.h", "src/image/jpeg/entropy.h"]) {
        println!("cargo::rerun-if-changed={file}");
    }
    // `turbojpeg-sys` builds libjpeg-turbo, links it, and tells its dependents where the headers are.
    println!("cargo::rerun-if-env-changed=DEP_TURBOJPEG_INCLUDE");
    let headers = std::env::var("DEP_TURBOJPEG_INCLUDE")?;
    cc::Build::new().files(shim).includes(headers.split(',')).try_compile("tresnet_jpeg_shim")?;
    Ok(())
}
