// Four values that are loaded and stored together. Their address is a multiple of their size.
#pragma once

struct __align__(16) Vec4 {
    T v[4];
};

__device__ inline Vec4 load4(const T* p) { return *reinterpret_cast<const Vec4*>(p); }
__device__ inline void store4(T* p, const Vec4& x) { *reinterpret_cast<Vec4*>(p) = x; }
__device__ inline void add4(Vec4& sum, const Vec4& x) {
    for (int j = 0; j < 4; ++j) sum.v[j] += x.v[j];
}
