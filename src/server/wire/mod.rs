//! What a message would become, read off its bytes before it is decoded.
//!
//! Two bytes can name a message without content that takes hundreds in memory: a list of two million of those fits into one message. So the
//! elements of every repeated field are counted on the wire, and what they would take is known before prost decodes them. The fields come
//! from the API's own descriptors, so that only the bounds are kept in step by hand.
//!
//! | file | holds |
//! |---|---|
//! | `shapes.rs` | the table of messages and their fields, made once |
//! | `bounds.rs` | how many elements each repeated field may hold |
//! | `scan.rs` | the scan of a message's bytes |

mod bounds;
mod scan;
mod shapes;

pub use shapes::Shapes;
