//! The compiled kernels on a device.

use std::ffi::{CStr, c_void};
use std::sync::Arc;

use cudarc::driver::{result as cuda, sys};

use crate::engine::driver::{Context, Refusal};

use super::launch::Grid;

/// Kernels by the compute capability that they are compiled for.
static CUBINS: [((i32, i32), &[u8]); 4] = [
    ((8, 0), include_bytes!("../kernels/cubins/sm_80.cubin")),
    ((8, 9), include_bytes!("../kernels/cubins/sm_89.cubin")),
    ((9, 0), include_bytes!("../kernels/cubins/sm_90.cubin")),
    ((10, 0), include_bytes!("../kernels/cubins/sm_100.cubin")),
];

/// Returns the newest cubin of the device's generation that is not newer than the device.
fn cubin_for((major, minor): (i32, i32)) -> Option<&'static [u8]> {
    let runs = |(theirs, least): &(i32, i32)| *theirs == major && *least <= minor;
    CUBINS.iter().rev().find(|(capability, _)| runs(capability)).map(|(_, cubin)| *cubin)
}

/// A loaded cubin. It is unloaded after the last operator that launches from it.
#[derive(Debug)]
pub(super) struct Module {
    module: sys::CUmodule,
    context: Arc<Context>,
}

// SAFETY: a handle; the driver may be called from any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Loads the kernels into the device's primary context; `None` if there are none for its architecture.
    ///
    /// # Errors
    /// The driver refuses the cubin.
    pub fn load(context: &Arc<Context>) -> Result<Option<Arc<Module>>, Refusal> {
        let Some(cubin) = cubin_for(context.capability()?) else { return Ok(None) };
        // SAFETY: a whole cubin, which the driver copies.
        let loaded = context.within(|| unsafe { cuda::module::load_data(cubin.as_ptr().cast()) })?;
        let module = loaded.map_err(Refusal::of("cuModuleLoadData"))?;
        Ok(Some(Arc::new(Module { module, context: context.clone() })))
    }

    /// Returns a kernel of it.
    ///
    /// # Errors
    /// The cubin has no kernel of that name.
    pub fn function(self: &Arc<Module>, name: &CStr) -> Result<Function, Refusal> {
        // SAFETY: the module is loaded.
        let found =
            self.context.within(|| unsafe { cuda::module::get_function(self.module, name.to_owned()) })?;
        let function = found.map_err(Refusal::of("cuModuleGetFunction"))?;
        Ok(Function { function, _module: self.clone() })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: loaded in `load`, unloaded once; every function keeps the module.
        let unloaded = self.context.within(|| unsafe { cuda::module::unload(self.module) });
        let unloaded = unloaded.and_then(|done| done.map_err(Refusal::of("cuModuleUnload")));
        if let Err(refusal) = unloaded {
            tracing::warn!("kernels were not unloaded: {refusal}");
        }
    }
}

/// A kernel on the device.
#[derive(Debug)]
pub(super) struct Function {
    function: sys::CUfunction,
    _module: Arc<Module>,
}

// SAFETY: a handle; the driver may be called from any thread.
unsafe impl Send for Function {}

impl Function {
    /// Queues a launch. Each argument is in the low bytes of its number.
    ///
    /// # Errors
    /// The driver refuses the launch, or earlier work on the device failed.
    ///
    /// # Safety
    /// The arguments are those of the kernel, and point to memory of the device that is as long as the kernel reads and
    /// writes, until the launch has ended.
    pub unsafe fn launch(
        &self,
        grid: Grid,
        stream: *mut c_void,
        arguments: &mut [u64],
    ) -> Result<(), Refusal> {
        let mut addresses = [std::ptr::null_mut::<c_void>(); 12];
        for (address, argument) in addresses.iter_mut().zip(arguments.iter_mut()) {
            *address = std::ptr::from_mut(argument).cast();
        }
        let [x, y, z] = grid.blocks;
        // SAFETY: the caller vouches for the arguments; the driver copies them before it returns.
        let launched = unsafe {
            cuda::launch_kernel(
                self.function,
                (x, y, z),
                (grid.threads, 1, 1),
                0,
                stream.cast(),
                &mut addresses,
            )
        };
        launched.map_err(Refusal::of("cuLaunchKernel"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_takes_kernels_of_its_generation_only() {
        let of = |major, minor| cubin_for((major, minor)).map(<[u8]>::as_ptr);
        let at = |index: usize| Some(CUBINS[index].1.as_ptr());
        assert_eq!([of(8, 0), of(8, 6), of(8, 9), of(9, 0), of(10, 3)], [at(0), at(0), at(1), at(2), at(3)]);
        assert_eq!([of(7, 5), of(12, 0)], [None, None]);
    }
}
