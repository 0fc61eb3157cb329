//! Compiles both halves. With `TWO_HALVES_SANITIZE` set, reads and writes outside of a buffer and undefined arithmetic end
//! the process; GCC's `libasan.so` is then to be preloaded.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-env-changed=TWO_HALVES_SANITIZE");
    // `turbojpeg-sys` passes the headers' folder to its dependents
    println!("cargo::rerun-if-env-changed=DEP_TURBOJPEG_INCLUDE");
    let headers = std::env::var("DEP_TURBOJPEG_INCLUDE")?;
    let mut build = cc::Build::new();
    // as fast as the C code of a release also where tests are built without optimisation
    build
        .files(["c/first_half.c", "c/kernels.c", "c/threads.c"])
        .includes(headers.split(','))
        .std("c11")
        .opt_level(2);
    if std::env::var_os("TWO_HALVES_SANITIZE").is_some() {
        build.flag("-fsanitize=address,undefined").flag("-fno-sanitize-recover=all");
        println!("cargo::rustc-link-lib=asan");
        println!("cargo::rustc-link-lib=ubsan");
    }
    build.try_compile("two_halves")?;
    Ok(())
}
