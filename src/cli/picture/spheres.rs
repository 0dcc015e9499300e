//! The spheres in pictures: one color each, on white and on black, that people who see few colors can distinguish too.

use crate::proto::v1::Sphere;

/// The spheres in the order they are drawn and explained in.
pub const SPHERES: [Sphere; 3] = [Sphere::Personal, Sphere::Professional, Sphere::Public];

/// Returns the class of the picture's style sheet.
pub fn class(sphere: Sphere) -> &'static str {
    match sphere {
        Sphere::Personal => "personal",
        Sphere::Professional => "professional",
        Sphere::Public => "public",
        Sphere::Unspecified => "unknown",
    }
}

/// Returns one color that works on light and dark, because Graphviz has no style sheets.
pub fn color(sphere: Sphere) -> &'static str {
    match sphere {
        Sphere::Personal => "#d55e00",
        Sphere::Professional => "#1c7ed6",
        Sphere::Public => "#0f9d6e",
        Sphere::Unspecified => "#868e96",
    }
}
