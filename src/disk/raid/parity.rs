//! Reconstructs a missing chunk from parity as the kernel computes it: P is the sum of all data chunks, Q the sum of
//! each times a power of 2, over the field with 256 elements.

/// Roles and the factors of their chunks; the sum of the products is the missing chunk.
pub(super) type Recipe = Vec<(u32, u8)>;

/// A row of chunks.
pub(super) struct StripeRow {
    /// Roles with data, in the order Q counts them.
    pub data: Vec<u32>,
    /// The role with P.
    pub p: u32,
    /// The role with Q, on RAID 6.
    pub q: Option<u32>,
}

impl StripeRow {
    /// Every way to compute the chunk of one role from others, the simplest first.
    pub(super) fn recipes(&self, role: u32) -> Vec<Recipe> {
        let Some(x) = self.data.iter().position(|data| *data == role) else {
            return Vec::new();
        };
        let others: Vec<(usize, u32)> = self
            .data
            .iter()
            .copied()
            .enumerate()
            .filter(|(place, _)| *place != x)
            .collect();
        let sum = others.iter().map(|(_, role)| (*role, 1));
        let mut recipes = vec![sum.chain([(self.p, 1)]).collect()];
        // The powers of 2 repeat after 255.
        let Some(q) = self.q.filter(|_| self.data.len() <= 255) else {
            return recipes;
        };
        recipes.push(without_p(&others, x, q));
        recipes.extend(
            others
                .iter()
                .map(|(y, _)| self.without_other(&others, x, *y, q)),
        );
        recipes
    }

    /// The recipe if two chunks of data are missing, at the positions `x` and `y`.
    fn without_other(&self, others: &[(usize, u32)], x: usize, y: usize, q: u32) -> Recipe {
        let by_y = power(y);
        let scale = inverse(power(x) ^ by_y);
        let rest = others.iter().filter(|(place, _)| *place != y);
        rest.map(|(place, role)| (*role, multiply(scale, by_y ^ power(*place))))
            .chain([(self.p, multiply(scale, by_y)), (q, scale)])
            .collect()
    }
}

/// The recipe if a chunk of data and P are missing.
fn without_p(others: &[(usize, u32)], x: usize, q: u32) -> Recipe {
    let scale = inverse(power(x));
    let rest = others.iter();
    rest.map(|(place, role)| (*role, multiply(scale, power(*place))))
        .chain([(q, scale)])
        .collect()
}

/// The product, modulo the polynomial 0x11D.
pub(super) fn multiply(a: u8, b: u8) -> u8 {
    let (mut left, mut right, mut product) = (a, b, 0);
    while right != 0 {
        if right & 1 != 0 {
            product ^= left;
        }
        let carry = left & 0x80 != 0;
        left <<= 1;
        if carry {
            left ^= 0x1D;
        }
        right >>= 1;
    }
    product
}

fn power(exponent: usize) -> u8 {
    (0..exponent % 255).fold(1, |value, _| multiply(value, 2))
}

/// The multiplicative inverse of `value`, which is its 254th power.
fn inverse(value: u8) -> u8 {
    (0..254).fold(1, |product, _| multiply(product, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_gives_the_missing_chunk() {
        let row = StripeRow {
            data: vec![3, 4, 0, 1],
            p: 5,
            q: Some(2),
        };
        let data = [0x11, 0xFE, 0x80, 0x07];
        let mut chunks = [0_u8; 6];
        for (place, (role, byte)) in row.data.iter().zip(data).enumerate() {
            chunks[*role as usize] = byte;
            chunks[5] ^= byte;
            chunks[2] ^= multiply(power(place), byte);
        }
        for role in [3, 4, 0, 1] {
            let recipes = row.recipes(role);
            assert_eq!(recipes.len(), 5);
            for recipe in recipes {
                assert!(recipe.iter().all(|(other, _)| *other != role));
                let found = recipe.iter().fold(0, |sum, (other, scale)| {
                    sum ^ multiply(*scale, chunks[*other as usize])
                });
                assert_eq!(found, chunks[role as usize], "{role}: {recipe:?}");
            }
        }
    }
}
