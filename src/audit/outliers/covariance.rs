//! A covariance that is shrunk towards a sphere, and distances under it.

/// Sums of vectors around a mean that is zero.
#[derive(Debug)]
pub struct Scatter {
    width: usize,
    rows: u64,
    /// The lower triangle of Σ x xᵀ, row by row.
    products: Vec<f64>,
    /// Σ |x|⁴.
    fourth: f64,
}

/// The Cholesky factor of a covariance.
#[derive(Debug)]
pub struct Shrunk {
    width: usize,
    /// The lower triangle, row by row.
    factor: Vec<f64>,
    /// The weight of the sphere, from 0 to 1.
    pub shrinkage: f64,
}

/// Where row `row` of a lower triangle begins.
fn begin(row: usize) -> usize {
    row * (row + 1) / 2
}

impl Scatter {
    pub fn new(width: usize) -> Scatter {
        Scatter { width, rows: 0, products: vec![0.0; begin(width)], fourth: 0.0 }
    }

    /// Adds a vector.
    pub fn add(&mut self, vector: &[f64]) {
        for (row, x) in vector.iter().enumerate() {
            let products = &mut self.products[begin(row)..begin(row + 1)];
            products.iter_mut().zip(vector).for_each(|(product, y)| *product += x * y);
        }
        self.fourth += vector.iter().map(|x| x * x).sum::<f64>().powi(2);
        self.rows += 1;
    }

    /// The covariance `(1 − s)·S + s·m·I`, where S is that of the vectors, m the mean of its diagonal, and s the weight of
    /// O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", *Journal of
    /// Multivariate Analysis* 88 (2004), 365–411. `None` if the vectors are all zero.
    pub fn finish(self) -> Option<Shrunk> {
        let (n, p) = (self.rows as f64, self.width as f64);
        let mut factor: Vec<f64> = self.products.iter().map(|product| product / n).collect();
        let diagonal = |row: usize| factor[begin(row + 1) - 1];
        let trace: f64 = (0..self.width).map(diagonal).sum();
        let mean = trace / p;
        if !(mean > 0.0 && mean.is_finite()) {
            return None;
        }
        // the sum of squares of the whole matrix
        let lower: f64 = factor.iter().map(|value| value * value).sum();
        let squares = 2.0 * lower - (0..self.width).map(|row| diagonal(row).powi(2)).sum::<f64>();
        let distance = (squares - 2.0 * mean * trace + p * mean * mean) / p;
        let error = (self.fourth / n - squares) / (p * n);
        let shrinkage = if distance > 0.0 { (error / distance).clamp(0.0, 1.0) } else { 1.0 };
        factor.iter_mut().for_each(|value| *value *= 1.0 - shrinkage);
        for row in 0..self.width {
            factor[begin(row + 1) - 1] += shrinkage * mean;
        }
        cholesky(&mut factor, self.width).then_some(Shrunk { width: self.width, factor, shrinkage })
    }
}

/// Replaces a lower triangle by its Cholesky factor; false if the matrix is not positive definite.
fn cholesky(matrix: &mut [f64], width: usize) -> bool {
    for row in 0..width {
        for column in 0..=row {
            let (a, b) = (begin(row), begin(column));
            let dot: f64 = (0..column).map(|k| matrix[a + k] * matrix[b + k]).sum();
            let rest = matrix[a + column] - dot;
            if row == column {
                if rest <= 0.0 {
                    return false;
                }
                matrix[a + column] = rest.sqrt();
            } else {
                matrix[a + column] = rest / matrix[b + column];
            }
        }
    }
    true
}

impl Shrunk {
    /// The squared Mahalanobis distance of a vector from zero. `scratch` keeps its memory between calls.
    pub fn distance(&self, vector: &[f64], scratch: &mut Vec<f64>) -> f64 {
        scratch.clear();
        for (row, value) in vector.iter().enumerate().take(self.width) {
            let factor = &self.factor[begin(row)..begin(row + 1)];
            let dot: f64 = factor.iter().zip(scratch.iter()).map(|(factor, value)| factor * value).sum();
            scratch.push((value - dot) / factor[row]);
        }
        scratch.iter().map(|value| value * value).sum()
    }
}

impl Shrunk {
    /// The vector x for which covariance · x is `vector`.
    pub fn solve(&self, vector: &[f64]) -> Vec<f64> {
        let mut solved = Vec::with_capacity(self.width);
        self.distance(vector, &mut solved);
        for row in (0..self.width).rev() {
            solved[row] /= self.factor[begin(row + 1) - 1];
            let value = solved[row];
            let factor = &self.factor[begin(row)..begin(row) + row];
            solved.iter_mut().zip(factor).for_each(|(rest, factor)| *rest -= factor * value);
        }
        solved
    }

    /// The sum of the variances.
    pub fn trace(&self) -> f64 {
        self.factor.iter().map(|value| value * value).sum()
    }

    /// The trace of the square root of the product of two covariances: the sum of the singular values of Aᵀ·B, where A and B
    /// are the Cholesky factors. They come from one-sided rotations (M. R. Hestenes, *Journal of the Society for Industrial
    /// and Applied Mathematics* 6 (1958), 51–90).
    pub fn root_of_product(&self, other: &Shrunk) -> f64 {
        let width = self.width;
        let lower = |of: &Shrunk, row: usize, column: usize| {
            if column <= row { of.factor[begin(row) + column] } else { 0.0 }
        };
        // columns of Aᵀ·B
        let mut columns: Vec<Vec<f64>> = (0..width)
            .map(|j| {
                (0..width)
                    .map(|i| (i.max(j)..width).map(|k| lower(self, k, i) * lower(other, k, j)).sum())
                    .collect()
            })
            .collect();
        for _ in 0..60 {
            let mut turned = false;
            for j in 1..width {
                let (left, right) = columns.split_at_mut(j);
                let second = &mut right[0];
                for first in left {
                    turned |= rotate(first, second);
                }
            }
            if !turned {
                break;
            }
        }
        columns.iter().map(|column| column.iter().map(|value| value * value).sum::<f64>().sqrt()).sum()
    }
}

/// Turns two columns until they are orthogonal; false if they are.
fn rotate(first: &mut [f64], second: &mut [f64]) -> bool {
    let (mut a, mut b, mut dot) = (0.0, 0.0, 0.0);
    for (x, y) in first.iter().zip(second.iter()) {
        (a, b, dot) = (a + x * x, b + y * y, dot + x * y);
    }
    if dot.abs() <= 1e-12 * (a * b).sqrt() || dot == 0.0 {
        return false;
    }
    let zeta = (b - a) / (2.0 * dot);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = cosine * tangent;
    for (x, y) in first.iter_mut().zip(second.iter_mut()) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_covariance_and_its_distances_are_those_of_scikit_learn() {
        // scikit-learn 1.9.1: LedoitWolf(assume_centered=True).fit(X), then shrinkage_ and mahalanobis(X)
        let mut scatter = Scatter::new(3);
        VECTORS.iter().for_each(|vector| scatter.add(vector));
        let shrunk = scatter.finish().unwrap();
        assert!((shrunk.shrinkage - SHRINKAGE).abs() < 1e-12, "{}", shrunk.shrinkage);
        for (vector, expected) in VECTORS.iter().zip(DISTANCES) {
            let found = shrunk.distance(vector, &mut Vec::new());
            assert!((found - expected).abs() < 1e-10 * expected, "{found} is not {expected}");
        }
    }

    fn shrunk(vectors: &[[f64; 3]]) -> Shrunk {
        let mut scatter = Scatter::new(3);
        vectors.iter().for_each(|vector| scatter.add(vector));
        scatter.finish().unwrap()
    }

    #[test]
    fn the_root_of_a_product_is_that_of_scipy_and_a_solution_solves() {
        // scipy 1.17.1: trace(linalg.sqrtm(A @ B)) of the Ledoit-Wolf covariances of the first and the last four vectors
        let (a, b) = (shrunk(&VECTORS[..4]), shrunk(&VECTORS[2..]));
        assert!((a.root_of_product(&b) - ROOT).abs() < 1e-9, "{}", a.root_of_product(&b));
        assert!((a.root_of_product(&a) - a.trace()).abs() < 1e-9);
        let x = a.solve(&VECTORS[1]);
        let mut half = Vec::new();
        let squared = a.distance(&VECTORS[1], &mut half);
        let product: f64 = x.iter().zip(VECTORS[1]).map(|(x, y)| x * y).sum();
        assert!((product - squared).abs() < 1e-9);
    }

    #[test]
    fn vectors_that_are_zero_have_no_covariance() {
        let mut scatter = Scatter::new(2);
        scatter.add(&[0.0, 0.0]);
        assert!(scatter.finish().is_none());
    }

    const VECTORS: [[f64; 3]; 6] = [
        [2.804, -2.43, 0.167],
        [-1.362, -0.517, -0.086],
        [-4.156, -0.491, -0.346],
        [6.759, 0.12, -0.141],
        [-0.897, -0.985, -0.422],
        [-0.541, 0.41, -0.095],
    ];
    const ROOT: f64 = 17.99085645751035;
    const SHRINKAGE: f64 = 0.5103360784148322;
    const DISTANCES: [f64; 6] = [
        2.8512646558463315,
        0.32810055879651306,
        2.2271731036467695,
        5.533823206576062,
        0.5126364709527017,
        0.09212932220471065,
    ];
}
