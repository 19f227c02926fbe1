//! A set of small numbers out of which any can be picked at once.

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Vec<u32>,
    /// Where each number is in the list, and one more; 0 if it is not.
    at: Vec<u32>,
}

impl Ready {
    /// Puts a number in, or takes it out.
    pub(super) fn set(&mut self, number: usize, is_in: bool) {
        if self.at.len() <= number {
            self.at.resize(number + 1, 0);
        }
        match (self.at[number], is_in) {
            (0, true) => {
                self.list.push(number as u32);
                self.at[number] = self.list.len() as u32;
            }
            (0, false) => {}
            (_, true) => {}
            (at, false) => {
                self.list.swap_remove(at as usize - 1);
                if let Some(moved) = self.list.get(at as usize - 1) {
                    self.at[*moved as usize] = at;
                }
                self.at[number] = 0;
            }
        }
    }

    /// All that are in, in no order that means anything.
    pub(super) fn all(&self) -> &[u32] {
        &self.list
    }
}
