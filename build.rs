//! Compiles the C shim between `image::jpeg` and libjpeg-turbo.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shim = "src/image/jpeg_shim.c";
    println!("cargo::rerun-if-changed={shim}");
    // `turbojpeg-sys` builds libjpeg-turbo, links it, and tells its dependents where the headers are.
    println!("cargo::rerun-if-env-changed=DEP_TURBOJPEG_INCLUDE");
    let headers = std::env::var("DEP_TURBOJPEG_INCLUDE")?;
    cc::Build::new().file(shim).includes(headers.split(',')).try_compile("tresnet_jpeg_shim")?;
    Ok(())
}
