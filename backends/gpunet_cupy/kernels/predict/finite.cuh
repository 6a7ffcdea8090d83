// Whether the inputs are finite, seen from the first layer's products with them.
#pragma once

// *not_finite ← 1 unless z is finite. A product with a row that holds NaN or infinity is not finite: even a
// weight of 0 gives NaN. Where finite inputs overflow in the product, it is set too.
__device__ inline void report_not_finite(T z, int* not_finite) {
    if (!(z - z == T(0))) *not_finite = 1;
}
