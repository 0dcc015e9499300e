//! A value for each member, forgotten all at once.

/// Dense scratch space: a member's value counts only if it was set since the last `clear`, which takes no time.
pub struct Marks<T> {
    epoch: u32,
    values: Vec<(u32, T)>,
}

impl<T: Copy + Default> Marks<T> {
    pub fn new(members: usize) -> Marks<T> {
        Marks { epoch: 0, values: vec![(0, T::default()); members] }
    }

    pub fn clear(&mut self) {
        if self.epoch == u32::MAX {
            self.values.fill((0, T::default()));
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    pub fn get(&self, member: u32) -> Option<T> {
        let (epoch, value) = self.values[member as usize];
        (epoch == self.epoch).then_some(value)
    }

    pub fn set(&mut self, member: u32, value: T) {
        self.values[member as usize] = (self.epoch, value);
    }

    /// Sets a value where there is none; returns whether there was none.
    pub fn set_new(&mut self, member: u32, value: T) -> bool {
        let slot = &mut self.values[member as usize];
        let new = slot.0 != self.epoch;
        if new {
            *slot = (self.epoch, value);
        }
        new
    }

    /// Returns the value, the default one if there was none; and whether there was none.
    pub fn entry(&mut self, member: u32) -> (&mut T, bool) {
        let slot = &mut self.values[member as usize];
        let new = slot.0 != self.epoch;
        if new {
            *slot = (self.epoch, T::default());
        }
        (&mut slot.1, new)
    }
}
