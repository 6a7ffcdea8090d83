// x / y for 1 ≤ y ≤ 2¹²⁶, or NaN: in float32 by a reciprocal, with an error of up to 2 units in the last place. It leaves
// out the branch for very large and very small y of a division, which keeps instructions from overlapping.
#pragma once

#ifdef __CUDACC__  // the CPU emulator of the tests has no such division
__device__ inline float quotient(float x, float y) { return __fdividef(x, y); }
#else
__device__ inline float quotient(float x, float y) { return x / y; }
#endif
__device__ inline double quotient(double x, double y) { return x / y; }
