//! The second half: the kernels, with the buffers that would be the device's.

use std::ffi::c_void;

use crate::first::{COMPONENTS, Coefficients, Plane};
use crate::resize::Axis;
use crate::{Layout, Target};

/// As `struct plane` in `image.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PlaneOfImage {
    offsets: *const u32,
    entries: *const u16,
    samples: *mut u8,
    across: u32,
    down: u32,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    expand: [u32; 2],
    smooth: [u32; 2],
    quantization: [u16; 64],
}

/// As `struct pass` in `image.h`.
#[repr(C)]
struct Pass {
    source: *const u32,
    target: *mut u32,
    windows: *const u32,
    weights: *const i32,
    taps: u32,
    source_width: u32,
    width: u32,
    height: u32,
    is_vertical: u32,
}

/// As `struct image` in `image.h`.
#[repr(C)]
struct Image {
    planes: [PlaneOfImage; COMPONENTS],
    components: u32,
    colours: u32,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    pixels: *mut u32,
    passes: [Pass; 2],
    size: u32,
    layout: u32,
    element_bytes: u32,
    elements: *const u32,
    row: *mut c_void,
}

unsafe extern "C" {
    fn two_halves_inverse_dct(images: *const Image, count: u32);
    fn two_halves_colours(images: *const Image, count: u32);
    fn two_halves_resample(images: *const Image, count: u32, pass: u32);
    fn two_halves_pack(images: *const Image, count: u32);
    fn two_halves_on_a_grid(images: *const Image, count: u32);
}

/// How kernels run on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// As loops.
    Loops,
    /// As the threads of a small grid, one after the other.
    Grid,
}

/// The result of the second half for an image.
pub struct Decoded {
    /// The square's pixels, red in the lowest byte, then green and blue.
    pub square: Vec<u32>,
    /// The row of the network's input.
    pub row: Vec<u8>,
}

/// Buffers of an image.
struct Buffers {
    samples: Vec<Vec<u8>>,
    pixels: Vec<u32>,
    between: Vec<u32>,
    decoded: Decoded,
}

/// Runs the kernels over a batch.
///
/// # Panics
/// If the target's elements are not those of three channels, or its element has not 1, 2 or 4 bytes, or its side does not
/// divide by four where the layout needs that.
pub fn second_half(batch: &[Coefficients], target: &Target<'_>, run: Run) -> Vec<Decoded> {
    assert!(target.elements.len() == 3 * 256 && matches!(target.element_bytes, 1 | 2 | 4));
    assert!(target.layout != Layout::SpaceToDepth || target.size.is_multiple_of(4));
    let mut buffers: Vec<Buffers> = batch.iter().map(|image| Buffers::new(image, target)).collect();
    let images: Vec<Image> =
        batch.iter().zip(&mut buffers).map(|(image, buffers)| buffers.image(image, target)).collect();
    let (first, count) = (images.as_ptr(), images.len() as u32);
    // SAFETY: every pointer of an image is to a buffer of `batch`, `buffers` or `target`, all of which outlive the call
    // and are not used elsewhere; `Buffers::new` made each as large as the kernels expect.
    unsafe {
        if run == Run::Grid {
            two_halves_on_a_grid(first, count);
            return buffers.into_iter().map(|buffers| buffers.decoded).collect();
        }
        two_halves_inverse_dct(first, count);
        two_halves_colours(first, count);
        two_halves_resample(first, count, 0);
        two_halves_resample(first, count, 1);
        two_halves_pack(first, count);
    }
    buffers.into_iter().map(|buffers| buffers.decoded).collect()
}

impl Buffers {
    fn new(image: &Coefficients, target: &Target<'_>) -> Buffers {
        let (across, down) = (image.resize.across.inputs() as usize, image.resize.down.inputs() as usize);
        let side = target.size as usize;
        let line = if image.resize.begins_vertically { across } else { down };
        let samples = |plane: &Plane| vec![0; plane.blocks() * 64];
        Buffers {
            samples: image.planes.iter().map(samples).collect(),
            pixels: vec![0; across * down],
            between: vec![0; line * side],
            decoded: Decoded {
                square: vec![0; side * side],
                row: vec![0; side * side * 3 * target.element_bytes as usize],
            },
        }
    }

    fn image(&mut self, image: &Coefficients, target: &Target<'_>) -> Image {
        let resize = &image.resize;
        let plane = |number: usize| match image.planes.get(number) {
            Some(plane) => plane_of_image(plane, self.samples[number].as_mut_ptr()),
            None => NO_PLANE,
        };
        let planes = std::array::from_fn(plane);
        let (width, height) = (resize.across.inputs(), resize.down.inputs());
        let pixels = self.pixels.as_mut_ptr();
        let (between, square) = (self.between.as_mut_ptr(), self.decoded.square.as_mut_ptr());
        let passes = if resize.begins_vertically {
            [
                pass(&resize.down, true, (pixels, width), (between, width, target.size)),
                pass(&resize.across, false, (between, width), (square, target.size, target.size)),
            ]
        } else {
            [
                pass(&resize.across, false, (pixels, width), (between, target.size, height)),
                pass(&resize.down, true, (between, target.size), (square, target.size, target.size)),
            ]
        };
        Image {
            planes,
            components: image.planes.len() as u32,
            colours: image.colours,
            left: resize.across.lo,
            top: resize.down.lo,
            width,
            height,
            pixels,
            passes,
            size: target.size,
            layout: target.layout as u32,
            element_bytes: target.element_bytes,
            elements: target.elements.as_ptr(),
            row: self.decoded.row.as_mut_ptr().cast(),
        }
    }
}

/// For a component that the image does not have; no kernel reads it.
const NO_PLANE: PlaneOfImage = PlaneOfImage {
    offsets: std::ptr::null(),
    entries: std::ptr::null(),
    samples: std::ptr::null_mut(),
    across: 0,
    down: 0,
    left: 0,
    top: 0,
    width: 0,
    height: 0,
    expand: [0; 2],
    smooth: [0; 2],
    quantization: [0; 64],
};

fn plane_of_image(plane: &Plane, samples: *mut u8) -> PlaneOfImage {
    PlaneOfImage {
        offsets: plane.packed.offsets.as_ptr(),
        entries: plane.packed.entries.as_ptr(),
        samples,
        across: plane.region.across,
        down: plane.region.down,
        left: plane.region.left * 8,
        top: plane.region.top * 8,
        width: plane.width,
        height: plane.height,
        expand: plane.expand,
        smooth: plane.smooth.map(u32::from),
        quantization: plane.quantization,
    }
}

/// `source` with its width, `target` with its width and height.
fn pass(axis: &Axis, is_vertical: bool, source: (*mut u32, u32), target: (*mut u32, u32, u32)) -> Pass {
    Pass {
        source: source.0,
        target: target.0,
        windows: axis.windows.as_ptr(),
        weights: axis.weights.as_ptr(),
        taps: axis.taps,
        source_width: source.1,
        width: target.1,
        height: target.2,
        is_vertical: u32::from(is_vertical),
    }
}
