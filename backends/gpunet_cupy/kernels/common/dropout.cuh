// Dropout masks, the same as in gpunet/core/dropout.py: a hash of key and position.
#pragma once

// The factor of one value: 0 where it is dropped, else 1 / (1 − rate). `position` counts in an array (n, m),
// columns as examples; `threshold` is rate · 2²⁴.
__device__ inline T dropout_factor(int key, int position, int threshold, T kept) {
    unsigned x = (unsigned)position * 0x9E3779B9u + (unsigned)key;
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    x ^= x >> 16;
    return int(x >> 8) >= threshold ? kept : T(0);
}
