//! What a message would become, read off its bytes before anything is made of it.
//!
//! Two bytes can name a message without content that takes hundreds in memory: a list of two million of those fits into one message.
//! So the elements of every repeated field are counted on the wire, and what they would take is known, before prost decodes them.
//! Which fields there are comes from the API's own descriptors: nothing is to be kept in step by hand but the bounds.
//!
//! | file | holds |
//! |---|---|
//! | `shapes.rs` | the table of messages and their fields, made once |
//! | `bounds.rs` | how many elements each repeated field may hold |
//! | `scan.rs` | the way through a message's bytes |

mod bounds;
mod scan;
mod shapes;

pub use shapes::Shapes;
