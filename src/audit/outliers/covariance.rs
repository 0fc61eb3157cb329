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

    /// Adds the vectors of another one.
    pub fn merge(&mut self, other: &Scatter) {
        self.products.iter_mut().zip(&other.products).for_each(|(sum, product)| *sum += product);
        self.fourth += other.fourth;
        self.rows += other.rows;
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
        for row in 0..self.width {
            let factor = &self.factor[begin(row)..begin(row + 1)];
            let dot: f64 = factor.iter().zip(scratch.iter()).map(|(factor, value)| factor * value).sum();
            scratch.push((vector[row] - dot) / factor[row]);
        }
        scratch.iter().map(|value| value * value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_covariance_and_its_distances_are_those_of_scikit_learn() {
        // scikit-learn 1.9.1: LedoitWolf(assume_centered=True).fit(X), then shrinkage_ and mahalanobis(X)
        let mut scatter = Scatter::new(3);
        let mut half = Scatter::new(3);
        for (at, vector) in VECTORS.iter().enumerate() {
            if at % 2 == 0 { scatter.add(vector) } else { half.add(vector) }
        }
        scatter.merge(&half);
        let shrunk = scatter.finish().unwrap();
        assert!((shrunk.shrinkage - SHRINKAGE).abs() < 1e-12, "{}", shrunk.shrinkage);
        for (vector, expected) in VECTORS.iter().zip(DISTANCES) {
            let found = shrunk.distance(vector, &mut Vec::new());
            assert!((found - expected).abs() < 1e-10 * expected, "{found} is not {expected}");
        }
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
